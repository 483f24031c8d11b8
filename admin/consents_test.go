package admin

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
	"postferry/tenant"
)

// TestProviderNotAsked: whoever can't agree because the provider can't be asked is told why.
func TestProviderNotAsked(t *testing.T) {
	provider := httptest.NewServer(http.NotFoundHandler())
	defer provider.Close()
	c := &Consents{log: zerolog.Nop()}
	server := config.Server{Host: "old.example", SignIn: &config.SignIn{Method: config.Consent, Issuer: provider.URL, ClientID: "client"}}
	_, err := c.connector().ConsentByCode(t.Context(), server, "anna@a.example", nil)
	if r := access.AsRefusal(c.refusal(err)); r.Code != "provider_not_asked" || !strings.Contains(r.Detail, "127.0.0.1 gives out no tokens") || r.Args["detail"] == "" {
		t.Errorf("%+v", r)
	}
}

// TestPromptWithoutCode: a provider that gives out no code with its address does no harm.
func TestPromptWithoutCode(t *testing.T) {
	codes := newConsentCodes()
	x := codes.begin("a.example", store.OldSide, "anna@a.example", func() {})
	codes.show(x, tenant.Prompt{URL: "https://login.example"})
	codes.end(x, time.Now(), errors.New("nobody could enter it"))
	<-x.shown
	if v := codes.seen(x); v.State != codeEnded || v.Reason == nil {
		t.Errorf("%+v", v)
	}
}

// TestCodesAreForgotten: what came of codes is not kept for ever where nobody asks.
func TestCodesAreForgotten(t *testing.T) {
	codes, now := newConsentCodes(), time.Now()
	for _, mailbox := range []string{"anna@a.example", "bert@a.example"} {
		codes.end(codes.begin("a.example", store.OldSide, mailbox, func() {}), now, nil)
		now = now.Add(codeKept + time.Second)
	}
	if len(codes.all) != 1 || codes.all[0].view.Mailbox != "bert@a.example" {
		t.Errorf("%d are kept", len(codes.all))
	}
}

// TestReturnAddress: browsers come back to the address that is said to be the page's, or else to the one they came by.
func TestReturnAddress(t *testing.T) {
	for _, tt := range [][3]string{
		{"", "http://127.0.0.1:8080", "http://127.0.0.1:8080/consent/back"}, {"", "https://move.example", "https://move.example/consent/back"},
		{"https://move.example/", "http://127.0.0.1:8080", "https://move.example/consent/back"},
	} {
		if got := (&Consents{public: tt[0]}).ReturnAddress(tt[1]); got != tt[2] {
			t.Errorf("%q, %q: %s", tt[0], tt[1], got)
		}
	}
}
