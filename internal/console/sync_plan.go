package console

import (
	"fmt"
	"io"
	"strings"
	"time"

	"postferry/config"
	"postferry/discover"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/report"
)

// PlanPrinter prints a dry run for people, account by account.
type PlanPrinter struct {
	w                  io.Writer
	domains            *config.Directory
	told               map[string]bool // domains whose peculiarities were printed
	pace               report.Pace
	accounts, misfits  int
	messages, octets   uint64
	longest, allInTurn time.Duration
}

// NewPlanPrinter prints to w; domains are those whose servers may be peculiar.
func NewPlanPrinter(w io.Writer, domains *config.Directory) *PlanPrinter {
	return &PlanPrinter{w: w, domains: domains, told: map[string]bool{}}
}

// Take prints what comes next.
func (p *PlanPrinter) Take(r control.PlanRecord) error {
	if r.Pace != nil {
		p.pace = *r.Pace
	}
	if r.Account == nil {
		return nil
	}
	return p.account(r.Account)
}

// peculiarities prints what is to be known of the servers of an account's domain, once.
func (p *PlanPrinter) peculiarities(login string) {
	d, known := p.domains.DomainOf(login)
	if !known || p.told[d.Name] {
		return
	}
	p.told[d.Name] = true
	notes := discover.Peculiarities(*d)
	for _, m := range notes {
		fmt.Fprintf(p.w, "%s: %s\n", d.Name, Printable(m.Text))
	}
	if len(notes) > 0 {
		fmt.Fprintln(p.w)
	}
}

func (p *PlanPrinter) account(a *report.AccountPlan) error {
	p.peculiarities(a.Login)
	p.accounts++
	if !a.Fits() {
		p.misfits++
	}
	if a.Problem != "" {
		_, err := fmt.Fprintf(p.w, "%s: no plan: %s\n\n", Printable(a.Login), Printable(a.Problem.String()))
		return err
	}
	took := p.pace.Time(a.Copy, a.Bytes)
	p.messages, p.octets = p.messages+a.Copy, p.octets+a.Bytes
	p.longest, p.allInTurn = max(p.longest, took), p.allInTurn+took
	fmt.Fprintf(p.w, "%s: at most %s, %s, about %s\n", Printable(a.Login), humanize.Count(a.Copy, "message"), humanize.Size(a.Bytes), humanize.Duration(took))
	for _, f := range a.Folders {
		writeLine(p.w, "  "+f.Folder, fmt.Sprintf("%10d %10s", f.Copy, humanize.Size(f.Bytes)), folderPlan(f))
	}
	if len(a.Subscribe) > 0 {
		fmt.Fprintf(p.w, "  subscribed on the new server: %s\n", Printable(strings.Join(a.Subscribe, ", ")))
	}
	for _, note := range a.Notes {
		fmt.Fprintf(p.w, "  note: %s\n", Printable(note.String()))
	}
	if a.TooLarge > 0 {
		fmt.Fprintf(p.w, "  won't fit: %s above the new server's limit of %s each\n", humanize.Count(a.TooLarge, "message"), humanize.Size(uint64(a.Limit)))
	}
	if a.Left > 0 {
		fmt.Fprintf(p.w, "  stay behind: %s of folders that are missing on the new server\n", humanize.Count(a.Left, "message"))
	}
	if a.Lacks != "" {
		fmt.Fprintf(p.w, "  won't fit: %s\n", Printable(a.Lacks))
	}
	_, err := fmt.Fprintln(p.w)
	return err
}

// folderPlan says what becomes of a folder.
func folderPlan(f report.FolderPlan) string {
	text := ""
	switch {
	case f.Problem != "":
		return "can't be read"
	case f.Action == report.FolderLeft:
		return withNote("skipped", f.Reason.String()) + leftOut(f.LeftOut)
	case f.Action == report.FolderGone:
		return "was deleted on the new server, stays so" + leftOut(f.LeftOut)
	case f.Action == report.FolderAway && f.Left > 0:
		return fmt.Sprintf("missing on the new server; %s stay behind", humanize.Count(f.Left, "message"))
	case f.Action == report.FolderAway:
		return "missing on the new server"
	case f.Action == report.FolderCreated:
		text = "to be created"
	case f.Copy == 0:
		text = "nothing to copy"
	default:
		text = "to be filled"
	}
	if f.NewFolder != f.Folder {
		text += " as " + Printable(f.NewFolder)
	}
	if f.Copy > 0 && f.Unknown > 0 {
		text += fmt.Sprintf("; the new server has %s there that may be some of these", humanize.Count(f.Unknown, "message"))
	}
	return text
}

// End prints the sums and reports whether all would come over.
func (p *PlanPrinter) End() bool {
	if p.accounts == 0 {
		fmt.Fprintln(p.w, "no accounts: import a list first (postferry import --help)")
		return true
	}
	known := "assumed; it is measured once some mail has been copied"
	if p.pace.Measured {
		known = "measured in earlier passes"
	}
	places := min(p.pace.Accounts, p.accounts)
	all := max(p.longest, p.allInTurn/time.Duration(max(places, 1)))
	fmt.Fprintf(p.w, "%s: at most %s, %s; about %s with %d at a time\n", humanize.Count(p.accounts, "account"),
		humanize.Count(p.messages, "message"), humanize.Size(p.octets), humanize.Duration(all), places)
	fmt.Fprintf(p.w, "The time is for %s and %s/s an account (%s).\n", speed(p.pace.Messages), humanize.Size(uint64(p.pace.Bytes)), known)
	if p.misfits > 0 {
		fmt.Fprintf(p.w, "%s would not come over completely, see above.\n", humanize.Count(p.misfits, "account"))
	}
	fmt.Fprintln(p.w, "Nothing was done: this was a dry run.")
	return p.misfits == 0
}
