package console

import (
	"fmt"
	"strings"

	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/internal/table"
	"postferry/report"
	"postferry/store"
)

// summaryRows is how many accounts a summary names one by one; of more, only
// those with something left to do are named.
const summaryRows = 50

// Summary is the table at the end of a sync.
func Summary(results []control.SyncResult) string {
	var b strings.Builder
	var total store.Pass
	complete := 0
	for _, r := range results {
		total.Copied += r.Pass.Copied
		total.Adopted += r.Pass.Adopted
		total.FlagChanges += r.Pass.FlagChanges
		total.Quarantined += r.Quarantined
		total.Bytes += r.Pass.Bytes
		if r.Complete() {
			complete++
		}
	}
	const columns = "%8s %8s %8s %8s"
	b.WriteString("\n")
	writeLine(&b, "ACCOUNT", fmt.Sprintf(columns, "COPIED", "REFUSED", "SIZE", "TIME"), "RESULT")
	for _, r := range results {
		if len(results) > summaryRows && r.Complete() {
			continue
		}
		writeLine(&b, r.Login, fmt.Sprintf(columns, fmt.Sprint(r.Pass.Copied), fmt.Sprint(r.Quarantined),
			humanize.Size(r.Pass.Bytes), humanize.Duration(r.Pass.Ended.Sub(r.Pass.Started))), verdict(r))
		if r.Problem != nil {
			writeBelow(&b, problemLine(report.ProblemOf(r.Problem)))
		}
	}
	sums := fmt.Sprintf("%s: %d complete, %d incomplete; %s copied (%s), %d refused (quarantined)",
		humanize.Count(len(results), "account"), complete, len(results)-complete,
		humanize.Count(total.Copied, "message"), humanize.Size(total.Bytes), total.Quarantined)
	if total.Adopted > 0 {
		sums += fmt.Sprintf(", %d found on the new server already", total.Adopted)
	}
	if total.FlagChanges > 0 {
		sums += fmt.Sprintf(", %s carried over", humanize.Count(total.FlagChanges, "flag change"))
	}
	b.WriteString("\n" + table.Wrap(sums, 0) + "\n")
	if total.Quarantined > 0 {
		b.WriteString("Why messages were refused: postferry quarantine list -c FILE\n")
	}
	return b.String()
}

// verdict says in a few words how an account's pass ended and what helps.
func verdict(r control.SyncResult) string {
	switch {
	case r.Complete():
		return "complete"
	case r.Problem == nil && r.Pass.Complete:
		return fmt.Sprintf("complete but for %s refused", humanize.Count(r.Quarantined, "message"))
	case r.Problem == nil && r.Pass.Error != "":
		return "incomplete: " + Printable(r.Pass.Error.String())
	case r.Problem == nil:
		return "incomplete: run sync again"
	case r.Problem.NeedsPerson():
		return "needs attention: fix what is said below, then run sync again"
	default:
		return "incomplete: run sync again later"
	}
}
