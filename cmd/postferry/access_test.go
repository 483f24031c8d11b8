package main

import (
	"context"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/internal/backend"
	"postferry/internal/control"
)

// TestAccessOverSocket does over the control socket what "postferry admin" does.
func TestAccessOverSocket(t *testing.T) {
	dir := t.TempDir()
	st := openState(t, dir)
	var log strings.Builder
	var token string
	t.Cleanup(func() { // when nobody writes to it any more
		for _, secret := range []string{"s3cret", token} {
			if secret == "" || strings.Contains(log.String(), secret) {
				t.Errorf("a secret (%q) in the log: %s", secret, &log)
			}
		}
	})
	startControl(t, dir, &backend.Local{Store: st, NewLink: func(context.Context) (string, error) { return "http://link", nil }}, zerolog.New(zerolog.SyncWriter(&log)))
	r, err := control.Connect(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	domain := "example.com"
	ask := func(req control.AccessRequest) control.AccessReply {
		t.Helper()
		reply, err := r.Access(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", req.Op, err)
		}
		return reply
	}
	if !ask(control.AccessRequest{Op: control.AccessPassword, Name: "anna", Password: "s3cret s3cret"}).Added {
		t.Error("anna was not added")
	}
	if !ask(control.AccessRequest{Op: control.AccessPassword, Name: "bert", Domain: &domain, Password: "s3cret s3cret"}).Added {
		t.Error("bert was not added")
	}
	if ask(control.AccessRequest{Op: control.AccessPassword, Name: "bert", Password: "s3cret s3cret2"}).Added {
		t.Error("bert was added again")
	}
	if a, err := st.Admin(t.Context(), "bert"); err != nil || a.Scope != domain {
		t.Errorf("bert looks after %q, %v", a.Scope, err)
	}
	if got := ask(control.AccessRequest{Op: control.AccessLink}).Link; got != "http://link" {
		t.Errorf("the link is %q", got)
	}
	token = ask(control.AccessRequest{Op: control.AccessTokenCreate, Name: "panel", Domain: &domain}).Token
	if list := ask(control.AccessRequest{Op: control.AccessTokenList}).Tokens; len(list) != 1 || list[0].Name != "panel" || list[0].Domain != domain {
		t.Errorf("tokens %+v", list)
	}
	ask(control.AccessRequest{Op: control.AccessTokenRevoke, ID: 1})
	if _, err := r.Access(t.Context(), control.AccessRequest{Op: "dance"}); err == nil || !strings.Contains(err.Error(), "another version") {
		t.Errorf("an unknown request: %v", err)
	}
}
