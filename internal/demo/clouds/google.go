package clouds

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Google's scopes (developers.google.com, "XOAUTH2" and "Directory API: authorize requests").
const (
	ScopeMail  = "https://mail.google.com/"
	ScopeUsers = "https://www.googleapis.com/auth/admin.directory.user.readonly"
)

// Google is a Workspace: its token endpoint and its directory. Its fields are set before
// the first request.
type Google struct {
	desk
	Domain   string
	Apps     []App // clients of people's consents
	Accounts []ServiceAccount
	People   []Mailbox
	Lifetime time.Duration // of access tokens; 0 for an hour
	PageMost int           // of the directory's pages; 0 for 500
	// NoDirectory: the Admin SDK is not switched on in the project.
	NoDirectory bool
	// Ahead is how much its clock is ahead of everybody else's.
	Ahead time.Duration
}

// ServiceAccount is one whose key may sign assertions.
type ServiceAccount struct {
	Email string
	ID    string // client id, as the administrator enters it for delegation
	KeyID string
	Key   *rsa.PrivateKey
	// Delegated are the scopes that an administrator has given it for everybody's data.
	Delegated []string
}

// KeyFile is what somebody downloads of a service account from the console, for a server
// at an address.
func (s ServiceAccount) KeyFile(server string) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(s.Key)
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(map[string]string{
		"type": "service_account", "project_id": "postferry-demo", "private_key_id": s.KeyID,
		"private_key":  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email": s.Email, "client_id": s.ID, "auth_uri": server + "/o/oauth2/v2/auth", "token_uri": server + "/token",
		"universe_domain": "googleapis.com",
	}, "", "  ")
}

// now is the time of its clock.
func (g *Google) now() time.Time { return time.Now().Add(g.Ahead) }

func (g *Google) lifetime() time.Duration { return cmp.Or(g.Lifetime, hour) }

// DirectoryURL is the directory, for a server at an address.
func (g *Google) DirectoryURL(server string) string { return server + "/admin/directory/v1" }

// ServeHTTP implements http.Handler.
func (g *Google) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	throttled := googleError(http.StatusTooManyRequests, "rateLimitExceeded", "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user'.")
	g.serve(w, r, throttled, map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": g.discovery, "/token": g.token, "/o/oauth2/v2/auth": g.authorize, "/device/code": g.deviceCode, "/revoke": g.revoke,
		"/admin/directory/v1/users": g.directory,
		"/introspect":               func(w http.ResponseWriter, r *http.Request) { g.introspect(w, r, g.now()) },
		"/device": func(w http.ResponseWriter, r *http.Request) {
			g.devicePage(w, r, consent{Service: "Google", App: "The device", People: signIns(g.People)})
		},
	})
}

func (g *Google) discovery(w http.ResponseWriter, r *http.Request) {
	server := base(r)
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": server, "authorization_endpoint": server + "/o/oauth2/v2/auth", "device_authorization_endpoint": server + "/device/code",
		"token_endpoint": server + "/token", "revocation_endpoint": server + "/revoke", "response_types_supported": []string{"code"},
		"code_challenge_methods_supported": []string{"plain", "S256"}, "scopes_supported": []string{"openid", "email", "profile"},
	})
}

// revoke forgets a token (RFC 7009).
func (g *Google) revoke(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !g.revokeToken(r.FormValue("token")) {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_token", "error_description": "Token expired or revoked"})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{})
}

// Allows tells what Gmail answers to a token that somebody shows for a mailbox.
func (g *Google) Allows(token, address string) error {
	x, ok := g.known(token, g.now())
	box, there := personOf(g.People, address)
	switch {
	case !ok || !x.may(ScopeMail) || !there || !strings.EqualFold(x.user, box.Address):
		return &IMAPRefusal{Challenge: `{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`, Text: "[AUTHENTICATIONFAILED] Invalid credentials (Failure)"}
	case box.IMAPOff:
		return &IMAPRefusal{Text: "[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page and enable your account for IMAP access. (Failure)"}
	}
	return nil
}

// account finds a service account.
func (g *Google) account(email string) (ServiceAccount, bool) {
	i := slices.IndexFunc(g.Accounts, func(s ServiceAccount) bool { return s.Email == email })
	if i < 0 {
		return ServiceAccount{}, false
	}
	return g.Accounts[i], true
}
