package admin

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"postferry/report"
	"postferry/store"
)

// stubFerry is a Ferry without an engine: it keeps the states of accounts in the
// store as the engine does, and tests say what happens to them.
type stubFerry struct {
	store store.Store

	mu         sync.Mutex
	live       []report.Live
	folders    map[store.AccountID][]report.Folder
	checks     map[store.AccountID]report.Check
	verified   []report.VerifyEvent
	quarantine map[store.AccountID][]Quarantined
	header     []byte
	calls      []string // "begin [1 2]", "changed example.com", ...
	readers    map[chan report.PassEnded]bool
}

var _ Ferry = (*stubFerry)(nil)

func newStubFerry(st store.Store) *stubFerry {
	return &stubFerry{
		store: st, folders: map[store.AccountID][]report.Folder{}, checks: map[store.AccountID]report.Check{},
		quarantine: map[store.AccountID][]Quarantined{}, readers: map[chan report.PassEnded]bool{},
	}
}

func (f *stubFerry) called(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
}

// sawCalls returns what was asked for so far, and forgets it.
func (f *stubFerry) sawCalls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// setLive says what goes on.
func (f *stubFerry) setLive(live ...report.Live) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = live
}

// endPass lets a pass over an account end, as the engine would.
func (f *stubFerry) endPass(t *testing.T, id store.AccountID, p store.Pass, problem *store.Problem) {
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
	f.tell(report.PassEnded{Account: id, Pass: p, Problem: problem})
}

// tell tells all who subscribed. Tests don't tell more than fits.
func (f *stubFerry) tell(e report.PassEnded) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for r := range f.readers {
		r <- e
	}
}

func (f *stubFerry) Live(context.Context) ([]report.Live, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.live), nil
}

func (f *stubFerry) Folders(_ context.Context, id store.AccountID) ([]report.Folder, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.folders[id], nil
}

func (f *stubFerry) Begin(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	f.called("begin %d", ids)
	if err := f.store.ForgetProblems(ctx, ids); err != nil {
		return nil, err
	}
	return f.store.MoveStates(ctx, ids, []store.State{store.Waiting, store.Stopped}, store.Active)
}

func (f *stubFerry) Stop(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	f.called("stop %d", ids)
	return f.store.MoveStates(ctx, ids, []store.State{store.Active}, store.Stopped)
}

func (f *stubFerry) Again(ctx context.Context, ids []store.AccountID) error {
	f.called("again %d", ids)
	return f.store.ForgetProblems(ctx, ids)
}

func (f *stubFerry) Updated(_ context.Context, ids []store.AccountID) error {
	f.called("updated %d", ids)
	return nil
}

func (f *stubFerry) DomainChanged(_ context.Context, name string) error {
	f.called("changed %s", name)
	return nil
}

func (f *stubFerry) Passes(ctx context.Context) <-chan report.PassEnded {
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

func (f *stubFerry) Check(ctx context.Context, ids []store.AccountID, tell func(report.Check) error) error {
	f.called("check %d", ids)
	for _, id := range ids {
		a, err := f.store.AccountByID(ctx, id)
		if err != nil {
			return err
		}
		f.mu.Lock()
		r, ok := f.checks[id]
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

func (f *stubFerry) Verify(ctx context.Context, ids []store.AccountID, bodies bool, tell func(report.VerifyEvent) error) error {
	f.called("verify %d %v", ids, bodies)
	f.mu.Lock()
	events := slices.Clone(f.verified)
	f.mu.Unlock()
	for _, e := range events {
		if err := tell(e); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (f *stubFerry) Quarantine(_ context.Context, id store.AccountID) ([]Quarantined, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.quarantine[id], nil
}

func (f *stubFerry) RetryQuarantined(_ context.Context, messages []string) (int, error) {
	f.called("retry %s", messages)
	return len(messages), nil
}

func (f *stubFerry) DecideFolder(_ context.Context, id store.AccountID, folder store.FolderID, v FolderVerdict) error {
	f.called("decide %d %d %s", id, folder, v)
	if folder == 99 {
		return store.ErrNotFound
	}
	if folder == 98 {
		return ErrNotMissing
	}
	return nil
}

func (f *stubFerry) DecideMailbox(ctx context.Context, id store.AccountID, v MailboxVerdict) error {
	f.called("mailbox %d %s", id, v)
	a, err := f.store.AccountByID(ctx, id)
	if err != nil {
		return err
	}
	if a.Problem == nil || !slices.Contains(MailboxVerdicts(a.Problem.Kind, a.Problem.Server), v) {
		return ErrMailboxKnown
	}
	return f.store.ForgetProblems(ctx, []store.AccountID{id})
}

func (f *stubFerry) QuarantinedHeader(_ context.Context, message string) ([]byte, error) {
	f.called("header %s", message)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.header, nil
}
