package syncer

import (
	"testing"

	"postferry/store"
	"postferry/store/storetest"
)

// TestEnrolWritesOnlyCredentials: an account that an administrator adds, begins or stops
// while its person is being enrolled stays as the administrator wants it, with the
// password that both servers have accepted.
func TestEnrolWritesOnlyCredentials(t *testing.T) {
	given := store.Credentials{Login: "bert@example.com", Password: "his own"}
	tests := map[string]struct{ from, to store.State }{
		"stopped":     {store.Active, store.Stopped},
		"finished":    {store.Active, store.Finished},
		"begun":       {store.Waiting, store.Active},
		"not touched": {store.Waiting, store.Waiting},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for moment, more := 0, true; more; moment++ {
				r := newRig(t)
				st := r.store
				added := store.Account{Domain: "example.com", Login: given.Login, Origin: store.Imported, State: tt.from,
					Old: store.Credentials{Login: given.Login, Password: "a list's"}, New: store.Credentials{Login: given.Login, Password: "a list's"}}
				rows, _, err := st.PutAccounts(t.Context(), []store.Account{added})
				if err != nil {
					t.Fatal(err)
				}
				beside := storetest.NewBeside(st, moment, func() {
					if _, err := st.MoveStates(t.Context(), []store.AccountID{rows[0].ID}, []store.State{tt.from}, tt.to); err != nil {
						t.Error(err)
					}
				})
				r.store = beside
				r.start(false)
				enrolled, err := r.engine.Enrol(t.Context(), store.Account{Domain: "example.com", Login: given.Login, Old: given, New: given,
					OldOpens: true, Origin: store.Enrolled, State: store.Active})
				more = beside.End()
				r.stop()
				a, errNow := st.AccountByID(t.Context(), rows[0].ID)
				if err != nil || errNow != nil || enrolled.ID != a.ID || a.State != tt.to || a.Old != given || a.New != given || a.Origin != store.Imported {
					t.Errorf("at moment %d: enrolled %+v, %v; stored %+v, %v", moment, enrolled, err, a, errNow)
				}
			}
		})
	}
}
