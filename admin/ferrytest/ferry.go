package ferrytest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"postferry/report"
	"postferry/store"
)

// NoFolder and NotMissing are folders of every account: one that it does not have, and one that is not missing.
const (
	NoFolder   = 99
	NotMissing = 98
)

// Ferry is an admin.Ferry. What it tells may be changed as long as nobody asks.
type Ferry struct {
	store store.Store

	mu          sync.Mutex
	live        []report.Live
	FoldersOf   map[store.AccountID][]report.Folder
	Checks      map[store.AccountID]report.Check
	Verified    []report.VerifyEvent
	Quarantined map[store.AccountID][]report.QuarantineRecord
	Header      []byte
	calls       []string // "begin [1 2]", "changed example.com", ...
	readers     map[chan report.PassEnded]bool
}

// New makes one for the accounts of a store.
func New(st store.Store) *Ferry {
	return &Ferry{
		store: st, FoldersOf: map[store.AccountID][]report.Folder{}, Checks: map[store.AccountID]report.Check{},
		Quarantined: map[store.AccountID][]report.QuarantineRecord{}, readers: map[chan report.PassEnded]bool{},
	}
}

func (f *Ferry) called(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

// SawCalls returns what was asked for so far, and forgets it.
func (f *Ferry) SawCalls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// SetLive says what goes on.
func (f *Ferry) SetLive(live ...report.Live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = live
}

// EndPass lets a pass over an account end, as the engine would.
func (f *Ferry) EndPass(t *testing.T, id store.AccountID, p store.Pass, problem *store.Problem) {
	t.Helper()
	if problem != nil {
		p.Error = problem.Summary
	}
	if err := f.store.SetProblem(t.Context(), id, problem); err != nil {
		t.Fatal(err)
	}
	if err := f.store.AddPass(t.Context(), id, p); err != nil {
		t.Fatal(err)
	}
	f.Tell(report.PassEnded{Account: id, Pass: p, Problem: problem})
}

// Tell tells all who subscribed. Tests don't tell more than fits.
func (f *Ferry) Tell(e report.PassEnded) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for r := range f.readers {
		r <- e
	}
}

func (f *Ferry) Live(context.Context) ([]report.Live, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.live), nil
}

func (f *Ferry) Folders(_ context.Context, id store.AccountID) ([]report.Folder, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.FoldersOf[id], nil
}

func (f *Ferry) Begin(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	f.called("begin %d", ids)
	if err := f.store.ForgetProblems(ctx, ids); err != nil {
		return nil, err
	}
	return f.store.MoveStates(ctx, ids, []store.State{store.Waiting, store.Stopped}, store.Active)
}

func (f *Ferry) Stop(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	f.called("stop %d", ids)
	return f.store.MoveStates(ctx, ids, []store.State{store.Active}, store.Stopped)
}

func (f *Ferry) Again(ctx context.Context, ids []store.AccountID) error {
	f.called("again %d", ids)
	return f.store.ForgetProblems(ctx, ids)
}

func (f *Ferry) Updated(_ context.Context, ids []store.AccountID) error {
	f.called("updated %d", ids)
	return nil
}

func (f *Ferry) DomainChanged(_ context.Context, name string) error {
	f.called("changed %s", name)
	return nil
}

func (f *Ferry) Passes(ctx context.Context) <-chan report.PassEnded {
	c := make(chan report.PassEnded, 1000)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readers[c] = true
	context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.readers, c)
		close(c)
	})
	return c
}

func (f *Ferry) Check(ctx context.Context, ids []store.AccountID, tell func(report.Check) error) error {
	f.called("check %d", ids)
	for _, id := range ids {
		a, err := f.store.AccountByID(ctx, id)
		if err != nil {
			return err
		}
		f.mu.Lock()
		r, ok := f.Checks[id]
		f.mu.Unlock()
		if !ok {
			r = report.Check{AtOnce: 1}
		}
		r.Account, r.Login = id, a.Login
		if err := tell(r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *Ferry) Verify(ctx context.Context, ids []store.AccountID, bodies bool, tell func(report.VerifyEvent) error) error {
	f.called("verify %d %v", ids, bodies)
	f.mu.Lock()
	events := slices.Clone(f.Verified)
	f.mu.Unlock()
	for _, e := range events {
		if err := tell(e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *Ferry) Quarantine(_ context.Context, id store.AccountID) ([]report.QuarantineRecord, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Quarantined[id], nil
}

func (f *Ferry) RetryQuarantined(_ context.Context, messages []string) (int, error) {
	f.called("retry %s", messages)
	return len(messages), nil
}

func (f *Ferry) DecideFolder(_ context.Context, id store.AccountID, folder store.FolderID, v report.FolderVerdict) error {
	f.called("decide %d %d %s", id, folder, v)
	if folder == NoFolder {
		return report.ErrNoFolder
	}
	if folder == NotMissing {
		return report.ErrNotMissing
	}
	return nil
}

func (f *Ferry) DecideMailbox(ctx context.Context, id store.AccountID, v report.MailboxVerdict) error {
	f.called("mailbox %d %s", id, v)
	a, err := f.store.AccountByID(ctx, id)
	if err != nil {
		return err
	}
	if a.Problem == nil || !slices.Contains(report.MailboxVerdicts(a.Problem.Kind, a.Problem.Server), v) {
		return report.ErrSameMailbox
	}
	return f.store.ForgetProblems(ctx, []store.AccountID{id})
}

func (f *Ferry) QuarantinedHeader(_ context.Context, message string) ([]byte, error) {
	f.called("header %s", message)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Header, nil
}
