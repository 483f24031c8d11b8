package main

import (
	"testing"

	"postferry/store"
	"postferry/store/storetest"
)

// TestImportWritesOnlyCredentials: what others do with a known account while a list is
// imported, before or after any step of that, is not undone.
func TestImportWritesOnlyCredentials(t *testing.T) {
	given := store.Credentials{Login: "anna@example.com", Password: "given"}
	tests := map[string]struct {
		from, to store.State
	}{
		"stopped":  {store.Active, store.Stopped},
		"begun":    {store.Waiting, store.Active},
		"finished": {store.Active, store.Finished},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for moment, more := 0, true; more; moment++ {
				st := openState(t, t.TempDir())
				list := []store.Account{{Domain: "example.com", Login: given.Login}}
				if _, _, err := (&local{store: st}).Import(t.Context(), list); err != nil {
					t.Fatal(err)
				}
				a, err := st.Account(t.Context(), given.Login)
				if err != nil {
					t.Fatal(err)
				}
				if err := st.SetState(t.Context(), a.ID, tt.from); err != nil {
					t.Fatal(err)
				}
				beside := storetest.NewBeside(st, moment, func() {
					if _, err := st.MoveStates(t.Context(), []store.AccountID{a.ID}, []store.State{tt.from}, tt.to); err != nil {
						t.Error(err)
					}
				})
				list[0].Old, list[0].New = given, given
				added, updated, err := (&local{store: beside}).Import(t.Context(), list)
				more = beside.End()
				got, errNow := st.AccountByID(t.Context(), a.ID)
				if err != nil || errNow != nil || added != 0 || updated != 1 || got.State != tt.to || got.Old != given || got.New != given || !got.OldOpens {
					t.Errorf("at moment %d: %d added, %d updated, %v; stored %+v, %v", moment, added, updated, err, got, errNow)
				}
			}
		})
	}
}
