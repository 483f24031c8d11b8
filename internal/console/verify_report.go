package console

import (
	"fmt"
	"io"
	"strings"
	"time"

	"postferry/internal/humanize"
	"postferry/report"
)

// How many findings of an account are printed; an export has all. Doubtful
// ones are mostly flags of mail that somebody has read meanwhile.
const (
	mostDamage   = 20
	MostDoubtful = 5
)

// VerifyReport prints a table for people, account by account, and progress.
type VerifyReport struct {
	w, progress io.Writer
	started     time.Time
	said        time.Time
	titled      bool
	found       map[string]map[report.Severity][]string // by login, of accounts under way
	accounts    []report.VerifiedAccount
}

// NewVerifyReport prints the report to w, and how far it is to progress.
func NewVerifyReport(w, progress io.Writer) *VerifyReport {
	now := time.Now()
	return &VerifyReport{w: w, progress: progress, started: now, said: now,
		found: make(map[string]map[report.Severity][]string)}
}

// Take prints what an event says, at once or with its account.
func (r *VerifyReport) Take(e report.VerifyEvent) {
	switch {
	case e.Finding != nil:
		r.keep(e.Finding)
	case e.Account != nil:
		r.account(e.Account)
	case e.Progress != nil:
		r.say(e.Progress)
	}
}

func (r *VerifyReport) keep(f *report.Finding) {
	most := MostDoubtful
	switch f.Severity {
	case report.Harmless:
		return
	case report.Damage:
		most = mostDamage
	}
	lines := r.found[f.Login]
	if lines == nil {
		lines = make(map[report.Severity][]string)
		r.found[f.Login] = lines
	}
	if len(lines[f.Severity]) < most {
		lines[f.Severity] = append(lines[f.Severity], findingLine(f))
	}
}

func (r *VerifyReport) say(p *report.VerifyProgress) {
	if now := time.Now(); now.Sub(r.said) >= ProgressEvery {
		r.said = now
		fmt.Fprintf(r.progress, "%s: %d of %s verified, %s read, now %s %s\n", humanize.Duration(now.Sub(r.started)),
			p.Accounts, humanize.Count(p.Of, "account"), humanize.Count(p.Messages, "item"), Printable(p.Login), Printable(p.Folder))
	}
}

func (r *VerifyReport) account(a *report.VerifiedAccount) {
	if !r.titled {
		r.titled = true
		r.row("ACCOUNT", "FOLDERS", "OLD", "NEW", "SAME", "RESULT")
	}
	r.row(a.Login, fmt.Sprint(a.Folders), fmt.Sprint(a.OldMessages), fmt.Sprint(a.NewMessages), fmt.Sprint(a.Same), verified(a))
	for _, severity := range []report.Severity{report.Damage, report.Doubtful} {
		lines := r.found[a.Login][severity]
		for _, line := range lines {
			writeBelow(r.w, line)
		}
		if n := total(a.Found, severity); n > uint64(len(lines)) {
			fmt.Fprintf(r.w, "    and %d more that are %s (--csv or --json exports all)\n", n-uint64(len(lines)), severity)
		}
	}
	delete(r.found, a.Login)
	r.accounts = append(r.accounts, report.VerifiedAccount{
		Problem: a.Problem, OldMessages: a.OldMessages, NewMessages: a.NewMessages, Same: a.Same, Found: a.Found,
	})
}

func (r *VerifyReport) row(name, folders, old, new, same, result string) {
	writeLine(r.w, name, fmt.Sprintf("%7s %9s %9s %9s", folders, old, new, same), result)
}

// End prints the sums.
func (r *VerifyReport) End(strict bool) *VerifySummary {
	s := &VerifySummary{Found: report.FindingCounts{}, Result: ResultBad}
	for i := range r.accounts {
		s.add(&r.accounts[i], strict)
	}
	if s.Accounts == 0 {
		fmt.Fprintln(r.w, "nothing was compared: there is no account that is not finished (postferry status lists those there are)")
		return s
	}
	if s.Good == s.Accounts {
		s.Result = ResultGood
	}
	fmt.Fprintf(r.w, "\n%s", s.text(strict))
	return s
}

// verified says in a few words how an account compares.
func verified(a *report.VerifiedAccount) string {
	switch {
	case a.Problem != "":
		return "not verified: " + Printable(a.Problem.String())
	case a.Found.Has(report.Damage):
		return "damage: " + kinds(a.Found, report.Damage)
	case a.Found.Has(report.Doubtful):
		return "doubtful: " + kinds(a.Found, report.Doubtful)
	}
	return "good"
}

// kinds counts what was found of a severity, "" for all: "2 altered, 1 missing".
func kinds(c report.FindingCounts, severity report.Severity) string {
	var parts []string
	for _, kind := range c.Kinds() {
		if c[kind] > 0 && (severity == "" || kind.Severity() == severity) {
			parts = append(parts, fmt.Sprintf("%d %s", c[kind], kind))
		}
	}
	return strings.Join(parts, ", ")
}

func total(c report.FindingCounts, severity report.Severity) (n uint64) {
	for kind, k := range c {
		if kind.Severity() == severity {
			n += k
		}
	}
	return n
}

// findingLine is a finding for people.
func findingLine(f *report.Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", f.Kind, f.Folder)
	switch {
	case f.OldUID != 0 && f.NewUID != 0:
		fmt.Fprintf(&b, ", message %d (on the new server %d)", f.OldUID, f.NewUID)
	case f.OldUID != 0:
		fmt.Fprintf(&b, ", message %d", f.OldUID)
	case f.NewUID != 0:
		fmt.Fprintf(&b, ", message %d on the new server", f.NewUID)
	}
	if f.Date != nil {
		fmt.Fprintf(&b, " of %s, %s", f.Date.Format("2006-01-02 15:04"), humanize.Size(uint64(f.Size)))
	}
	if f.Old != "" || f.New != "" {
		fmt.Fprintf(&b, ": %s -> %s", orNone(f.Old.String()), orNone(f.New.String()))
	}
	if f.Reason != "" {
		fmt.Fprintf(&b, "; %s", f.Reason)
	}
	return Printable(b.String())
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// The results of a verification.
const (
	ResultGood = "good"
	ResultBad  = "bad"
)

// VerifySummary is how all accounts together compare.
type VerifySummary struct {
	Result      string               `json:"result"` // good: the exit status is 0
	Accounts    int                  `json:"accounts"`
	Good        int                  `json:"good"`       // accounts without damage (with --strict: without anything doubtful)
	Unverified  int                  `json:"unverified"` // accounts that could not be verified
	OldMessages uint64               `json:"old_messages"`
	NewMessages uint64               `json:"new_messages"`
	Same        uint64               `json:"same"`
	Found       report.FindingCounts `json:"found"`
}

// add takes an account into the sums.
func (s *VerifySummary) add(a *report.VerifiedAccount, strict bool) {
	s.Accounts++
	switch {
	case a.Problem != "":
		s.Unverified++
	case !a.Found.Has(report.Damage) && !(strict && a.Found.Has(report.Doubtful)):
		s.Good++
	}
	s.OldMessages += a.OldMessages
	s.NewMessages += a.NewMessages
	s.Same += a.Same
	for kind, n := range a.Found {
		s.Found[kind] += n
	}
}

func (s *VerifySummary) text(strict bool) string {
	doubts := ""
	if strict {
		doubts = " or doubts"
	}
	text := fmt.Sprintf("%s: %d without damage%s, %d with", humanize.Count(s.Accounts, "account"), s.Good, doubts, s.Accounts-s.Good-s.Unverified)
	if s.Unverified > 0 {
		text += fmt.Sprintf(", %d could not be verified", s.Unverified)
	}
	text += fmt.Sprintf("\n%s on the old server, %d on the new one, %d the same", humanize.Count(s.OldMessages, "message"), s.NewMessages, s.Same)
	if found := kinds(s.Found, ""); found != "" {
		text += "\nfound: " + found
	}
	return text + "\n"
}
