package syncer

import (
	"context"
	"errors"
	"testing"

	"postferry/config"
	"postferry/store"
	"postferry/store/storetest"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// TestEnrolWritesOnlyCredentials: an account that an administrator adds, begins or stops
// while its person is being enrolled stays as the administrator wants it, with the
// password that both servers have accepted; a finished one gets none any more.
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
				got := a.Old == given && a.New == given || a.State == store.Finished && a.Old == added.Old && a.New == added.New
				if err != nil || errNow != nil || enrolled.ID != a.ID || a.State != tt.to || !got || a.Origin != store.Imported {
					t.Errorf("at moment %d: enrolled %+v, %v; stored %+v, %v", moment, enrolled, err, a, errNow)
				}
			}
		})
	}
}

// TestEnrolAtAnotherServer: a password that the old server of one moment has accepted is not
// kept if the domain has another, or nobody may enrol any more, by the time it has.
func TestEnrolAtAnotherServer(t *testing.T) {
	c := store.Credentials{Login: "bert@example.com", Password: "his own"}
	pin := make([]byte, 32)
	for name, tt := range map[string]struct {
		change func(*store.Domain)
		Wanted error
	}{
		"nothing":         {func(*store.Domain) {}, nil},
		"the new server":  {func(d *store.Domain) { d.New = "imaps://elsewhere.example" }, nil},
		"the old server":  {func(d *store.Domain) { d.Old = "imaps://catcher.example" }, store.ErrInvalid},
		"its port":        {func(d *store.Domain) { d.Old = "imap://old.example:1143" }, store.ErrInvalid},
		"its fingerprint": {func(d *store.Domain) { d.OldFingerprint = pin }, store.ErrInvalid},
		"no enrolment":    {func(d *store.Domain) { d.Enrol = false }, store.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			domain := store.Domain{Name: "example.com", Old: "imap+insecure://old.example", New: "imap+insecure://new.example", Enrol: true}
			if err := r.store.PutDomain(t.Context(), domain); err != nil {
				t.Fatal(err)
			}
			r.cfg.Domains[0].Stored = true
			dialOld := r.pair.dialers().Old
			r.dialOld = func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
				changed := domain
				tt.change(&changed)
				if err := r.store.PutDomain(ctx, changed); err != nil {
					t.Error(err)
				}
				return dialOld(ctx, server, c, opt)
			}
			r.start(false)
			_, err := r.engine.Enrol(t.Context(), store.Account{Domain: "example.com", Login: c.Login, Old: c, New: c, Origin: store.Enrolled, State: store.Active})
			if !errors.Is(err, tt.Wanted) {
				t.Errorf("got %v, want %v", err, tt.Wanted)
			}
			if _, err := r.store.Account(t.Context(), c.Login); errors.Is(err, store.ErrNotFound) != (tt.Wanted != nil) {
				t.Errorf("the account: %v", err)
			}
		})
	}
	r := newRig(t)
	r.cfg.Domains[0].Enrol = false
	r.dialOld = func(context.Context, config.Server, store.Credentials, link.Options) (session.Source, error) {
		t.Error("the old server is asked")
		return nil, errNoDomain
	}
	r.start(false)
	if _, err := r.engine.Enrol(t.Context(), store.Account{Domain: "example.com", Login: c.Login, Old: c, New: c, Origin: store.Enrolled, State: store.Active}); !errors.Is(err, errNoEnrolment) {
		t.Errorf("where nobody may enrol: %v", err)
	}
}
