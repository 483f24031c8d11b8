package clouds

import (
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	oauthjwt "golang.org/x/oauth2/jwt"
)

// workspace is a Google Workspace with a service account and a client for people.
func workspace(t *testing.T) (*Google, string) {
	t.Helper()
	key, _ := certificate(t)
	g := &Google{Domain: "acme.example", PageMost: 2,
		Accounts: []ServiceAccount{{Email: "ferry@project.example", ID: "1", KeyID: "k", Key: key, Delegated: []string{ScopeMail, ScopeUsers}}},
		Apps:     []App{{ID: "people", Secret: "hush", Scopes: []string{ScopeMail}, Redirects: []string{"http://127.0.0.1"}}},
		People: []Mailbox{
			{Address: "admin@acme.example", Admin: true}, {Address: "berta@acme.example", Aliases: []string{"b@acme.example"}},
			{Address: "gone@acme.example", Suspended: true}, {Address: "off@acme.example", IMAPOff: true},
		}}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return g, server.URL
}

func TestGoogleAssertion(t *testing.T) {
	t.Parallel()
	g, server := workspace(t)
	other, _ := certificate(t)
	account := g.Accounts[0]
	for _, c := range []struct {
		name, want string
		key        *rsa.PrivateKey
		change     func(header, claims map[string]any)
	}{
		{"good", "", account.Key, nil},
		{"another key", "Invalid JWT Signature.", other, nil},
		{"another key id", "account not found", account.Key, func(h, _ map[string]any) { h["kid"] = "x" }},
		{"another issuer", "account not found", account.Key, func(_, c map[string]any) { c["iss"] = "x" }},
		{"another audience", "Failed audience check", account.Key, func(_, c map[string]any) { c["aud"] = server }},
		{"too long", "short-lived token", account.Key, func(_, c map[string]any) { c["exp"] = time.Now().Add(2 * time.Hour).Unix() }},
		{"a clock behind", "short-lived token", account.Key, func(_, c map[string]any) {
			c["iat"], c["exp"] = time.Now().Add(-2*time.Hour).Unix(), time.Now().Add(-time.Hour).Unix()
		}},
		{"a clock before", "short-lived token", account.Key, func(_, c map[string]any) {
			c["iat"], c["exp"] = time.Now().Add(10*time.Minute).Unix(), time.Now().Add(time.Hour).Unix()
		}},
		{"without end", "short-lived token", account.Key, func(_, c map[string]any) { delete(c, "exp") }},
		{"another scope", "Client is unauthorized", account.Key, func(_, c map[string]any) { c["scope"] = "https://www.googleapis.com/auth/drive" }},
		{"no scope", "Invalid OAuth scope", account.Key, func(_, c map[string]any) { c["scope"] = "" }},
		{"for nobody", "Client is unauthorized", account.Key, func(_, c map[string]any) { delete(c, "sub") }},
		{"somebody unknown", "Invalid email or User ID", account.Key, func(_, c map[string]any) { c["sub"] = "x@acme.example" }},
	} {
		header := map[string]any{"kid": "k"}
		claims := map[string]any{"iss": account.Email, "sub": "berta@acme.example", "aud": server + "/token", "scope": ScopeMail, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
		if c.change != nil {
			c.change(header, claims)
		}
		token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
		for k, v := range header {
			token.Header[k] = v
		}
		text, err := token.SignedString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		status, answer := post(t, server+"/token", "grant_type", bearerGrant, "assertion", text)
		said, _ := answer["error_description"].(string)
		if c.want == "" && status != http.StatusOK || c.want != "" && !strings.Contains(said, c.want) {
			t.Errorf("%s: %d %v, want %q", c.name, status, answer, c.want)
		}
	}
}

// delegate is a token of the service account, by its key file.
func delegate(t *testing.T, g *Google, server, scope, subject string) *oauth2.Token {
	t.Helper()
	file, err := g.Accounts[0].KeyFile(server)
	if err != nil {
		t.Fatal(err)
	}
	var key map[string]string
	if err := json.Unmarshal(file, &key); err != nil {
		t.Fatal(err)
	}
	cfg := oauthjwt.Config{Email: key["client_email"], PrivateKey: []byte(key["private_key"]), PrivateKeyID: key["private_key_id"], TokenURL: key["token_uri"], Scopes: []string{scope}, Subject: subject}
	token, err := cfg.TokenSource(t.Context()).Token()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestGoogleMail(t *testing.T) {
	t.Parallel()
	g, server := workspace(t)
	token := delegate(t, g, server, ScopeMail, "berta@acme.example").AccessToken
	if err := g.Allows(token, "b@acme.example"); err != nil {
		t.Error(err)
	}
	if err := g.Allows(token, "admin@acme.example"); err == nil || !strings.Contains(err.Error(), "Invalid credentials") {
		t.Errorf("another mailbox: %v", err)
	}
	if err := g.Allows(delegate(t, g, server, ScopeMail, "off@acme.example").AccessToken, "off@acme.example"); err == nil || !strings.Contains(err.Error(), "not enabled for IMAP") {
		t.Errorf("without IMAP: %v", err)
	}
	if err := g.Allows(delegate(t, g, server, ScopeUsers, "berta@acme.example").AccessToken, "berta@acme.example"); err == nil {
		t.Error("a token for the directory opens a mailbox")
	}
}

func TestGoogleDirectory(t *testing.T) {
	t.Parallel()
	g, server := workspace(t)
	admin := delegate(t, g, server, ScopeUsers, "admin@acme.example").AccessToken
	users := g.DirectoryURL(server) + "/users"
	for want, at := range map[string][2]string{
		"Not Authorized to access":            {users + "?customer=my_customer", delegate(t, g, server, ScopeUsers, "berta@acme.example").AccessToken},
		"insufficient authentication scopes":  {users + "?customer=my_customer", delegate(t, g, server, ScopeMail, "admin@acme.example").AccessToken},
		"invalid authentication credentials":  {users + "?customer=my_customer", "x"},
		`"message":"Bad Request"`:             {users, admin},
		"must be within the range":            {users + "?customer=my_customer&maxResults=501", admin},
		`"nextPageToken":"page~2"`:            {users + "?customer=my_customer", admin},
		`"suspended":true`:                    {users + "?domain=acme.example&pageToken=page~2", admin},
		`"aliases":["b@acme.example"]`:        {users + "?domain=acme.example&maxResults=500", admin},
		`"primaryEmail":"berta@acme.example"`: {users + "?domain=ACME.example&orderBy=email", admin},
		"Invalid Input: pageToken":            {users + "?customer=my_customer&pageToken=page~9", admin},
		"Invalid Input: query2":               {users + "?customer=my_customer&query2=x", admin},
	} {
		if _, _, body := get(t, at[0], at[1]); !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", at[0], body, want)
		}
	}
	g.NoDirectory = true
	if _, _, body := get(t, users+"?customer=my_customer", admin); !strings.Contains(body, "accessNotConfigured") {
		t.Errorf("without the Admin SDK: %s", body)
	}
}

func TestGoogleConsent(t *testing.T) {
	t.Parallel()
	g, server := workspace(t)
	cfg := &oauth2.Config{ClientID: "people", ClientSecret: "hush", RedirectURL: "http://127.0.0.1:4711", Scopes: []string{ScopeMail},
		Endpoint: oauth2.Endpoint{AuthURL: server + "/o/oauth2/v2/auth", TokenURL: server + "/token", DeviceAuthURL: server + "/device/code", AuthStyle: oauth2.AuthStyleInParams}}
	verifier := oauth2.GenerateVerifier()
	for name, at := range map[string]string{
		"no challenge":     cfg.AuthCodeURL("s"),
		"another redirect": strings.Replace(cfg.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), "127.0.0.1%3A4711", "10.0.0.1%3A4711", 1),
		"another scope":    strings.Replace(cfg.AuthCodeURL("s", oauth2.S256ChallengeOption(verifier)), "mail.google", "drive.google", 1),
	} {
		if got := browser(t, at, "berta@acme.example"); got.Get("status") == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
	code := func(options ...oauth2.AuthCodeOption) string {
		return browser(t, cfg.AuthCodeURL("s", append(options, oauth2.S256ChallengeOption(verifier))...), "berta@acme.example").Get("code")
	}
	if token, err := cfg.Exchange(t.Context(), code(), oauth2.VerifierOption(verifier)); err != nil || token.RefreshToken != "" {
		t.Errorf("online: %v, with a refresh token: %t", err, token.RefreshToken != "")
	}
	if _, err := cfg.Exchange(t.Context(), code()); err == nil || !strings.Contains(err.Error(), "Missing code verifier") {
		t.Errorf("without verifier: %v", err)
	}
	token, err := cfg.Exchange(t.Context(), code(oauth2.AccessTypeOffline), oauth2.VerifierOption(verifier))
	if err != nil || token.RefreshToken == "" || g.Allows(token.AccessToken, "berta@acme.example") != nil {
		t.Fatalf("offline: %v", err)
	}
	if _, err := Browser().PostForm(server+"/revoke", url.Values{"token": {token.RefreshToken}}); err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err == nil || !strings.Contains(err.Error(), "expired or revoked") {
		t.Errorf("revoked: %v", err)
	}
	if g.Allows(token.AccessToken, "berta@acme.example") == nil {
		t.Error("the access token outlives its consent")
	}
	if _, err := cfg.DeviceAuth(t.Context()); err == nil || !strings.Contains(err.Error(), "Invalid device flow scope") {
		t.Errorf("a device: %v", err)
	}
}
