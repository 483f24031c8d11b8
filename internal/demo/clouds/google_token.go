package clouds

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// bearerGrant is the grant type of a signed assertion (RFC 7523 section 2.1).
const bearerGrant = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// googleRefusal is what the token endpoint says no with.
type googleRefusal struct {
	status     int
	code, text string
}

func (g *Google) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.ParseForm() != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": "Bad Request"})
		return
	}
	answer, no := g.granted(r)
	if no != nil {
		writeJSON(w, no.status, map[string]any{"error": no.code, "error_description": no.text})
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (g *Google) granted(r *http.Request) (map[string]any, *googleRefusal) {
	switch r.PostFormValue("grant_type") {
	case bearerGrant:
		return g.byAssertion(r)
	case "authorization_code":
		return g.byCode(r)
	case "refresh_token":
		return g.byRefresh(r)
	case deviceGrant:
		return g.byDevice(r)
	}
	return nil, &googleRefusal{http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: " + r.PostFormValue("grant_type")}
}

// delegation is what a service account says (developers.google.com, "Using OAuth 2.0 for
// server to server applications").
type delegation struct {
	Scope string `json:"scope"`
	jwt.RegisteredClaims
}

// byAssertion is for a service account that acts for somebody.
func (g *Google) byAssertion(r *http.Request) (map[string]any, *googleRefusal) {
	var claims delegation
	var account ServiceAccount
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(g.now))
	_, err := parser.ParseWithClaims(r.PostFormValue("assertion"), &claims, func(t *jwt.Token) (any, error) {
		found, ok := g.account(claims.Issuer)
		if kid, named := t.Header["kid"]; !ok || named && kid != found.KeyID {
			return nil, errNoKey
		}
		account = found
		return &found.Key.PublicKey, nil
	})
	invalid := func(text string) *googleRefusal { return &googleRefusal{http.StatusBadRequest, "invalid_grant", text} }
	switch {
	case errors.Is(err, errNoKey) && account.Email == "":
		return nil, invalid("Invalid grant: account not found")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return nil, invalid("Invalid JWT Signature.")
	case err != nil && !errors.Is(err, jwt.ErrTokenInvalidClaims):
		return nil, invalid("Bad Request")
	case !g.timely(claims.RegisteredClaims):
		return nil, invalid("Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.")
	case len(claims.Audience) != 1 || claims.Audience[0] != base(r)+"/token":
		return nil, invalid("Invalid JWT: Failed audience check. The right audience is " + base(r) + "/token")
	}
	return g.delegated(account, claims)
}

// timely: the assertion is neither from the future nor good for more than an hour.
func (g *Google) timely(c jwt.RegisteredClaims) bool {
	now := g.now()
	return c.IssuedAt != nil && c.ExpiresAt != nil && c.IssuedAt.Before(now.Add(skew)) && c.ExpiresAt.After(now.Add(-skew)) &&
		c.ExpiresAt.Sub(c.IssuedAt.Time) <= hour
}

// delegated is what an administrator's delegation comes to.
func (g *Google) delegated(account ServiceAccount, claims delegation) (map[string]any, *googleRefusal) {
	scopes := strings.Fields(claims.Scope)
	box, there := personOf(g.People, claims.Subject)
	switch {
	case len(scopes) == 0:
		return nil, &googleRefusal{http.StatusBadRequest, "invalid_scope", "Invalid OAuth scope or ID token audience provided."}
	case claims.Subject == "", slices.ContainsFunc(scopes, func(s string) bool { return !slices.Contains(account.Delegated, s) }):
		return nil, &googleRefusal{http.StatusUnauthorized, "unauthorized_client", "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."}
	case !there:
		return nil, &googleRefusal{http.StatusBadRequest, "invalid_grant", "Invalid email or User ID"}
	case box.Suspended:
		return nil, &googleRefusal{http.StatusBadRequest, "invalid_grant", "Account has been suspended"}
	}
	return g.answer(grant{app: account.Email, user: box.Address, scopes: scopes}, false), nil
}

// answer hands out an access token, and a refresh token if offline.
func (g *Google) answer(x grant, offline bool) map[string]any {
	x.ends, x.audience = g.now().Add(g.lifetime()), "google"
	a := map[string]any{"token_type": "Bearer", "expires_in": int(g.lifetime() / time.Second), "access_token": g.hand(x, "access-"+random()), "scope": strings.Join(x.scopes, " ")}
	if offline {
		a["refresh_token"] = g.handRefresh(x)
	}
	return a
}

// client finds who asks; Google's installed applications have a secret, too.
func (g *Google) client(r *http.Request) (App, *googleRefusal) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	app, ok := appOf(g.Apps, id)
	switch {
	case !ok:
		return App{}, &googleRefusal{http.StatusUnauthorized, "invalid_client", "The OAuth client was not found."}
	case secret == "":
		return App{}, &googleRefusal{http.StatusBadRequest, "invalid_request", "client_secret is missing."}
	case secret != app.Secret:
		return App{}, &googleRefusal{http.StatusUnauthorized, "invalid_client", "The provided client secret is invalid."}
	}
	return app, nil
}

func (g *Google) byCode(r *http.Request) (map[string]any, *googleRefusal) {
	app, no := g.client(r)
	if no != nil {
		return nil, no
	}
	invalid := func(code, text string) *googleRefusal { return &googleRefusal{http.StatusBadRequest, code, text} }
	c, ok := g.redeem(r.PostFormValue("code"))
	switch {
	case !ok || c.app != app.ID:
		return nil, invalid("invalid_grant", "Malformed auth code.")
	case c.used, g.now().After(c.ends):
		return nil, invalid("invalid_grant", "Bad Request")
	case c.redirect != r.PostFormValue("redirect_uri"):
		return nil, invalid("redirect_uri_mismatch", "Bad Request")
	case r.PostFormValue("code_verifier") == "":
		return nil, invalid("invalid_grant", "Missing code verifier.")
	case challengeOf(r.PostFormValue("code_verifier")) != c.challenge:
		return nil, invalid("invalid_grant", "Invalid code verifier.")
	}
	return g.answer(c.grant, c.offline), nil
}

// byRefresh renews; the refresh token stays what it is.
func (g *Google) byRefresh(r *http.Request) (map[string]any, *googleRefusal) {
	app, no := g.client(r)
	if no != nil {
		return nil, no
	}
	x, ok := g.refreshed(r.PostFormValue("refresh_token"), false)
	switch {
	case !ok:
		return nil, &googleRefusal{http.StatusBadRequest, "invalid_grant", "Token has been expired or revoked."}
	case x.app != app.ID:
		return nil, &googleRefusal{http.StatusUnauthorized, "unauthorized_client", "Unauthorized"}
	}
	return g.answer(x, false), nil
}

func (g *Google) byDevice(r *http.Request) (map[string]any, *googleRefusal) {
	app, no := g.client(r)
	if no != nil {
		return nil, no
	}
	x, came := g.asked(r.PostFormValue("device_code"), app.ID, g.now())
	switch came {
	case pollDone:
		return g.answer(x.grant, true), nil
	case pollPending:
		return nil, &googleRefusal{http.StatusPreconditionRequired, "authorization_pending", "Precondition Required"}
	case pollSlower:
		return nil, &googleRefusal{http.StatusForbidden, "slow_down", "Forbidden"}
	case pollExpired:
		return nil, &googleRefusal{http.StatusBadRequest, "expired_token", "Bad Request"}
	case pollDenied:
		return nil, &googleRefusal{http.StatusForbidden, "access_denied", "Forbidden"}
	}
	return nil, &googleRefusal{http.StatusBadRequest, "invalid_grant", "Malformed device code."}
}
