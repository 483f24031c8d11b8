package main

import (
	"testing"

	"postferry/internal/backend"
	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/store"
	"postferry/store/bolt"
)

// TestStatusOfAlias: an alias shows what its account has, which counts once.
func TestStatusOfAlias(t *testing.T) {
	st, err := bolt.Open(t.TempDir(), bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	c := store.Credentials{Login: "anna", Password: "hush-0f-anna"}
	var given []store.Account
	for _, login := range []string{"anna@example.com", "anna", "berta"} {
		given = append(given, store.Account{Domain: "example.com", Login: login, Old: c, New: c, Origin: store.Imported, State: store.Active})
	}
	put, _, err := st.PutAccounts(t.Context(), given)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range []uint64{7, 0, 5} {
		if err := st.SetMessages(t.Context(), put[i].ID, n); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.SetAlias(t.Context(), put[1].ID, put[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := st.SetState(t.Context(), put[0].ID, store.Stopped); err != nil {
		t.Fatal(err)
	}
	accounts, err := st.Overview(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	var totals *control.StatusTotals
	shown := map[string]*control.AccountStatus{}
	collected := (&backend.Collector{Store: st, Query: control.StatusQuery{Folders: true}}).Collect(t.Context(), accounts, func(r control.StatusRecord) error {
		if r.Totals != nil {
			totals = r.Totals
		} else {
			shown[r.Account.Login] = r.Account
		}
		return nil
	})
	if collected != nil {
		t.Fatal(collected)
	}
	if totals.Accounts != 3 || totals.Messages != 12 {
		t.Errorf("totals: %+v", totals)
	}
	a := shown["anna"]
	if a == nil || a.AliasOf == nil || *a.AliasOf != "anna@example.com" || a.Messages != 7 || a.Stored != store.Stopped || console.AccountState(a) != "alias of anna@example.com, stopped" {
		t.Errorf("the alias: %+v", a)
	}
	if b := shown["berta"]; b == nil || b.AliasOf != nil || b.Messages != 5 {
		t.Errorf("another account: %+v", b)
	}
}
