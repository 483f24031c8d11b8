package clouds

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	mailScope  = "https://outlook.office365.com/.default"
	usersScope = "https://graph.microsoft.com/.default"
)

// tenant is a Microsoft tenant with an application that has a secret, one that has a
// certificate and one for people.
func tenant(t *testing.T) (*Microsoft, string, *rsa.PrivateKey) {
	t.Helper()
	key, der := certificate(t)
	m := &Microsoft{Tenant: "tenant-1", Domains: []string{"contoso.example"}, PageMost: 2, Apps: []App{
		{ID: "app", Secret: "hush", Roles: []string{RoleIMAP, RoleUsers, RoleSettings}},
		{ID: "signed", Certificates: [][]byte{der}, Roles: []string{RoleIMAP}},
		{ID: "people", Scopes: []string{ScopeIMAP}, Redirects: []string{"http://localhost", "https://ferry.example/auth/done"}},
	}, People: []Mailbox{
		{Address: "anna@contoso.example", Name: "Anna", Aliases: []string{"a@contoso.example"}},
		{Address: "info@contoso.example", Name: "Info", Kind: Shared},
		{Address: "closed@contoso.example", Closed: true},
		{Address: "off@contoso.example", IMAPOff: true},
		{Address: "guest@other.example", Guest: true, NoMailbox: true},
	}}
	server := httptest.NewServer(m)
	t.Cleanup(server.Close)
	return m, server.URL, key
}

func certificate(t *testing.T) (*rsa.PrivateKey, []byte) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// post sends a form and returns the answer.
func post(t *testing.T, to string, pairs ...string) (int, map[string]any) {
	t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	resp, err := Browser().PostForm(to, form)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer := map[string]any{}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// get asks with a token.
func get(t *testing.T, from, token string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, from, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := Browser().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(body)
}

func TestMicrosoftApplication(t *testing.T) {
	t.Parallel()
	m, server, _ := tenant(t)
	for _, c := range []struct {
		name, want string
		form       []string
	}{
		{"no client", "AADSTS900144", []string{"grant_type", "client_credentials"}},
		{"another client", "AADSTS700016", []string{"client_id", "x", "grant_type", "client_credentials"}},
		{"no secret", "AADSTS7000218", []string{"client_id", "app", "grant_type", "client_credentials", "scope", mailScope}},
		{"a wrong secret", "AADSTS7000215", []string{"client_id", "app", "client_secret", "x", "grant_type", "client_credentials", "scope", mailScope}},
		{"a secret of a public client", "AADSTS700025", []string{"client_id", "people", "client_secret", "x", "grant_type", "client_credentials"}},
		{"no grant type", "AADSTS900144", []string{"client_id", "app", "client_secret", "hush"}},
		{"another grant type", "AADSTS70003", []string{"client_id", "app", "client_secret", "hush", "grant_type", "password"}},
		{"a person's scope", "AADSTS1002012", []string{"client_id", "app", "client_secret", "hush", "grant_type", "client_credentials", "scope", "https://outlook.office365.com/IMAP.AccessAsUser.All"}},
		{"two scopes", "AADSTS1002012", []string{"client_id", "app", "client_secret", "hush", "grant_type", "client_credentials", "scope", mailScope + " " + mailScope}},
		{"another resource", "AADSTS500011", []string{"client_id", "app", "client_secret", "hush", "grant_type", "client_credentials", "scope", "https://x.example/.default"}},
	} {
		status, answer := post(t, m.TokenURL(server), c.form...)
		text, _ := answer["error_description"].(string)
		if status < 400 || !strings.HasPrefix(text, c.want+": ") {
			t.Errorf("%s: %d %v, want %s", c.name, status, answer, c.want)
		}
	}
	if _, answer := post(t, server+"/elsewhere/oauth2/v2.0/token"); !strings.HasPrefix(answer["error_description"].(string), "AADSTS90002: ") {
		t.Errorf("another tenant: %v", answer)
	}
	cfg := clientcredentials.Config{ClientID: "app", ClientSecret: "hush", TokenURL: m.TokenURL(server), Scopes: []string{mailScope}, AuthStyle: oauth2.AuthStyleInParams}
	token, err := cfg.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{
		"anna@contoso.example": "", "info@contoso.example": "",
		"closed@contoso.example": "User is authenticated but not connected.", "off@contoso.example": "User is authenticated but not connected.",
		"nobody@contoso.example": "User is authenticated but not connected.",
	} {
		if got := m.Allows(token.AccessToken, address); want == "" && got != nil || want != "" && (got == nil || got.Error() != want) {
			t.Errorf("%s: %v, want %q", address, got, want)
		}
	}
	if err := m.Allows("x", "anna@contoso.example"); err == nil || err.Error() != "AUTHENTICATE failed." {
		t.Errorf("no token of ours: %v", err)
	}
}

// assertion is a signed statement, as it has to be but for what change alters.
func assertion(t *testing.T, m *Microsoft, server string, key *rsa.PrivateKey, der []byte, change func(header, claims map[string]any)) string {
	t.Helper()
	sum := sha256.Sum256(der)
	header := map[string]any{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}
	claims := map[string]any{"iss": "signed", "sub": "signed", "aud": m.TokenURL(server), "jti": "1", "nbf": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix()}
	if change != nil {
		change(header, claims)
	}
	token := jwt.NewWithClaims(jwt.SigningMethodPS256, jwt.MapClaims(claims))
	for k, v := range header {
		token.Header[k] = v
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMicrosoftAssertion(t *testing.T) {
	t.Parallel()
	m, server, key := tenant(t)
	other, _ := certificate(t)
	der := m.Apps[1].Certificates[0]
	for _, c := range []struct {
		name, want string
		key        *rsa.PrivateKey
		change     func(header, claims map[string]any)
	}{
		{"good", "", key, nil},
		{"another key", "AADSTS700027", other, nil},
		{"no thumbprint", "AADSTS700027", key, func(h, _ map[string]any) { delete(h, "x5t#S256") }},
		{"another thumbprint", "AADSTS700027", key, func(h, _ map[string]any) { h["x5t#S256"] = "x" }},
		{"another audience", "AADSTS700023", key, func(_, c map[string]any) { c["aud"] = server }},
		{"another issuer", "AADSTS700021", key, func(_, c map[string]any) { c["iss"] = "app" }},
		{"another subject", "AADSTS700021", key, func(_, c map[string]any) { c["sub"] = "app" }},
		{"ended", "AADSTS700024", key, func(_, c map[string]any) { c["exp"] = time.Now().Add(-10 * time.Minute).Unix() }},
		{"without end", "AADSTS700024", key, func(_, c map[string]any) { delete(c, "exp") }},
		{"from the future", "AADSTS700024", key, func(_, c map[string]any) { c["nbf"] = time.Now().Add(10 * time.Minute).Unix() }},
		{"without id", "AADSTS50027", key, func(_, c map[string]any) { delete(c, "jti") }},
	} {
		status, answer := post(t, m.TokenURL(server), "client_id", "signed", "grant_type", "client_credentials", "scope", mailScope,
			"client_assertion_type", assertionType, "client_assertion", assertion(t, m, server, c.key, der, c.change))
		text, _ := answer["error_description"].(string)
		if c.want == "" && status != http.StatusOK || c.want != "" && !strings.HasPrefix(text, c.want+": ") {
			t.Errorf("%s: %d %v, want %q", c.name, status, answer, c.want)
		}
	}
}

// browser asks for a code as a browser does, and returns where it is led.
func browser(t *testing.T, at, user string) url.Values {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if resp, err := client.Get(at); err != nil {
		t.Fatal(err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		return url.Values{"status": {resp.Status}, "error": {where(resp).Get("error")}}
	}
	resp, err := client.PostForm(at, url.Values{"user": {user}, "answer": {"accept"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return where(resp)
}

func where(resp *http.Response) url.Values {
	u, err := resp.Location()
	if err != nil {
		return url.Values{}
	}
	return u.Query()
}

func TestMicrosoftConsent(t *testing.T) {
	t.Parallel()
	m, server, _ := tenant(t)
	m.Once = true
	cfg := &oauth2.Config{ClientID: "people", RedirectURL: "http://localhost:4711", Scopes: []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"},
		Endpoint: oauth2.Endpoint{AuthURL: m.AuthURL(server), TokenURL: m.TokenURL(server), AuthStyle: oauth2.AuthStyleInParams}}
	verifier := oauth2.GenerateVerifier()
	at := func(change func(url.Values)) string {
		u, err := url.Parse(cfg.AuthCodeURL("state", oauth2.S256ChallengeOption(verifier)))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		change(q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	for name, change := range map[string]func(url.Values){
		"no challenge":     func(q url.Values) { q.Del("code_challenge") },
		"a plain one":      func(q url.Values) { q.Set("code_challenge_method", "plain") },
		"another redirect": func(q url.Values) { q.Set("redirect_uri", "https://thief.example/") },
		"another path":     func(q url.Values) { q.Set("redirect_uri", "http://localhost:1/x") },
		"another client":   func(q url.Values) { q.Set("client_id", "x") },
		"another scope":    func(q url.Values) { q.Set("scope", "https://outlook.office.com/SMTP.Send") },
		"two resources":    func(q url.Values) { q.Set("scope", q.Get("scope")+" https://graph.microsoft.com/User.Read") },
		"a token at once":  func(q url.Values) { q.Set("response_type", "token") },
	} {
		if got := browser(t, at(change), "anna@contoso.example"); got.Get("code") != "" || got.Get("status") == "" {
			t.Errorf("%s: %v", name, got)
		}
	}
	back := browser(t, at(func(url.Values) {}), "anna@contoso.example")
	if back.Get("state") != "state" {
		t.Fatalf("led back with %v", back)
	}
	if _, err := cfg.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption("another")); err == nil || !strings.Contains(err.Error(), "AADSTS501481") {
		t.Errorf("another verifier: %v", err)
	}
	back = browser(t, at(func(url.Values) {}), "anna@contoso.example")
	token, err := cfg.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Allows(token.AccessToken, "anna@contoso.example"); err != nil {
		t.Error(err)
	}
	if err := m.Allows(token.AccessToken, "info@contoso.example"); err == nil {
		t.Error("a person's token opens another mailbox")
	}
	if _, err := cfg.Exchange(t.Context(), back.Get("code"), oauth2.VerifierOption(verifier)); err == nil || !strings.Contains(err.Error(), "AADSTS54005") {
		t.Errorf("a code twice: %v", err)
	}
	renewed, err := cfg.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil || renewed.RefreshToken == token.RefreshToken {
		t.Fatalf("renewed: %v, the refresh token changed: %t", err, renewed.RefreshToken != token.RefreshToken)
	}
	if _, err := cfg.TokenSource(t.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token(); err == nil || !strings.Contains(err.Error(), "AADSTS50173") {
		t.Errorf("a refresh token twice: %v", err)
	}
	m.Revoke("anna@contoso.example")
	if err := m.Allows(renewed.AccessToken, "anna@contoso.example"); err == nil {
		t.Error("a revoked token is taken")
	}
}

func TestMicrosoftDevice(t *testing.T) {
	t.Parallel()
	m, server, _ := tenant(t)
	cfg := &oauth2.Config{ClientID: "people", Scopes: []string{"https://outlook.office.com/IMAP.AccessAsUser.All", "offline_access"},
		Endpoint: oauth2.Endpoint{DeviceAuthURL: m.DeviceURL(server), TokenURL: m.TokenURL(server), AuthStyle: oauth2.AuthStyleInParams}}
	ask := func() *oauth2.DeviceAuthResponse {
		d, err := cfg.DeviceAuth(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := ask()
	form := []string{"client_id", "people", "grant_type", deviceGrant, "device_code", d.DeviceCode}
	if _, a := post(t, m.TokenURL(server), form...); a["error"] != "authorization_pending" {
		t.Errorf("at first: %v", a)
	}
	if _, a := post(t, m.TokenURL(server), form...); a["error"] != "slow_down" {
		t.Errorf("at once again: %v", a)
	}
	if !m.Accept(d.UserCode, "anna@contoso.example") {
		t.Fatal("the user code isn't known")
	}
	token, err := cfg.DeviceAccessToken(t.Context(), d)
	if err != nil || m.Allows(token.AccessToken, "anna@contoso.example") != nil || token.RefreshToken == "" {
		t.Errorf("after the person's yes: %v", err)
	}
	if _, a := post(t, m.TokenURL(server), form...); a["error"] != "bad_verification_code" {
		t.Errorf("once more: %v", a)
	}
	d = ask()
	m.Deny(d.UserCode)
	if _, err := cfg.DeviceAccessToken(t.Context(), d); err == nil || !strings.Contains(err.Error(), "authorization_declined") {
		t.Errorf("after a no: %v", err)
	}
}

func TestGraph(t *testing.T) {
	t.Parallel()
	m, server, _ := tenant(t)
	of := func(scope string) string {
		cfg := clientcredentials.Config{ClientID: "app", ClientSecret: "hush", TokenURL: m.TokenURL(server), Scopes: []string{scope}, AuthStyle: oauth2.AuthStyleInParams}
		token, err := cfg.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return token.AccessToken
	}
	token := of(usersScope)
	users := m.GraphURL(server) + "/users"
	for want, at := range map[string][2]string{
		"Invalid audience":                        {users, of(mailScope)},
		"token is expired":                        {users, "x"},
		"Could not find a property named 'x'":     {users + "?$select=id,x", token},
		"Must be between 1 and 999":               {users + "?$top=1000", token},
		"Unrecognized query option '$expand'":     {users + "?$expand=manager", token},
		"Resource not found for the segment":      {m.GraphURL(server) + "/groups", token},
		`"mail":"anna@contoso.example"`:           {users, token},
		`"smtp:a@contoso.example"`:                {users + "?$select=proxyAddresses", token},
		`"@odata.nextLink"`:                       {users, token},
		`"value":"shared"`:                        {m.GraphURL(server) + "/users/info@contoso.example/mailboxSettings/userPurpose", token},
		"inactive, soft-deleted, or is hosted on": {m.GraphURL(server) + "/users/guest@other.example/mailboxSettings/userPurpose", token},
	} {
		if _, _, body := get(t, at[0], at[1]); !strings.Contains(body, want) {
			t.Errorf("%s: %s, want %s", at[0], body, want)
		}
	}
	m.Throttle(1, 1500*time.Millisecond)
	if status, header, _ := get(t, users, token); status != http.StatusTooManyRequests || header.Get("Retry-After") != "2" {
		t.Errorf("throttled: %d, Retry-After %q", status, header.Get("Retry-After"))
	}
	batch := func(n int) string {
		one := `{"id":"1","method":"GET","url":"/users/info@contoso.example/mailboxSettings/userPurpose"}`
		body := `{"requests":[` + one + strings.Repeat(","+one, n-1) + `]}`
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, m.GraphURL(server)+"/$batch", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := Browser().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, _ = b.ReadFrom(resp.Body)
		return b.String()
	}
	if got := batch(20); strings.Count(got, `"value":"shared"`) != 20 {
		t.Errorf("20 at once: %s", got)
	}
	if got := batch(21); !strings.Contains(got, "cannot exceed 20") {
		t.Errorf("21 at once: %s", got)
	}
}
