package lifecycle

import (
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"strconv"
	"time"

	"postferry/internal/spreadsheet"
	"postferry/stage"
)

// WriteJSON writes a report for programs.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// WriteCSV writes a line for each account.
func (r *Report) WriteCSV(w io.Writer) error {
	out := spreadsheet.NewWriter(w)
	err := out.Write("login", "grade", "finished", "messages", "copied", "octets", "quarantined", "left_out", "late", "verified", "approved_by", "why")
	for i := range r.Accounts {
		err = errors.Join(err, out.Write(r.Accounts[i].cells(r.Number != 0)...))
	}
	for i := range r.Left {
		err = errors.Join(err, out.Write(r.Left[i].cells(false)...))
	}
	return errors.Join(err, out.Flush())
}

// cells are an account's line.
func (a *Account) cells(finished bool) []string {
	verified, approved := "", ""
	if a.Verified != nil {
		verified = a.Verified.UTC().Format(time.RFC3339)
	}
	if a.Approved != nil {
		approved = a.Approved.By
	}
	n := func(v uint64) string { return strconv.FormatUint(v, 10) }
	return []string{a.Login, string(a.Grade), strconv.FormatBool(finished), n(a.Messages), n(a.Copied), n(a.Octets), n(a.Quarantined), n(a.LeftOut), n(a.Late), verified, approved, reasons(a.Why)}
}

//go:embed report.html
var reportPage string

// WriteHTML writes a page to print and to keep: it needs nothing else.
func (r *Report) WriteHTML(w io.Writer) error {
	page, err := template.New("report").Funcs(template.FuncMap{
		"when": clock,
		"why":  reasons,
		"grade": func(g stage.Grade) string {
			return map[stage.Grade]string{stage.Perfect: "perfect", stage.Good: "good", stage.NeedsLook: "needs a look"}[g]
		},
	}).Parse(reportPage)
	if err != nil {
		return err
	}
	return page.Execute(w, map[string]any{"R": r, "Perfect": r.Count(stage.Perfect), "Good": r.Count(stage.Good), "Look": r.Count(stage.NeedsLook)})
}

// clock is an instant, or a pointer to one, for people.
func clock(t any) string {
	if at, ok := t.(*time.Time); ok {
		t = *at
	}
	at, _ := t.(time.Time)
	return at.Local().Format("2006-01-02 15:04")
}
