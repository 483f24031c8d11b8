package console

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"postferry/internal/control"
	"postferry/internal/spreadsheet"
	"postferry/report"
)

// Export writes what a verification finds for programs.
type Export interface {
	Write(report.VerifyEvent) error
	End(*VerifySummary) error
}

// Exports are those that were asked for, with the files they go to.
type Exports struct {
	all   []Export
	flush []*bufio.Writer
	files []*os.File
}

// OpenExports opens the files that a verification is written to: "" for none, "-" for standard output.
func OpenExports(stdout io.Writer, jsonTo, csvTo string) (*Exports, error) {
	e := &Exports{}
	for _, one := range []struct {
		path string
		make func(io.Writer) Export
	}{{jsonTo, NewExportJSON}, {csvTo, NewExportCSV}} {
		if one.path == "" {
			continue
		}
		w := stdout
		if one.path != "-" {
			f, err := os.OpenFile(one.path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
			if err != nil {
				return nil, control.UsageError(errors.Join(err, e.Close()))
			}
			e.files = append(e.files, f)
			w = f
		}
		b := bufio.NewWriter(w)
		e.flush = append(e.flush, b)
		e.all = append(e.all, one.make(b))
	}
	return e, nil
}

// Write writes what comes next to all of them.
func (e *Exports) Write(event report.VerifyEvent) error {
	for _, one := range e.all {
		if err := one.Write(event); err != nil {
			return err
		}
	}
	return nil
}

// End writes what comes at the end.
func (e *Exports) End(s *VerifySummary) error {
	for _, one := range e.all {
		if err := one.End(s); err != nil {
			return err
		}
	}
	return nil
}

// Close writes what is left, also of a verification that did not end well.
func (e *Exports) Close() (err error) {
	for _, b := range e.flush {
		err = errors.Join(err, b.Flush())
	}
	for _, f := range e.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// exportJSON writes an object a line.
type exportJSON struct{ enc *json.Encoder }

// NewExportJSON writes a verification as lines of JSON.
func NewExportJSON(w io.Writer) Export {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false) // folder names have ampersands
	return exportJSON{enc}
}

func (e exportJSON) Write(event report.VerifyEvent) error {
	if event.Progress != nil {
		return nil
	}
	return e.enc.Encode(event)
}

func (e exportJSON) End(s *VerifySummary) error {
	return e.enc.Encode(map[string]*VerifySummary{"summary": s})
}

// exportCSV writes a line for each finding (RFC 4180). An account that could
// not be verified has one, too.
type exportCSV struct{ w *spreadsheet.Writer }

// NewExportCSV writes the findings of a verification as a table.
func NewExportCSV(w io.Writer) Export {
	e := exportCSV{spreadsheet.NewWriter(w)}
	_ = e.w.Write("login", "folder", "new_folder", "kind", "severity", "old_uid", "new_uid", "date", "size", "old", "new", "reason") // Flush reports it
	return e
}

func (e exportCSV) Write(event report.VerifyEvent) error {
	switch {
	case event.Finding != nil:
		f := event.Finding
		return e.w.Write(
			f.Login, f.Folder, f.NewFolder, string(f.Kind), string(f.Severity),
			number(uint64(f.OldUID)), number(uint64(f.NewUID)), date(f.Date), number(uint64(f.Size)), f.Old.String(), f.New.String(), f.Reason.String(),
		)
	case event.Account != nil && event.Account.Problem != "":
		a := event.Account
		return e.w.Write(a.Login, "", "", "account-unverified", string(report.Damage), "", "", "", "", "", "", a.Problem.String())
	}
	return nil
}

func (e exportCSV) End(*VerifySummary) error {
	return e.w.Flush()
}

// number is empty for 0.
func number(n uint64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatUint(n, 10)
}

func date(t *time.Time) string {
	if t == nil {
		return ""
	}
	return fmt.Sprint(t.Format(time.RFC3339))
}
