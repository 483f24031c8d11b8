package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/internal/backend"
	"postferry/internal/control"
	"postferry/internal/demo/clouds"
	"postferry/internal/demo/servers"
	"postferry/store"
	"postferry/tenant"
)

// keepingStore does something just before an agreement is kept.
type keepingStore struct {
	store.Store
	before func()
}

func (s keepingStore) PutConsent(ctx context.Context, c store.Consent) error {
	s.before()
	return s.Store.PutConsent(ctx, c)
}

// TestAgreedAtTheEnd: what the owner of a mailbox agrees to comes from the provider in the instant in which the command ends, or
// in which it is forgotten. In the one case the account goes on, and it is noted; in the other nothing is kept, and that is said.
func TestAgreedAtTheEnd(t *testing.T) {
	t.Parallel()
	const carla = "carla@people.example"
	m, pair, path := tenantRig(t)
	m.People = append(m.People, clouds.Mailbox{Address: carla})
	if err := pair.AddColleague(carla, 1); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(filepath.Dir(path), "list.csv")
	writeFile(t, list, "login;new login;new password\n"+carla+";"+carla+";"+servers.Password+"\n")
	mustRun(t, "import", "-c", path, list)
	if _, out, _ := postferry(t, "", "sync", "-c", path); !strings.Contains(out, "has not signed in") {
		t.Fatalf("before anybody has agreed:\n%s", out)
	}
	cfg, _, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	st := openState(t, filepath.Join(filepath.Dir(path), "state"))
	agree := func(before func(stop func())) error {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		l := &backend.Local{Store: keepingStore{st, func() { before(stop) }}, Config: cfg, Log: zerolog.Nop()}
		return l.Consent(ctx, control.SignInQuery{Domain: "people.example", Mailbox: carla}, func(p tenant.Prompt) error {
			m.Accept(p.Code, carla)
			return nil
		})
	}
	err = agree(func(func()) {
		if _, err := st.DeleteConsents(t.Context(), "people.example", store.OldSide); err != nil {
			t.Error(err)
		}
	})
	if kept, at := st.Consents(t.Context(), "people.example"); at != nil || len(kept) > 0 || err == nil || !strings.Contains(err.Error(), "nothing was kept") {
		t.Errorf("forgotten: %v; %d agreements are kept, %v", err, len(kept), at)
	}
	ended := false
	if err := agree(func(stop func()) { ended = true; stop() }); err != nil || !ended {
		t.Errorf("the command ends: %v, %v", ended, err)
	}
	all, err := st.Accounts(t.Context())
	if err != nil || len(all) != 1 || all[0].Problem != nil {
		t.Errorf("%v; the account is %+v", err, all)
	}
	if entry := [4]string{"consent", "people.example", carla, "old"}; !slices.Contains(audited(t, st), entry) {
		t.Errorf("the audit log lacks %q: %q", entry, audited(t, st))
	}
}
