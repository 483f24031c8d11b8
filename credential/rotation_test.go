package credential

import (
	"context"
	"sync"
	"testing"

	"postferry/config"
	"postferry/store"
)

// overtaken are consents of which another one, who reads them at the same time, uses the refresh token first.
type overtaken struct {
	*consents
	first sync.Once
	other func()
}

func (o *overtaken) Consent(ctx context.Context, m store.Mailbox) (store.Consent, error) {
	c, err := o.consents.Consent(ctx, m)
	o.first.Do(o.other)
	return c, err
}

// TestOvertaken: a refresh token that is good for once is used by somebody else between being read and being sent, as by a
// test on the page while mail is copied. The one that has come in its place is taken, and nobody is told that the owner
// has revoked anything.
func TestOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(t, false)
	server := w.signIn(config.Consent, nil)
	w.consents.put("anna@contoso.example", store.Secret(refreshToken(t, w)), server.SignIn.Issuer, server.SignIn.ClientID)
	late := New(Options{Consents: &overtaken{consents: &w.consents, other: func() {
		if _, err := w.SignIn(t.Context(), server, "anna@contoso.example"); err != nil {
			t.Error(err)
		}
	}}})
	if _, err := late.SignIn(t.Context(), server, "anna@contoso.example"); err != nil {
		t.Errorf("overtaken: %v", err)
	}
	next := New(Options{Consents: &w.consents})
	if _, err := next.SignIn(t.Context(), server, "anna@contoso.example"); err != nil {
		t.Errorf("the next time: %v", err)
	}
}
