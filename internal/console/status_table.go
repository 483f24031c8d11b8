package console

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/report"
	"postferry/store"
)

// statusTable prints wide lines for people. Columns have fixed widths, so that
// lines can be printed as they come; a longer value just pushes its line.
type statusTable struct {
	w      *bufio.Writer
	titled bool
}

// NewStatusTable prints a status for people: within the width of a terminal, or wide.
func NewStatusTable(w io.Writer, wide bool) StatusPrinter {
	t := &statusTable{w: bufio.NewWriter(w)}
	if wide {
		return t
	}
	return &narrowTable{statusTable: t, told: map[string]bool{}}
}

// wideName is the width of the column of logins and folders, in cells.
const wideName = 34

// row prints the columns of a line.
func (t *statusTable) row(name, messages, copied, refused, done, speed, last, state string) error {
	line := fmt.Sprintf("%s %10s %10s %8s %6s %10s  %-16s  %s", pad(name, wideName), messages, copied, refused, done, speed, last, state)
	_, err := fmt.Fprintln(t.w, strings.TrimRight(line, " "))
	return err
}

func (t *statusTable) Print(r control.StatusRecord) error {
	if r.Totals != nil {
		return t.totals(r.Totals)
	}
	if !t.titled {
		t.titled = true
		fmt.Fprintln(t.w)
		if err := t.row("ACCOUNT", "MESSAGES", "COPIED", "REFUSED", "DONE", "SPEED", "LAST PASS", "STATE"); err != nil {
			return err
		}
	}
	return t.account(r.Account)
}

func (t *statusTable) End() error { return t.w.Flush() }

func (t *statusTable) totals(s *control.StatusTotals) error {
	_, err := fmt.Fprintln(t.w, totalsText(s))
	for _, c := range s.Causes {
		_, err = fmt.Fprintf(t.w, "%s (%s)\n", causeText(c), causeNames(c))
	}
	return err
}

// totalsText sums everything up.
func totalsText(s *control.StatusTotals) string {
	text := fmt.Sprintf("%s: %d complete, %d being copied, %d with a problem; %s, %d copied",
		humanize.Count(s.Accounts, "account"), s.Complete, s.Running, s.Problems, humanize.Count(s.Messages, "message"), s.Copied)
	if s.Quarantined > 0 {
		text += fmt.Sprintf(", %d refused (quarantined)", s.Quarantined)
	}
	if s.MessagesPerSecond > 0 {
		text += fmt.Sprintf("; now %s, %s/s", speed(s.MessagesPerSecond), humanize.Size(uint64(s.BytesPerSecond)))
	}
	return text
}

func (t *statusTable) account(a *control.AccountStatus) error {
	err := t.row(a.Login, fmt.Sprint(a.Messages), fmt.Sprint(a.Copied), fmt.Sprint(a.Quarantined),
		percent(a.Copied+a.Quarantined, a.Messages, a.Complete), speed(a.MessagesPerSecond), lastPass(a.Pass), AccountState(a))
	if a.Problem != nil {
		_, err = fmt.Fprintf(t.w, "    %s\n", problemLine(a.Problem))
	}
	for _, f := range a.Folders {
		err = t.row("  "+f.Title, fmt.Sprint(f.Messages), fmt.Sprint(f.Copied), fmt.Sprint(f.Quarantined),
			percent(f.Copied+f.Quarantined, f.Messages, f.Checked != nil), "", Clock(f.Checked), folderState(f))
	}
	return err
}

// AccountState is what goes on with an account, in a word or two.
func AccountState(a *control.AccountStatus) string {
	if a.AliasOf != nil {
		shown := *a
		shown.AliasOf = nil
		return "alias of " + *a.AliasOf + ", " + AccountState(&shown)
	}
	switch {
	case a.Stored != store.Active:
		return string(a.Stored)
	case a.Running && a.Folder != "":
		return "copying " + a.Folder + ofOctets(", ", a.OctetsDone, a.OctetsTotal, a.OctetsAbout) + ", " + timeLeft(a.Remaining)
	case a.Running:
		return "copying"
	case a.Problem != nil && a.Problem.NeedsPerson:
		return "needs attention"
	case a.Problem != nil:
		return "waiting to try again"
	case a.Pass == nil:
		return "waiting"
	case a.Complete:
		return "complete" + leftOut(a.LeftOut)
	default:
		return "incomplete" + leftOut(a.LeftOut)
	}
}

// leftOut says how many messages are deliberately not copied, "" if none.
func leftOut(messages uint64) string {
	if messages == 0 {
		return ""
	}
	return ", " + humanize.Count(messages, "message") + " left out"
}

func folderState(f report.FolderStatus) string {
	switch f.State {
	case store.FolderPlanned:
		return "not on the new server yet"
	case store.FolderDeleted:
		return "deleted on the new server" + leftOut(f.LeftOut)
	case store.FolderMissing:
		return missingState(f)
	case store.FolderSkipped:
		return withNote("skipped", f.Note.String()) + leftOut(f.LeftOut)
	}
	if f.Title != f.Name {
		return withNote("as "+Printable(f.Name), f.Note.String())
	}
	return withNote("", f.Note.String())
}

// missingState says since when a folder is missing, and what stays behind.
func missingState(f report.FolderStatus) string {
	text := "missing on the new server since " + Clock(f.Missing)
	if f.Looks > 1 {
		text += fmt.Sprintf(", looked for %d times", f.Looks)
	}
	switch {
	case f.LeftOut == 1:
		return text + "; 1 message does not come"
	case f.LeftOut > 1:
		return text + fmt.Sprintf("; %d messages do not come", f.LeftOut)
	}
	return text + "; all of its mail had been copied"
}

// withNote adds to a word what there is to say about it.
func withNote(word, note string) string {
	if word != "" && note != "" {
		word += ": "
	}
	return word + Printable(note)
}

func problemLine(p *report.Problem) string {
	var b strings.Builder
	b.WriteString(strings.TrimSuffix(Printable(p.Summary.String()), "."))
	if p.Folder != "" {
		fmt.Fprintf(&b, " (in %s)", Printable(p.Folder))
	}
	if p.Retry != nil {
		fmt.Fprintf(&b, "; next try at %s", retryClock(*p.Retry))
	}
	return b.String()
}

// retryClock is when something is tried again.
func retryClock(at time.Time) string {
	layout := "15:04:05"
	if time.Until(at) > 12*time.Hour {
		layout = "15:04 on 2006-01-02"
	}
	return at.Local().Format(layout)
}

func lastPass(p *report.Pass) string {
	if p == nil {
		return "never"
	}
	return Clock(&p.Ended)
}

// Clock is an instant as it is shown here.
func Clock(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func speed(perSecond float64) string {
	if perSecond <= 0 {
		return "-"
	}
	if perSecond < 10 {
		return fmt.Sprintf("%.1f msg/s", perSecond)
	}
	return fmt.Sprintf("%.0f msg/s", perSecond)
}

// percent is empty while the total is not known, and never says 100 before
// everything is there.
func percent(done, total uint64, known bool) string {
	if total == 0 && !known {
		return "-"
	}
	if done >= total {
		return "100%"
	}
	return fmt.Sprintf("%d%%", done*100/total)
}

// Printable replaces what could upset a terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || (0x80 <= r && r < 0xa0) {
			return '?'
		}
		return r
	}, s)
}

// StatusPrinter shows records as they come: the totals first.
type StatusPrinter interface {
	Print(control.StatusRecord) error
	End() error
}
