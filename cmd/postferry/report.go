package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/lifecycle"
	"postferry/stage"
)

const reportHelp = `Report shows the reports that are kept of what was finished, the newest first: how
each account has come over, and what lowers its grade. They stay when a domain is
forgotten. With --html, --csv or --json the newest one is written to a file; or
the one of --number.

` + exitHelp

func newReport() *cobra.Command {
	var path string
	var number uint64
	var x reportExports
	cmd := &cobra.Command{
		Use:     "report -c FILE [--number N] [--html FILE] [--csv FILE] [--json FILE] [DOMAIN]",
		Short:   "Show the reports of what was finished",
		Long:    reportHelp,
		Example: `  postferry report -c /etc/postferry/config.toml --html report.html example.com`,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			domain := strings.ToLower(strings.Join(args, ""))
			return withBackend(cmd.Context(), path, reportCommand, func(b control.Backend) error {
				reports, err := b.Reports(cmd.Context(), domain)
				if err != nil {
					return err
				}
				return showReports(cmd.OutOrStdout(), reports, number, x)
			})
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().Uint64Var(&number, "number", 0, "only this report")
	x.flags(cmd)
	return cmd
}

// showReports prints reports, and exports the first of them.
func showReports(out io.Writer, reports []lifecycle.Report, number uint64, x reportExports) error {
	var shown []lifecycle.Report
	for _, r := range reports {
		if number == 0 || r.Number == number {
			shown = append(shown, r)
		}
	}
	switch {
	case len(reports) == 0:
		return errors.New("there is no report: one is written when accounts are finished (postferry finish --help)")
	case len(shown) == 0:
		return fmt.Errorf("there is no report %d: the newest is %d", number, slices.MaxFunc(reports, func(a, b lifecycle.Report) int { return cmp.Compare(a.Number, b.Number) }).Number)
	}
	if x.any() {
		return x.write(out, &shown[0])
	}
	for i := range shown {
		if _, err := io.WriteString(out, reportText(&shown[i])+"\n"); err != nil {
			return err
		}
	}
	return nil
}

// reportExports are the files to write a report to; "-" is standard output.
type reportExports struct{ html, csv, json string }

func (x *reportExports) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&x.html, "html", "", "write the report to `FILE` as a page to print; \"-\" for standard output")
	cmd.Flags().StringVar(&x.csv, "csv", "", "write the report to `FILE` as CSV; \"-\" for standard output")
	cmd.Flags().StringVar(&x.json, "json", "", "write the report to `FILE` as JSON; \"-\" for standard output")
}

func (x *reportExports) any() bool { return *x != reportExports{} }

// write writes the files.
func (x *reportExports) write(out io.Writer, r *lifecycle.Report) error {
	return errors.Join(writeTo(out, x.html, r.WriteHTML), writeTo(out, x.csv, r.WriteCSV), writeTo(out, x.json, r.WriteJSON))
}

// writeTo writes to a file that only its owner may read; to out for "-", nowhere for "".
func writeTo(out io.Writer, name string, write func(io.Writer) error) error {
	switch name {
	case "":
		return nil
	case "-":
		return write(out)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("the report can't be written: %w", err)
	}
	return errors.Join(write(f), f.Close())
}

// reportText is a report for people, within 80 columns.
func reportText(r *lifecycle.Report) string {
	var b strings.Builder
	head := "draft of the report"
	if r.Number > 0 {
		head = fmt.Sprintf("report %d of %s, finished by %s", r.Number, r.Made.Local().Format("2006-01-02 15:04"), console.Printable(r.By))
	}
	fmt.Fprintf(&b, "%s: %s\n", console.Printable(r.Domain), head)
	fmt.Fprintf(&b, "%s: %d perfect, %d good, %d that need a look\n\n", humanize.Count(len(r.Accounts)+len(r.Left), "account"),
		r.Count(stage.Perfect), r.Count(stage.Good), r.Count(stage.NeedsLook)+len(r.Left))
	for _, list := range [][]lifecycle.Account{r.Accounts, r.Left} {
		for i := range list {
			b.WriteString(gradeText(&list[i]))
		}
	}
	return b.String()
}

// gradeText is an account with what lowers its grade.
func gradeText(a *lifecycle.Account) string {
	grade := strings.ReplaceAll(string(a.Grade), "needs_look", "needs a look")
	text := fmt.Sprintf("%-13s %s, %s\n", grade, console.Printable(a.Login), humanize.Count(a.Copied, "message"))
	for _, m := range a.Why {
		text += wrapped("              ", console.Printable(m.Text))
	}
	if a.Approved != nil {
		text += wrapped("              ", "approved by "+console.Printable(a.Approved.By))
	}
	return text
}
