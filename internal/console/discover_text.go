package console

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"postferry/discover"
	"postferry/internal/table"
)

// DiscoveryText is a report for a person.
func DiscoveryText(r *discover.Report, wide bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "What %s publishes\n", Printable(r.Unicode))
	for _, l := range r.Lookups {
		fmt.Fprintf(&b, "  %s (%s)\n      %s\n", Printable(l.Asked), took(l.Millis), Printable(l.Result.Text))
	}
	b.WriteString("\nWhat was tried, by preference\n")
	writeAttempts(&b, r, wide)
	fmt.Fprintf(&b, "\n%s\n", foundLine(r))
	writeSentences(&b, r.Why, r.Notes, []discover.Message{r.MX.Message})
	if refusedPrivate(r) {
		b.WriteString("- With --private addresses inside private networks are tried as well.\n")
	}
	if r.Found != nil {
		writeDomain(&b, r)
	}
	return b.String()
}

// writeAttempts writes a line for each attempt, the chosen one marked.
func writeAttempts(w io.Writer, r *discover.Report, wide bool) {
	t := table.New("", "SERVER", "FROM", "TOOK", "OUTCOME")
	for _, a := range r.Attempts {
		mark := ""
		if r.Found != nil && a.Number == r.Found.Attempt {
			mark = "*"
		}
		outcome := Printable(a.Outcome.Text)
		if a.Product != "" {
			outcome += " (" + Printable(a.Product) + ")"
		}
		t.Add(mark, Printable(a.URL), sourceName(a.Source), took(a.Millis), outcome)
	}
	// Errors: the writer below is memory.
	_ = t.Write(w, wide)
}

// sourceName says where a candidate comes from.
func sourceName(s discover.Source) string {
	switch s {
	case discover.SourceSRV:
		return "SRV"
	case discover.SourceAutoconfig:
		return "autoconfig"
	case discover.SourceProvider:
		return "provider"
	case discover.SourceMX:
		return "MX"
	}
	return "usual name"
}

// took is a duration of one step.
func took(millis int64) string {
	return (time.Duration(millis) * time.Millisecond).Round(10 * time.Millisecond).String()
}

func foundLine(r *discover.Report) string {
	if r.Found == nil {
		return "Nothing found."
	}
	return "Found: " + Printable(r.Found.URL)
}

func writeSentences(b *strings.Builder, groups ...[]discover.Message) {
	for _, m := range slices.Concat(groups...) {
		if m.Text != "" {
			fmt.Fprintf(b, "- %s\n", Printable(m.Text))
		}
	}
}

// refusedPrivate tells whether something was not tried for being inside a private network.
func refusedPrivate(r *discover.Report) bool {
	return slices.ContainsFunc(r.Attempts, func(a discover.Attempt) bool { return a.Outcome.Code == discover.PrivateAddress })
}

// writeDomain writes the lines to paste.
func writeDomain(b *strings.Builder, r *discover.Report) {
	fmt.Fprintf(b, "\nFor the configuration:\n\n[[domain]]\nname = %q\nold = %q\n", r.Domain, r.Found.URL)
	if r.Found.Fingerprint != "" {
		fmt.Fprintf(b, "old_fingerprint = %q\n", r.Found.Fingerprint)
	}
}
