package console

import (
	"fmt"
	"strings"

	"postferry/cause"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/internal/table"
)

// narrowTable prints a status within the width of a terminal. What there is to say besides the
// figures goes on below them.
type narrowTable struct {
	*statusTable
	told map[string]bool // problems that the causes have told of for many accounts, in these words
}

// line prints the columns of an account or a folder.
func (t *narrowTable) line(name, messages, copied, done, state string) {
	writeLine(t.w, name, fmt.Sprintf("%9s %9s %5s", messages, copied, done), state)
}

// below prints a sentence below a line.
func (t *narrowTable) below(sentence string) { writeBelow(t.w, sentence) }

func (t *narrowTable) Print(r control.StatusRecord) error {
	if r.Totals != nil {
		t.totals(r.Totals)
		return nil
	}
	if !t.titled {
		t.titled = true
		fmt.Fprintln(t.w)
		t.line("ACCOUNT", "MESSAGES", "COPIED", "DONE", "STATE")
	}
	t.account(r.Account)
	return nil
}

func (t *narrowTable) totals(s *control.StatusTotals) {
	fmt.Fprintln(t.w, table.Wrap(totalsText(s), 0))
	for _, c := range s.Causes {
		t.cause(c)
	}
}

// cause prints what keeps accounts from being copied, and what mends it.
func (t *narrowTable) cause(c cause.Cause) {
	fmt.Fprintln(t.w)
	fmt.Fprintln(t.w, table.Wrap(causeText(c), 0))
	t.below(causeNames(c))
	if c.Same && c.Accounts > len(c.Logins) {
		t.told[c.Text.String()] = true
	}
}

// causeText is a cause in sentences.
func causeText(c cause.Cause) string {
	text := "Tried again by itself"
	if c.NeedsPerson {
		text = "Needs attention"
	}
	text += fmt.Sprintf(" (%s): %s", humanize.Count(c.Accounts, "account"), strings.TrimSuffix(Printable(c.Text.String()), "."))
	if !c.Same {
		text += ", and the like"
	}
	text += ". "
	if c.Retry != nil {
		text += "Next try at " + retryClock(*c.Retry) + ". "
	}
	if c.Mend == cause.Wait || c.Mend == cause.Again { // the sentence says it
		return strings.TrimSpace(text)
	}
	return text + c.Mend.What()
}

// causeNames are some of a cause's accounts.
func causeNames(c cause.Cause) string {
	names := Printable(strings.Join(c.Logins, ", "))
	if more := c.Accounts - len(c.Logins); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return names
}

func (t *narrowTable) account(a *control.AccountStatus) {
	t.line(a.Login, fmt.Sprint(a.Messages), fmt.Sprint(a.Copied), percent(a.Copied+a.Quarantined, a.Messages, a.Complete), AccountState(a))
	if a.Quarantined > 0 {
		t.below(humanize.Count(a.Quarantined, "message") + " refused (quarantined)")
	}
	if a.Problem != nil && !t.told[a.Problem.Summary.String()] {
		t.below(problemLine(a.Problem))
	}
	for _, f := range a.Folders {
		t.line("  "+f.Title, fmt.Sprint(f.Messages), fmt.Sprint(f.Copied), percent(f.Copied+f.Quarantined, f.Messages, f.Checked != nil), folderState(f))
		if f.Quarantined > 0 {
			t.below(humanize.Count(f.Quarantined, "message") + " refused (quarantined)")
		}
	}
}
