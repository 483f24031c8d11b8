package credential

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/oauth2"

	"postferry/config"
	"postferry/internal/demo/clouds"
	"postferry/store"
)

const domain = "contoso.example"

// inTime does something in a bubble whose clock differs from the one outside by so much when it begins. Providers stand
// outside: what passes in the bubble has not passed for them.
func inTime(t *testing.T, off time.Duration, do func(t *testing.T)) {
	t.Helper()
	begin := time.Now().Add(off)
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(begin))
		do(t)
	})
}

// world is a Keeper with what it asks.
type world struct {
	*Keeper
	log       bytes.Buffer
	consents  consents
	microsoft *clouds.Microsoft
	google    *clouds.Google
	url       string // of the provider
	pem       string // an application's certificate with its key
	account   string // a service account's key
}

// key is one key for all tests: making one takes its time.
var key = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func certificate(t *testing.T) (der []byte, text string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key().Public(), key())
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key())
	if err != nil {
		t.Fatal(err)
	}
	return der, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})) + string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{}
	w.Keeper = New(Options{Consents: &w.consents, Log: zerolog.New(&w.log)})
	people := []clouds.Mailbox{{Address: "anna@contoso.example"}, {Address: "bert@contoso.example"}, {Address: "gone@contoso.example", Suspended: true}}
	der, text := certificate(t)
	w.pem = text
	w.microsoft = &clouds.Microsoft{Tenant: "tenant-1", Domains: []string{domain}, People: people, Once: true, Apps: []clouds.App{
		{ID: "app", Secret: "hush-hush", Roles: []string{clouds.RoleIMAP}},
		{ID: "signed", Certificates: [][]byte{der}, Roles: []string{clouds.RoleIMAP}},
		{ID: "people", Scopes: []string{clouds.ScopeIMAP}},
	}}
	w.google = &clouds.Google{Domain: domain, People: people, Apps: []clouds.App{{ID: "web", Secret: "hush-hush"}}, Accounts: []clouds.ServiceAccount{
		{Email: "ferry@project.example", ID: "1", KeyID: "k1", Key: key(), Delegated: []string{clouds.ScopeMail}},
	}}
	return w
}

// serve starts a provider.
func (w *world) serve(t *testing.T, google bool) {
	t.Helper()
	server := httptest.NewServer(w.microsoft)
	if google {
		server.Config.Handler = w.google
	}
	t.Cleanup(server.Close)
	w.url = server.URL
	file, err := w.google.Accounts[0].KeyFile(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w.account = string(file)
}

// signIn is a server with a way to sign in that change has a say in.
func (w *world) signIn(method config.SignInMethod, change func(*config.SignIn)) config.Server {
	in := &config.SignIn{Method: method, Domain: domain, Side: "old"}
	switch method {
	case config.Microsoft:
		in.Tenant, in.ClientID, in.Secret, in.Issuer = domain, "app", "hush-hush", w.url
	case config.Google:
		in.Secret = store.Secret(w.account)
	case config.Consent:
		in.Issuer, in.ClientID = w.url+"/tenant-1/v2.0", "people"
	}
	if change != nil {
		change(in)
	}
	return config.Server{Host: "imap.example", SignIn: in}
}

// consents are kept in memory.
type consents struct {
	mu   sync.Mutex
	kept map[string]store.Consent
}

func (c *consents) put(login string, refresh store.Secret, issuer, client string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[string]store.Consent{}
	}
	c.kept[login] = store.Consent{Mailbox: store.Mailbox{Domain: domain, Side: store.OldSide, Login: login}, Issuer: issuer, ClientID: client, Refresh: refresh}
}

func (c *consents) Consent(_ context.Context, m store.Mailbox) (store.Consent, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[m.Login]
	if !ok || m.Domain != domain || m.Side != store.OldSide {
		return store.Consent{}, store.ErrNotFound
	}
	return k, nil
}

func (c *consents) HoldConsent(context.Context, store.Mailbox) (func(), error) { return func() {}, nil }

func (c *consents) SendConsent(context.Context, store.Mailbox, store.Secret, time.Time) (bool, error) {
	return true, nil
}

func (c *consents) RenewConsent(_ context.Context, m store.Mailbox, was, now store.Secret) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[m.Login]
	if !ok || k.Refresh != was {
		return false, nil
	}
	k.Refresh = now
	c.kept[m.Login] = k
	return true, nil
}

// kindOf is the kind of an error; "" for none.
func kindOf(err error) store.ProblemKind {
	e, ok := errors.AsType[*Error](err)
	if !ok && err != nil {
		return store.Unexpected
	}
	if !ok {
		return ""
	}
	return e.Kind
}

// wantSilence wants no secret in the log and in an error.
func (w *world) wantSilence(t *testing.T, err error, secrets ...string) {
	t.Helper()
	told := w.log.String()
	if err != nil {
		told += err.Error() + fmt.Sprintf("%+v %#v", err, err)
		if e, ok := errors.AsType[*Error](err); ok {
			told += e.Summary().String()
		}
	}
	for _, secret := range append(secrets, "hush-hush", "PRIVATE KEY", "access-", "refresh-") {
		if strings.Contains(told, secret) {
			t.Errorf("%q is told: %s", secret, told)
		}
	}
}

// refreshToken has anna agree by the device flow, and returns her refresh token.
func refreshToken(t *testing.T, w *world) string {
	t.Helper()
	c := oauth2.Config{ClientID: "people", Scopes: []string{"https://outlook.office365.com/" + clouds.ScopeIMAP, "offline_access"},
		Endpoint: oauth2.Endpoint{TokenURL: w.microsoft.TokenURL(w.url), DeviceAuthURL: w.microsoft.DeviceURL(w.url)}}
	asked, err := c.DeviceAuth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !w.microsoft.Accept(asked.UserCode, "anna@contoso.example") {
		t.Fatal("nobody is asked")
	}
	got, err := c.DeviceAccessToken(t.Context(), asked)
	if err != nil {
		t.Fatal(err)
	}
	return got.RefreshToken
}
