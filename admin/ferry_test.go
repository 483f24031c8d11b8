package admin

import (
	"path/filepath"
	"reflect"
	"testing"

	"github.com/rs/zerolog"

	"postferry/admin/ferrytest"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/store/bolt"
)

// openStore opens an empty state that is closed at the end.
func openStore(t *testing.T) store.Store {
	t.Helper()
	st, err := bolt.Open(filepath.Join(t.TempDir(), "state"), bolt.Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return st
}

var _ Ferry = (*ferrytest.Ferry)(nil)

// TestStubFerry: the fake keeps what Ferry promises as far as tests rely on it.
func TestStubFerry(t *testing.T) {
	st := openStore(t)
	stored, _, err := st.PutAccounts(t.Context(), []store.Account{
		{Login: "a@example.com", Domain: "example.com", Origin: store.Imported, State: store.Waiting},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := stored[0].ID
	f := ferrytest.New(st)
	passes := f.Passes(t.Context())
	f.SetLive(report.Live{Account: id, Running: true})
	if live, err := f.Live(t.Context()); err != nil || len(live) != 1 || live[0].Account != id {
		t.Errorf("live: %+v, %v", live, err)
	}
	if begun, err := f.Begin(t.Context(), []store.AccountID{id}); err != nil || len(begun) != 1 {
		t.Errorf("begun: %v, %v", begun, err)
	}
	f.EndPass(t, id, store.Pass{Copied: 3}, &store.Problem{Kind: store.Silent, Summary: reason.Said("later"), Advice: store.RetryLater})
	if e := <-passes; e.Account != id || e.Pass.Copied != 3 || e.Pass.Error.String() != "later" || e.Problem.Kind != store.Silent {
		t.Errorf("event: %+v", e)
	}
	if err := f.Again(t.Context(), []store.AccountID{id}); err != nil {
		t.Error(err)
	}
	if a, err := st.AccountByID(t.Context(), id); err != nil || a.Problem != nil || a.State != store.Active {
		t.Errorf("account: %+v, %v", a, err)
	}
	if calls, want := f.SawCalls(), []string{"begin [1]", "again [1]"}; !reflect.DeepEqual(calls, want) {
		t.Errorf("calls: %q, want %q", calls, want)
	}
}
