package syncer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/internal/lab"
	"postferry/store"
)

// Odd names from a real connection: they are left out and named, the neighbours are copied.
func TestOddNamesOnTheWire(t *testing.T) {
	t.Parallel()
	r := newOddRig(t, lab.OddOptions{}, lab.OddOptions{})
	left := 0
	for _, name := range []string{
		strings.Repeat("&", 64<<10) + "-", strings.Repeat("a/", 16_000) + "a", strings.Repeat("&AGE-", 20_000),
		strings.Repeat("x", maxName+1), strings.Repeat("/", maxLevels), strings.Repeat("a/", maxLevels) + "a",
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
			if kind, _ := WhyLeft(f.Note); kind != LeftLong && kind != LeftDeep {
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
	err := Verification{Config: r.cfg, Store: r.store, Log: zerolog.Nop(), Tell: func(e VerifyEvent) error {
		if e.Finding != nil && e.Finding.Kind == FolderMissing {
			told = append(told, e.Finding.Reason)
		}
		return nil
	}}.Run(r.t.Context(), nil)
	if want := fmt.Sprintf("[%s: %d are left out]", noteOmitted, n); err != nil || fmt.Sprint(told) != want {
		r.t.Errorf("verified: %v, %q, want %q", err, told, want)
	}
	err = DryRun{Config: r.cfg, Store: r.store, Log: zerolog.Nop(), Tell: func(p AccountPlan) error {
		if text := fmt.Sprint(p.Notes); !strings.Contains(text, fmt.Sprintf("these %d are more", n)) || len(p.Folders) != 3+8-2 {
			r.t.Errorf("planned: %d folders, %s", len(p.Folders), text)
		}
		return nil
	}}.Run(r.t.Context(), nil)
	if err != nil {
		r.t.Error(err)
	}
}

// Names that the new server refuses at every level of a deep tree are each replaced, and
// all below them follow.
func TestRefusedAtEveryLevel(t *testing.T) {
	const deep, many = 40, 500
	chain := strings.Repeat("%/", deep-1) + "%"
	old := plain("INBOX")
	for i := range deep {
		old.Mailboxes = append(old.Mailboxes, plain(chain[:2*i+1]).Mailboxes...)
	}
	for i := range many {
		old.Mailboxes = append(old.Mailboxes, plain(fmt.Sprintf("%s/%d", chain, i)).Mailboxes...)
	}
	plan := planned(t, old, onlyInbox)
	m := newMaker(nil, onlyInbox, nil, &plan, zerolog.Nop())
	for i := range deep {
		c := &plan.Create[i]
		name := c.Name[:len(c.Name)-1] + "_"
		if !m.free(c.Name, name) {
			t.Fatalf("%q is taken", name)
		}
		m.rename(c, name, errNotMade)
	}
	for _, f := range plan.Folders[1:] {
		if strings.Contains(f.New, "%") || m.meant[foldedKey(f.New)] != 1 {
			t.Errorf("%q is called %q, which %d are", f.Old, f.New, m.meant[foldedKey(f.New)])
		}
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
			!strings.Contains(res.Problem.Summary, "34 folders") || !strings.Contains(res.Problem.Summary, "8") {
			t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
		}
	}
	r.arrived(nil)
	r.wantOmitted(34)
	if n := r.new.Count("CREATE"); n != 8 {
		t.Errorf("%d folders were made", n)
	}
}
