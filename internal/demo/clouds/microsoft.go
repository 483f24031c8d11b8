package clouds

import (
	"cmp"
	"net/http"
	"strings"
	"time"
)

// The permissions that count (learn.microsoft.com, "Authenticate an IMAP, POP or SMTP
// connection using OAuth" and "Microsoft Graph permissions reference").
const (
	RoleIMAP      = "IMAP.AccessAsApp"      // of the application, for mailboxes
	RoleUsers     = "User.Read.All"         // of the application, for the directory
	RoleSettings  = "MailboxSettings.Read"  // of the application, for what a mailbox is for
	ScopeIMAP     = "IMAP.AccessAsUser.All" // of a person
	mailResource  = "https://outlook.office365.com"
	mailResource2 = "https://outlook.office.com" // the same by its other name
	graphResource = "https://graph.microsoft.com"
)

// Microsoft is a tenant's sign-in service (Entra ID) and its directory (Graph). Its fields
// are set before the first request.
type Microsoft struct {
	desk
	Tenant   string   // its id
	Domains  []string // names that stand for the tenant, too
	Apps     []App
	People   []Mailbox
	Lifetime time.Duration // of access tokens; 0 for an hour
	PageMost int           // of the directory's pages; 0 for 999
	Once     bool          // refresh tokens are good for once; one that is used again ends everything
}

// TokenURL is where tokens come from, for a server at an address.
func (m *Microsoft) TokenURL(server string) string {
	return server + "/" + m.Tenant + "/oauth2/v2.0/token"
}

// AuthURL is where browsers are sent, DeviceURL where devices ask.
func (m *Microsoft) AuthURL(server string) string {
	return server + "/" + m.Tenant + "/oauth2/v2.0/authorize"
}

// DeviceURL is where devices ask for codes.
func (m *Microsoft) DeviceURL(server string) string {
	return server + "/" + m.Tenant + "/oauth2/v2.0/devicecode"
}

// GraphURL is the directory.
func (m *Microsoft) GraphURL(server string) string { return server + "/v1.0" }

// ServeHTTP implements http.Handler.
func (m *Microsoft) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	throttled := map[string]any{"error": map[string]any{"code": "TooManyRequests", "message": "Too many requests"}}
	path := strings.TrimPrefix(r.URL.Path, "/")
	if path != "devicelogin" && m.turnedAway(w, throttled) {
		return
	}
	switch {
	case path == "introspect":
		m.introspect(w, r, time.Now())
	case path == "devicelogin":
		m.devicePage(w, r, consent{Service: "Microsoft", App: "The device", People: signIns(m.People)})
	case strings.HasPrefix(path, "v1.0/"):
		m.graph(w, r, strings.TrimPrefix(path, "v1.0"))
	default:
		m.signIn(w, r, path)
	}
}

// signIn serves what lies below a tenant.
func (m *Microsoft) signIn(w http.ResponseWriter, r *http.Request, path string) {
	tenant, rest, _ := strings.Cut(path, "/")
	if !m.isTenant(tenant) {
		m.refuse(w, aad(90002, http.StatusBadRequest, "invalid_request", "Tenant '"+tenant+"' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud."))
		return
	}
	switch rest {
	case "v2.0/.well-known/openid-configuration":
		m.discovery(w, r)
	case "oauth2/v2.0/token":
		m.token(w, r)
	case "oauth2/v2.0/authorize":
		m.authorize(w, r)
	case "oauth2/v2.0/devicecode":
		m.deviceCode(w, r)
	default:
		http.NotFound(w, r)
	}
}

// isTenant: "organizations" and "common" are any.
func (m *Microsoft) isTenant(name string) bool {
	for _, known := range append([]string{m.Tenant, "organizations", "common"}, m.Domains...) {
		if strings.EqualFold(known, name) && name != "" {
			return true
		}
	}
	return false
}

func (m *Microsoft) discovery(w http.ResponseWriter, r *http.Request) {
	server := base(r)
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer": server + "/" + m.Tenant + "/v2.0", "token_endpoint": m.TokenURL(server),
		"authorization_endpoint": m.AuthURL(server), "device_authorization_endpoint": m.DeviceURL(server),
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt", "client_secret_basic"},
		"response_types_supported":              []string{"code"}, "scopes_supported": []string{"openid", "profile", "email", "offline_access"},
	})
}

// resourceOf is the resource that a scope names, with what remains of it; outlook.office.com and
// outlook.office365.com are one.
func resourceOf(scope string) (resource, name string) {
	at := strings.LastIndexByte(scope, '/')
	if !strings.HasPrefix(scope, "https://") || at < len("https://") {
		return graphResource, scope
	}
	if resource = strings.TrimSuffix(scope[:at], "/"); resource == mailResource2 {
		resource = mailResource
	}
	return resource, scope[at+1:]
}

// Allows tells what Exchange answers to a token that somebody shows for a mailbox.
func (m *Microsoft) Allows(token, address string) error {
	failed := &IMAPRefusal{Text: "AUTHENTICATE failed."}
	g, ok := m.known(token, time.Now())
	box, there := personOf(m.People, address)
	switch {
	case !ok || g.audience != mailResource:
		return failed
	case g.user == "" && !g.may(RoleIMAP), g.user != "" && !g.may(ScopeIMAP):
		return failed
	case g.user != "" && !strings.EqualFold(g.user, box.Address):
		return failed
	case !there || box.NoMailbox || box.IMAPOff || g.user == "" && box.Closed:
		return &IMAPRefusal{Text: "User is authenticated but not connected.", Bad: true}
	}
	return nil
}

func (m *Microsoft) lifetime() time.Duration { return cmp.Or(m.Lifetime, hour) }
