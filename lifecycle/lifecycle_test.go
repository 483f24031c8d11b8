package lifecycle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/discover"
	"postferry/report/reason"
	"postferry/stage"
	"postferry/store"
	"postferry/store/bolt"
)

// world is a guide with a state, and an engine that does what a test says.
type world struct {
	*Guide
	Store   store.Store // all of the state
	t       *testing.T
	fails   error                 // of a pass
	passed  func(store.AccountID) // during a pass
	told    []store.AccountID     // that they are finished
	letGo   []store.AccountID
	waiting context.CancelFunc // called by Verify; nil for nothing
}

func newWorld(t *testing.T, logins ...string) *world {
	t.Helper()
	st, err := bolt.Open(t.TempDir(), bolt.Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	cfg := config.Default()
	old, new := config.Server{Host: "imap.old.example"}, config.Server{Host: "imap.new.example"}
	cfg.Directory = config.NewDirectory([]config.Domain{{Name: "example.com", Old: old, New: new}})
	cfg.Directory.Put(config.Domain{Name: "example.net", Old: old, New: new, Stored: true})
	w := &world{t: t, Store: st, Guide: &Guide{Config: &cfg, Store: st, Log: zerolog.Nop(),
		Finder: &discover.Finder{Watched: []string{}, Bound: time.Second}}}
	for _, login := range logins {
		_, domain, _ := strings.Cut(login, "@")
		_, _, err := st.PutAccounts(t.Context(), []store.Account{{Domain: domain, Login: login, Origin: store.Imported, State: store.Active,
			Old: store.Credentials{Login: login, Password: "old"}, New: store.Credentials{Login: login, Password: "new"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *world) Pass(ctx context.Context, ids []store.AccountID) error {
	for _, id := range ids {
		if w.passed != nil {
			w.passed(id)
		}
		now := time.Now()
		if err := w.Store.AddPass(ctx, id, store.Pass{Started: now.Add(-time.Minute), Ended: now, Complete: true, Copied: 3}); err != nil {
			return err
		}
	}
	return w.fails
}

func (w *world) Verify(ctx context.Context, ids []store.AccountID, bodies bool) error {
	if w.waiting != nil {
		w.waiting()
	}
	for _, id := range ids {
		if err := w.Store.NoteVerified(ctx, id, store.Verified{When: time.Now(), Bodies: bodies, Doubtful: uint64(id % 2)}); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) Finished(_ context.Context, ids []store.AccountID) error {
	w.told = append(w.told, ids...)
	return nil
}

func (w *world) LetGo(_ context.Context, ids []store.AccountID) error {
	w.letGo = append(w.letGo, ids...)
	return nil
}

// states are those of all accounts.
func (w *world) states() (all []store.State) {
	w.t.Helper()
	accounts, err := w.Store.Accounts(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range accounts {
		all = append(all, a.State)
	}
	return all
}

// TestFinish: prepared accounts are finished once, with the report; the engine is told.
func TestFinish(t *testing.T) {
	w := newWorld(t, "a@example.com", "b@example.com", "c@example.net")
	var steps []Step
	draft, err := w.Prepare(t.Context(), w, "example.com", nil, true, func(s Step, n int) {
		if steps = append(steps, s); n != 2 {
			t.Errorf("%s: %d accounts", s, n)
		}
	})
	if err != nil || draft.Number != 0 || draft.Count(stage.Good) != 1 || draft.Count(stage.Perfect) != 1 || !slices.Equal(steps, []Step{StepPass, StepVerify}) {
		t.Fatalf("%+v, %v, steps %v", draft, err, steps)
	}
	r, err := w.Finish(t.Context(), w, "example.com", nil, "root", false)
	if err != nil || r.Number != 1 || len(r.Accounts) != 2 || len(r.Left) != 0 || !slices.Equal(w.told, []store.AccountID{1, 2}) {
		t.Fatalf("%+v, %v, the engine was told of %v", r, err, w.told)
	}
	if got := w.states(); !slices.Equal(got, []store.State{store.Finished, store.Finished, store.Active}) {
		t.Errorf("states %v", got)
	}
	if _, err := w.Finish(t.Context(), w, "example.com", nil, "root", false); !errors.Is(err, ErrNothing) {
		t.Errorf("once more: %v", err)
	}
	if _, err := w.Prepare(t.Context(), w, "example.com", nil, false, nil); !errors.Is(err, ErrNothing) {
		t.Errorf("prepared once more: %v", err)
	}
	wantReport(t, w, r)
}

func wantReport(t *testing.T, w *world, r *Report) {
	t.Helper()
	kept, err := w.Reports(t.Context(), "example.com")
	if err != nil || len(kept) != 1 || kept[0].Number != 1 || kept[0].By != "root" || len(kept[0].Accounts) != 2 || !kept[0].Accounts[0].Bodies {
		t.Errorf("%+v, %v", kept, err)
	}
	audit, err := w.Store.Audit(t.Context(), store.AuditQuery{Domain: "example.com", Limit: 5})
	if err != nil || len(audit) != 1 || audit[0].Action != store.FinishAccounts || audit[0].Who != "root" {
		t.Errorf("audit: %+v, %v", audit, err)
	}
	for name, write := range map[string]func(*bytes.Buffer) error{
		"csv": func(b *bytes.Buffer) error { return r.WriteCSV(b) }, "html": func(b *bytes.Buffer) error { return r.WriteHTML(b) },
		"json": func(b *bytes.Buffer) error { return r.WriteJSON(b) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil || !strings.Contains(b.String(), "a@example.com") || !strings.Contains(b.String(), "differences that people may have made") {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
	}
}

// TestReportsAreKeptAsCodes: a report comes out of the state as it was told, and there is no sentence in its row. Those of
// earlier versions have sentences, and are told as before.
func TestReportsAreKeptAsCodes(t *testing.T) {
	w := newWorld(t, "a@example.com", "b@example.com")
	silent := &store.Problem{Kind: store.Unreachable, Server: store.OldSide, Host: "o", Summary: reason.Of(reason.TroubleUnreachable, reason.Of(reason.ServerOld, "o")), Advice: store.NeedsFix}
	w.passed = func(id store.AccountID) {
		if err := w.Store.SetProblem(t.Context(), id, silent); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Prepare(t.Context(), w, "example.com", nil, false, nil); err != nil {
		t.Fatal(err)
	}
	want, err := w.Finish(t.Context(), w, "example.com", []store.AccountID{1}, "root", true)
	if err != nil || want.Accounts[0].Why[0].Text != silent.Summary.String() {
		t.Fatalf("%+v, %v", want, err)
	}
	rows, err := w.Store.Reports(t.Context(), "example.com")
	if err != nil || len(rows) != 1 || strings.Contains(string(rows[0].Text), "can't be reached") || !strings.Contains(string(rows[0].Text), "trouble.unreachable") {
		t.Errorf("%s, %v", rows[0].Text, err)
	}
	got, err := w.Reports(t.Context(), "example.com")
	if err != nil || len(got) != 1 || !reflect.DeepEqual(got[0].Accounts[0].Why, want.Accounts[0].Why) || got[0].Verdict.Text != want.Verdict.Text {
		t.Errorf("got %+v, %v\nwant %+v", got, err, want)
	}
	before := `{"accounts":[{"id":2,"login":"b@example.com","grade":"needs_look","why":[{"code":"grade_problem","args":{"problem":"It is odd."},"text":"It is odd."}]}],` +
		`"verdict":{"code":"names_unknown","args":{},"text":"Where the domain's names lead is not known yet."}}`
	if _, _, err := w.Store.Finish(t.Context(), []store.AccountID{2}, store.Report{Domain: "example.com", Made: time.Now(), By: "root", Text: []byte(before)}); err != nil {
		t.Fatal(err)
	}
	got, err = w.Reports(t.Context(), "example.com")
	if err != nil || len(got) != 2 || got[0].Number != 2 || got[0].Verdict.Text != "Where the domain's names lead is not known yet." || reasons(got[0].Accounts[0].Why) != "It is odd" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestFinishLeavesWhatNeedsALook: such accounts stay as they are, unless somebody accepts them.
func TestFinishLeavesWhatNeedsALook(t *testing.T) {
	w := newWorld(t, "a@example.com", "b@example.com")
	w.passed = func(id store.AccountID) {
		if id == 2 {
			if err := w.Store.SetProblem(t.Context(), id, &store.Problem{Summary: reason.Said("The password is wrong."), Advice: store.NeedsFix}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := w.Prepare(t.Context(), w, "example.com", nil, false, nil); err != nil {
		t.Fatal(err)
	}
	r, err := w.Finish(t.Context(), w, "example.com", nil, "root", false)
	if err != nil || len(r.Accounts) != 1 || len(r.Left) != 1 || r.Left[0].Login != "b@example.com" {
		t.Fatalf("%+v, %v", r, err)
	}
	if got := w.states(); !slices.Equal(got, []store.State{store.Finished, store.Active}) {
		t.Errorf("states %v", got)
	}
	r, err = w.Finish(t.Context(), w, "example.com", []store.AccountID{2}, "eva", true)
	if err != nil || r.Number != 2 || r.Accounts[0].Approved == nil || r.Accounts[0].Approved.By != "eva" {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestFinishWantsAFreshPass: what was prepared long ago is not finished.
func TestFinishWantsAFreshPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "a@example.com")
		if _, err := w.Prepare(t.Context(), w, "example.com", nil, false, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(Fresh + time.Minute)
		r, err := w.Finish(t.Context(), w, "example.com", nil, "root", false)
		if err != nil || len(r.Accounts) != 0 || len(r.Left) != 1 || r.Left[0].Why[1].Code != "grade_stale" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestFinishInterrupted: whatever ends before the transaction has finished nothing.
func TestFinishInterrupted(t *testing.T) {
	w := newWorld(t, "a@example.com")
	ctx, cancel := context.WithCancel(t.Context())
	w.waiting = cancel
	if _, err := w.Prepare(ctx, w, "example.com", nil, false, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("during the verification: %v", err)
	}
	w.waiting, w.fails = nil, errors.New("the engine is stopping")
	if _, err := w.Prepare(t.Context(), w, "example.com", nil, false, nil); !errors.Is(err, w.fails) {
		t.Errorf("during the pass: %v", err)
	}
	if got := w.states(); !slices.Equal(got, []store.State{store.Active}) {
		t.Errorf("states %v", got)
	}
}

// TestForget: nothing is left but the reports and the audit log.
func TestForget(t *testing.T) {
	w := newWorld(t, "a@example.net", "b@example.com")
	if err := w.Forget(t.Context(), w, "example.net", "root"); !errors.Is(err, ErrActive) {
		t.Errorf("while it is copied: %v", err)
	}
	if err := w.Forget(t.Context(), w, "nowhere.example", "root"); !errors.Is(err, ErrNoDomain) {
		t.Errorf("an unknown domain: %v", err)
	}
	if err := w.Store.SetState(t.Context(), 1, store.Stopped); err != nil {
		t.Fatal(err)
	}
	if err := w.Forget(t.Context(), w, "example.net", "root"); err != nil {
		t.Fatal(err)
	}
	if _, known := w.Config.DomainNamed("example.net"); known || !slices.Equal(w.letGo, []store.AccountID{1}) || len(w.states()) != 1 {
		t.Errorf("known %v, let go of %v, states %v", known, w.letGo, w.states())
	}
}

// TestAuditIsLogged: whatever the audit log says of an end, the log says as well.
func TestAuditIsLogged(t *testing.T) {
	w := newWorld(t, "a@example.com", "b@example.com", "c@example.net")
	var log bytes.Buffer
	w.Log = zerolog.New(&log)
	_, err := w.Prepare(t.Context(), w, "example.com", nil, false, nil)
	if err == nil {
		_, err = w.Finish(t.Context(), w, "example.com", nil, "root", false)
	}
	if err == nil {
		err = w.Forget(t.Context(), w, "example.com", "eva")
	}
	entries, audit := w.Store.Audit(t.Context(), store.AuditQuery{Limit: 10})
	if err != nil || audit != nil || len(entries) != 2 {
		t.Fatalf("%v, %v, %+v", err, audit, entries)
	}
	for _, e := range entries {
		want := fmt.Sprintf(`"who":%q,"action":%q,"domain":%q,"detail":%q,"message":"audit"`, e.Who, e.Action, e.Domain, e.Detail)
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, &log)
		}
	}
}

// TestAssessUnknownDomain: only domains that are set up are assessed.
func TestAssessUnknownDomain(t *testing.T) {
	w := newWorld(t)
	if _, err := w.Assess(t.Context(), "nowhere.example", false); !errors.Is(err, ErrNoDomain) {
		t.Error(err)
	}
	a, err := w.Assess(t.Context(), "EXAMPLE.com", true)
	if err != nil || a.Stage != stage.Preparing || a.Domain != "example.com" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestAssessedAlike: whoever reads the accounts, a domain is as far, and the draft of its report says the same.
func TestAssessedAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "anna@example.com", "ben@example.com", "carl@example.net")
		want, err := w.Assess(t.Context(), "example.com", false)
		if err != nil || want.Stage == stage.Preparing {
			t.Fatalf("%+v, %v", want, err)
		}
		accounts, err := w.Store.Overview(t.Context(), "example.com")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.AssessThese(t.Context(), "example.com", accounts); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v\nwant %+v", got, err, want)
		}
		if got, err := w.Draft(t.Context(), "example.com", nil); err != nil || !reflect.DeepEqual(got.Verdict, want.Verdict) {
			t.Errorf("%+v, %v\nwant %+v", got, err, want.Verdict)
		}
	})
}
