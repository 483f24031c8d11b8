package clouds

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// deviceGrant is the grant type of RFC 8628 section 3.4.
const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// token hands out tokens.
func (m *Microsoft) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		m.refuse(w, aad(900561, http.StatusBadRequest, "invalid_request", "The endpoint only accepts POST requests."))
		return
	}
	app, proved, no := m.client(r)
	var answer map[string]any
	if no == nil {
		answer, no = m.granted(r, app, proved)
	}
	if no != nil {
		m.refuse(w, no)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

// granted is what comes of a grant type.
func (m *Microsoft) granted(r *http.Request, app App, proved bool) (map[string]any, *aadRefusal) {
	switch kind := r.PostFormValue("grant_type"); kind {
	case "client_credentials":
		return m.byItself(r, app, proved)
	case "authorization_code":
		return m.byCode(r, app)
	case "refresh_token":
		return m.byRefresh(r, app)
	case deviceGrant, "device_code":
		return m.byDevice(r, app)
	case "":
		return nil, lacks("grant_type")
	default:
		return nil, aad(70003, http.StatusBadRequest, "unsupported_grant_type", "The app requested an unsupported grant type '"+kind+"'.")
	}
}

// byItself is for an application without a person (RFC 6749 section 4.4). It gets a token
// whether it has permissions or not; the token says which.
func (m *Microsoft) byItself(r *http.Request, app App, proved bool) (map[string]any, *aadRefusal) {
	scope := r.PostFormValue("scope")
	resource, name := resourceOf(scope)
	switch {
	case !proved:
		return nil, aad(7000218, http.StatusUnauthorized, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case scope == "":
		return nil, lacks("scope")
	case name != ".default" || strings.Contains(scope, " "):
		return nil, aad(1002012, http.StatusBadRequest, "invalid_scope", "The provided value for scope "+scope+" is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).")
	case resource != mailResource && resource != graphResource:
		return nil, aad(500011, http.StatusBadRequest, "invalid_resource", "The resource principal named "+resource+" was not found in the tenant named "+m.Tenant+".")
	}
	return m.answer(grant{app: app.ID, audience: resource, scopes: rolesOf(app, resource)}, false), nil
}

// rolesOf are the permissions of an application that a resource knows.
func rolesOf(app App, resource string) (roles []string) {
	for _, role := range app.Roles {
		if (role == RoleIMAP) == (resource == mailResource) {
			roles = append(roles, role)
		}
	}
	return roles
}

// answer hands out an access token, and a refresh token if offline.
func (m *Microsoft) answer(g grant, offline bool) map[string]any {
	g.ends = time.Now().Add(m.lifetime())
	seconds := int(m.lifetime().Seconds())
	a := map[string]any{"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": m.hand(g, m.jwt(g))}
	if g.user != "" {
		a["scope"] = strings.Join(g.scopes, " ")
	}
	if offline {
		a["refresh_token"] = m.handRefresh(g)
	}
	return a
}

// jwt is an access token as Microsoft's are: it says what the application may, and is signed with
// something that clients have no business with.
func (m *Microsoft) jwt(g grant) string {
	claims := map[string]any{"iss": "https://sts.windows.net/" + m.Tenant + "/", "aud": g.audience, "appid": g.app, "exp": g.ends.Unix(), "uti": random()}
	if g.user == "" {
		claims["roles"] = g.scopes
	} else {
		claims["scp"], claims["upn"] = strings.Join(g.scopes, " "), g.user
	}
	payload, _ := json.Marshal(claims) // text and numbers
	return base64.RawURLEncoding.EncodeToString([]byte(`{"typ":"JWT","alg":"RS256"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + random()
}

// asksFor reads what a person is to consent to: scopes of one resource, besides those of OpenID.
func asksFor(scope string, app App) (g grant, offline bool, no *aadRefusal) {
	g.app = app.ID
	for _, s := range strings.Fields(scope) {
		if slices.Contains([]string{"openid", "profile", "email", "offline_access"}, s) {
			offline = offline || s == "offline_access"
			continue
		}
		resource, name := resourceOf(s)
		switch {
		case g.audience != "" && g.audience != resource:
			return grant{}, false, aad(28000, http.StatusBadRequest, "invalid_scope", "Provided value for the input parameter scope is not valid because it contains more than one resource.")
		case name != ".default" && !slices.Contains(app.Scopes, name):
			return grant{}, false, aad(65001, http.StatusBadRequest, "invalid_grant", "The user or administrator has not consented to use the application with ID '"+app.ID+"'. Send an interactive authorization request for this user and resource.")
		}
		g.audience = resource
		if name == ".default" {
			g.scopes = append(g.scopes, app.Scopes...)
		} else {
			g.scopes = append(g.scopes, name)
		}
	}
	if len(g.scopes) == 0 {
		return grant{}, false, aad(70011, http.StatusBadRequest, "invalid_scope", "The provided value for the input parameter 'scope' is not valid. The scope '"+scope+"' does not exist.")
	}
	return g, offline, nil
}

func (m *Microsoft) byCode(r *http.Request, app App) (map[string]any, *aadRefusal) {
	invalid := func(number int, text string) *aadRefusal {
		return aad(number, http.StatusBadRequest, "invalid_grant", text)
	}
	c, ok := m.redeem(r.PostFormValue("code"))
	switch {
	case !ok:
		return nil, invalid(9002313, "Invalid request. Request is malformed or invalid.")
	case c.used:
		return nil, invalid(54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.")
	case time.Now().After(c.ends):
		return nil, invalid(70008, "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.")
	case c.app != app.ID:
		return nil, invalid(70000, "The provided value for the 'code' parameter is not valid.")
	case r.PostFormValue("redirect_uri") != c.redirect:
		return nil, invalid(500112, "The reply address '"+r.PostFormValue("redirect_uri")+"' does not match the reply address '"+c.redirect+"' provided when requesting Authorization code.")
	case r.PostFormValue("code_verifier") == "":
		return nil, invalid(50148, "The code_verifier does not match the code_challenge supplied in the authorization request for PKCE.")
	case challengeOf(r.PostFormValue("code_verifier")) != c.challenge:
		return nil, invalid(501481, "The Code_Verifier does not match the code_challenge supplied in the authorization request.")
	}
	return m.answer(c.grant, c.offline), nil
}

// byRefresh renews: the new refresh token takes the place of the old one, which stays good
// unless Once is set.
func (m *Microsoft) byRefresh(r *http.Request, app App) (map[string]any, *aadRefusal) {
	g, ok := m.refreshed(r.PostFormValue("refresh_token"), m.Once)
	switch {
	case !ok:
		return nil, aad(50173, http.StatusBadRequest, "invalid_grant", "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password.")
	case g.app != app.ID:
		return nil, aad(70000, http.StatusBadRequest, "invalid_grant", "Provided grant is invalid or malformed.")
	}
	if scope := r.PostFormValue("scope"); scope != "" {
		asked, _, no := asksFor(scope, app)
		if no != nil {
			return nil, no
		}
		g.scopes, g.audience = asked.scopes, asked.audience
	}
	return m.answer(g, true), nil
}

func (m *Microsoft) byDevice(r *http.Request, app App) (map[string]any, *aadRefusal) {
	x, came := m.asked(r.PostFormValue("device_code"), app.ID, time.Now())
	switch came {
	case pollDone:
		return m.answer(x.grant, x.offline), nil
	case pollPending:
		return nil, aad(70016, http.StatusBadRequest, "authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling.")
	case pollSlower:
		return nil, aad(70016, http.StatusBadRequest, "slow_down", "OAuth 2.0 device flow error. Polling too often.")
	case pollExpired:
		return nil, aad(70020, http.StatusBadRequest, "expired_token", "The provided value for the input parameter 'device_code' is not valid. This device code has expired.")
	case pollDenied:
		return nil, aad(65004, http.StatusBadRequest, "authorization_declined", "User declined to consent to access the app.")
	}
	return nil, aad(70018, http.StatusBadRequest, "bad_verification_code", "Invalid verification code due to User typing in wrong user code for device code flow.")
}
