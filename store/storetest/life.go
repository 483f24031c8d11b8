package storetest

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

func testPasses(t *testing.T, f *fixture) {
	id := f.put(account("a@example.com"))[0].ID
	other := f.put(account("b@example.com"))[0].ID
	none, err := f.Passes(t.Context(), id)
	must(t, err)
	wantEqual(t, "passes of a new account", len(none), 0)
	var want []store.Pass
	for i := range uint64(53) {
		p := store.Pass{Started: at(int64(i)), Ended: at(int64(i) + 1), Copied: i, Adopted: 1 << 40, FlagChanges: 2,
			Bytes: 1 << 50, Quarantined: 3, Complete: i%2 == 0, Error: reason.Said("the old server hung up")}
		if i%3 == 0 {
			p.Kind, p.Server, p.Host, p.Folder = store.Lost, store.OldSide, "imap.example.com", "Sent"
		}
		must(t, f.AddPass(t.Context(), id, p))
		want = append(want, p)
	}
	got, err := f.Passes(t.Context(), id)
	must(t, err)
	wantEqual(t, "passes", got, want[3:])
	none, err = f.Passes(t.Context(), other)
	must(t, err)
	wantEqual(t, "passes of the other account", len(none), 0)
	last, err := f.LastPasses(t.Context(), []store.AccountID{id, other, 999})
	must(t, err)
	wantEqual(t, "newest passes", last, map[store.AccountID]store.Pass{id: want[52]})
	wantError(t, "unknown account", f.AddPass(t.Context(), 999, store.Pass{}), store.ErrNotFound)
	_, err = f.Passes(t.Context(), 999)
	wantError(t, "passes of an unknown account", err, store.ErrNotFound)
}

func testUsage(t *testing.T, f *fixture) {
	id := f.put(account("a@example.com"))[0].ID
	none, err := f.Usage(t.Context(), id)
	must(t, err)
	wantEqual(t, "usage of a new account", len(none), 0)
	var want []store.Usage
	for i := range uint64(25) {
		want = append(want, store.Usage{Hour: at(int64(i)), Old: 1 << 40, New: i})
	}
	must(t, f.PutUsage(t.Context(), id, want[:3]))
	must(t, f.PutUsage(t.Context(), id, want))
	got, err := f.Usage(t.Context(), id)
	must(t, err)
	wantEqual(t, "usage", got, want)
	wantError(t, "too many hours", f.PutUsage(t.Context(), id, append(want, store.Usage{})), store.ErrInvalid)
	wantError(t, "unknown account", f.PutUsage(t.Context(), 999, want), store.ErrNotFound)
	_, err = f.Usage(t.Context(), 999)
	wantError(t, "usage of an unknown account", err, store.ErrNotFound)
}

// calls are all methods that take a context, with arguments that are right.
func (f *fixture) calls(id store.AccountID, folder store.FolderID) map[string]func(context.Context) error {
	calls := map[string]func(context.Context) error{
		"PutAccounts": func(ctx context.Context) error {
			_, _, err := f.PutAccounts(ctx, []store.Account{account("new@example.com")})
			return err
		},
		"PutEnrolled": func(ctx context.Context) error {
			_, err := f.PutEnrolled(ctx, account("enrolled@example.com"), nil)
			return err
		},
		"Account":     func(ctx context.Context) error { _, err := f.Account(ctx, "a@example.com"); return err },
		"AccountByID": func(ctx context.Context) error { _, err := f.AccountByID(ctx, id); return err },
		"Accounts":    func(ctx context.Context) error { _, err := f.Accounts(ctx); return err },
		"SetAlias":    func(ctx context.Context) error { return f.SetAlias(ctx, id, 0) },
		"ProveAlias":  func(ctx context.Context) error { return f.ProveAlias(ctx, id, 0) },
		"SetApart":    func(ctx context.Context) error { return f.SetApart(ctx, id) },
		"SetProbe":    func(ctx context.Context) error { return f.SetProbe(ctx, id, store.ProbeSubscribed) },
		"SetProblem":  func(ctx context.Context) error { return f.SetProblem(ctx, id, nil) },
		"SetState":    func(ctx context.Context) error { return f.SetState(ctx, id, store.Stopped) },
		"Folders":     func(ctx context.Context) error { _, err := f.Folders(ctx, id); return err },
		"PutFolders": func(ctx context.Context) error {
			_, err := f.PutFolders(ctx, id, []store.Folder{{State: store.FolderPlanned}})
			return err
		},
		"LedgerFrom": func(ctx context.Context) error { _, err := f.LedgerFrom(ctx, id, folder, "k"); return err },
		"Entries":    func(ctx context.Context) error { _, err := f.Entries(ctx, id, folder, nil); return err },
		"Ledger":     func(ctx context.Context) error { _, err := f.Ledger(ctx, id, folder); return err },
		"Commit": func(ctx context.Context) error {
			return f.Commit(ctx, store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry("1")}})
		},
		"CommitAll": func(ctx context.Context) error {
			return f.CommitAll(ctx, []store.Batch{{Account: id, Folder: folder, Proofs: []store.Entry{entry("1")}}})
		},
		"SetCredentials": func(ctx context.Context) error {
			_, err := f.SetCredentials(ctx, id, store.CredentialChange{Old: store.Credentials{Password: "x"}})
			return err
		},
		"LearnPassword": func(ctx context.Context) error {
			_, err := f.LearnPassword(ctx, id, store.Credentials{Login: "x"}, "y")
			return err
		},
		"ForgetProblems": func(ctx context.Context) error { return f.ForgetProblems(ctx, []store.AccountID{id}) },
		"MoveStates": func(ctx context.Context) error {
			_, err := f.MoveStates(ctx, []store.AccountID{id}, []store.State{store.Active}, store.Stopped)
			return err
		},
		"RemoveAccounts":  func(ctx context.Context) error { return f.RemoveAccounts(ctx, nil) },
		"Overview":        func(ctx context.Context) error { _, err := f.Overview(ctx, ""); return err },
		"LastPasses":      func(ctx context.Context) error { _, err := f.LastPasses(ctx, nil); return err },
		"Summary":         func(ctx context.Context) error { _, err := f.Summary(ctx, id); return err },
		"SetMessages":     func(ctx context.Context) error { return f.SetMessages(ctx, id, 1) },
		"Domains":         func(ctx context.Context) error { _, err := f.Domains(ctx); return err },
		"PutVacantDomain": func(ctx context.Context) error { return f.PutVacantDomain(ctx, domain("vacant.example")) },
		"PutDomain":       func(ctx context.Context) error { return f.PutDomain(ctx, domain("put.example")) },
		"Schedules":       func(ctx context.Context) error { _, err := f.Schedules(ctx); return err },
		"PutSchedule": func(ctx context.Context) error {
			return f.PutSchedule(ctx, store.Schedule{Domain: "example.com", Every: time.Hour})
		},
		"AddRun":  func(ctx context.Context) error { _, err := f.AddRun(ctx, run(), []store.AccountID{id}); return err },
		"Runs":    func(ctx context.Context) error { _, err := f.Runs(ctx, ""); return err },
		"AddPass": func(ctx context.Context) error { return f.AddPass(ctx, id, store.Pass{}) },
		"Passes":  func(ctx context.Context) error { _, err := f.Passes(ctx, id); return err },
		"PutUsage": func(ctx context.Context) error {
			return f.PutUsage(ctx, id, []store.Usage{{Old: 1}})
		},
		"Usage": func(ctx context.Context) error { _, err := f.Usage(ctx, id); return err },
	}
	maps.Copy(calls, f.accessCalls())
	return calls
}

func testContexts(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	f.putAccess()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	calls := f.calls(id, folder)
	for name, call := range calls {
		wantError(t, name+" with an ended context", call(ended), context.Canceled)
	}
	wantEqual(t, "ledger", f.ledger(id, folder), store.Ledger{})
	_, err := f.Account(t.Context(), "new@example.com")
	wantError(t, "account", err, store.ErrNotFound)
	for name, call := range calls {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// testCloseEndsCalls closes while calls are under way: each has succeeded,
// and then its change is there, or says that the store is closed.
func testCloseEndsCalls(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	const writers = 10
	var wg sync.WaitGroup
	committed := make([]int, writers)
	running := make(chan struct{}, writers)
	for i := range writers {
		wg.Go(func() {
			for n := 0; ; n++ {
				key := store.Key([]byte{byte(i), byte(n >> 8), byte(n)})
				err := f.Commit(t.Context(), store.Batch{Account: id, Folder: folder, Proofs: []store.Entry{entry(key)}})
				if err != nil {
					wantError(t, "commit", err, store.ErrClosed)
					return
				}
				committed[i]++
				if n == 0 {
					running <- struct{}{}
				}
			}
		})
	}
	for range writers {
		<-running
	}
	must(t, f.Close())
	wg.Wait()
	must(t, f.Close())
	calls := f.calls(id, folder)
	for name, call := range calls {
		wantError(t, name+" after Close", call(t.Context()), store.ErrClosed)
	}
	f.reopen()
	got := make([]int, writers)
	for _, e := range f.ledger(id, folder).Entries {
		got[e.Key[0]]++
	}
	wantEqual(t, "entries of each writer", got, committed)
}

func testReopen(t *testing.T, f *fixture) {
	stored := f.put(account("a@example.com"), account("b@example.com"))
	id := stored[1].ID
	folders, err := f.PutFolders(t.Context(), id, []store.Folder{{Old: "INBOX", New: "INBOX", State: store.FolderPresent}})
	must(t, err)
	checkpoint := store.Checkpoint{UIDValidity: 1, UIDNext: 2, HighestModSeq: 3, Messages: 4, Checked: at(5)}
	f.commit(store.Batch{Account: id, Folder: folders[0].ID, Proofs: []store.Entry{entry("1")}, Intents: []store.Intent{intent("2")},
		Quarantine: []store.Quarantined{quarantined("3")}, Checkpoint: &checkpoint})
	must(t, f.AddPass(t.Context(), id, store.Pass{Copied: 1}))

	f.reopen()
	got, err := f.AccountByID(t.Context(), id)
	must(t, err)
	wantEqual(t, "account", got, stored[1])
	folders[0].Checkpoint, folders[0].Copied, folders[0].Quarantined = checkpoint, 1, 1
	gotFolders, err := f.Folders(t.Context(), id)
	must(t, err)
	wantEqual(t, "folders", gotFolders, folders)
	wantEqual(t, "ledger", f.ledger(id, folders[0].ID), store.Ledger{Entries: []store.Entry{entry("1")},
		Intents: []store.Intent{intent("2")}, Quarantine: []store.Quarantined{quarantined("3")}})
	passes, err := f.Passes(t.Context(), id)
	must(t, err)
	wantEqual(t, "passes", passes, []store.Pass{{Copied: 1}})

	// Numbers are never given twice.
	if next := f.put(account("c@example.com"))[0].ID; next <= id {
		t.Errorf("new account has ID %d, there is already %d", next, id)
	}
	more, err := f.PutFolders(t.Context(), id, []store.Folder{{State: store.FolderPlanned}})
	must(t, err)
	if more[0].ID <= folders[0].ID {
		t.Errorf("new folder has ID %d, there is already %d", more[0].ID, folders[0].ID)
	}
}
