package syncer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/dryrun"
	"postferry/syncer/verify"
)

// Odd names from a real connection: they are left out and named, the neighbours are copied.
func TestOddNamesOnTheWire(t *testing.T) {
	t.Parallel()
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
	left := 0
	for _, name := range []string{
		strings.Repeat("&", 64<<10) + "-", strings.Repeat("a/", 16_000) + "a", strings.Repeat("&AGE-", 20_000),
		strings.Repeat("x", 2<<10+1), strings.Repeat("/", 100), strings.Repeat("a/", 100) + "a",
	} {
		r.old.Create(name)
		left++
	}
	r.start(false)
	began := time.Now()
	r.complete(oddTotal())
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
	r.arrived(nil)
	rows, err := r.store.Folders(t.Context(), r.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range rows {
		if f.State == store.FolderSkipped {
			left--
			if code := f.Note.Code(); code != reason.LeftLong && code != reason.LeftDeep {
				t.Errorf("%.40q is left out: %q", f.Old, f.Note)
			}
		}
	}
	if left != 0 {
		t.Errorf("%d folders are not named as left out", left)
	}
}

// wantOmitted wants verification and dry run to tell that so many folders are left behind.
func (r *oddRig) wantOmitted(n int) {
	r.t.Helper()
	var told []string
	err := verify.Verification{Config: r.cfg, Store: r.store, Log: zerolog.Nop(), Tell: func(e report.VerifyEvent) error {
		if e.Finding != nil && e.Finding.Kind == report.FolderMissing {
			told = append(told, e.Finding.Reason.String())
		}
		return nil
	}}.Run(r.t.Context(), nil)
	if want := fmt.Sprintf("[%s: %d are left out]", "there are more folders than are made for one account", n); err != nil || fmt.Sprint(told) != want {
		r.t.Errorf("verified: %v, %q, want %q", err, told, want)
	}
	err = dryrun.DryRun{Config: r.cfg, Store: r.store, Log: zerolog.Nop(), Tell: func(p report.AccountPlan) error {
		if text := fmt.Sprint(p.Notes); !strings.Contains(text, fmt.Sprintf("these %d are more", n)) || len(p.Folders) != 3+8-2 {
			r.t.Errorf("planned: %d folders, %s", len(p.Folders), text)
		}
		return nil
	}}.Run(r.t.Context(), nil)
	if err != nil {
		r.t.Error(err)
	}
}

// More folders than are made for an account are its trouble, told in a sentence; what
// is within the bound is copied.
func TestTooManyFolders(t *testing.T) {
	t.Parallel()
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
	r.cfg.Sync.MaxFolders = 8
	for i := range 40 {
		r.old.Create(fmt.Sprintf("Z%02d", i))
	}
	r.start(false)
	for range 2 {
		res := r.sync()
		if res.Problem == nil || res.Problem.Kind != store.TooManyFolders || res.Pass.Complete ||
			!strings.Contains(res.Problem.Summary.String(), "34 folders") || !strings.Contains(res.Problem.Summary.String(), "8") {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
	}
	r.arrived(nil)
	r.wantOmitted(34)
	if n := r.new.Count("CREATE"); n != 8 {
		t.Errorf("%d folders were made", n)
	}
}
