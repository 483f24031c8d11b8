package clouds

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ScopeOpenMail is the scope of mail at OpenID.
const ScopeOpenMail = "mail"

// OpenID is a provider that is nobody's in particular (OpenID Connect Discovery 1.0), for people's consents. It names
// itself in what it answers (RFC 9207), gives each refresh token out for one use and ends everything when one is
// used again (RFC 9700 section 4.14.2), and takes tokens back (RFC 7009). Its fields are set before the first request.
type OpenID struct {
	desk
	Apps     []App
	People   []Mailbox
	Lifetime time.Duration // of access tokens; 0 for an hour
	// NoRefresh: no refresh tokens are given out. Name is what it calls itself, "" for its address.
	NoRefresh bool
	Name      string
	// Alone leaves out one of its two ways to agree: "code" has only the one for devices, "browser" only the other.
	Alone string
}

func (o *OpenID) lifetime() time.Duration { return cmp.Or(o.Lifetime, hour) }

func (o *OpenID) name(r *http.Request) string { return cmp.Or(o.Name, base(r)) }

// ServeHTTP implements http.Handler.
func (o *OpenID) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.serve(w, r, map[string]any{"error": "temporarily_unavailable"}, map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": o.discovery, "/authorize": o.authorize, "/device_authorization": o.deviceCode, "/token": o.token, "/revoke": o.revoke,
		"/device": func(w http.ResponseWriter, r *http.Request) {
			o.devicePage(w, r, consent{Service: "OpenID", App: "The device", People: signIns(o.People)})
		},
	})
}

func (o *OpenID) discovery(w http.ResponseWriter, r *http.Request) {
	server := base(r)
	all := map[string]any{"issuer": o.name(r), "token_endpoint": server + "/token", "revocation_endpoint": server + "/revoke",
		"authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": []string{"S256"}}
	if o.Alone != "code" {
		all["authorization_endpoint"] = server + "/authorize"
	}
	if o.Alone != "browser" {
		all["device_authorization_endpoint"] = server + "/device_authorization"
	}
	writeJSON(w, http.StatusOK, all)
}

// wanted checks what a client wants a person to agree to.
func (o *OpenID) wanted(r *http.Request, app App) (g grant, offline bool, no string) {
	for _, s := range strings.Fields(r.FormValue("scope")) {
		switch {
		case s == "offline_access":
			offline = true
		case s == "openid":
		case slices.Contains(app.Scopes, s):
			g.scopes = append(g.scopes, s)
		default:
			return g, false, "invalid_scope"
		}
	}
	g.app, g.audience = app.ID, "mail"
	return g, offline, ""
}

// authorize is where a browser comes with what a client asks for. A client must send a state, and a challenge.
func (o *OpenID) authorize(w http.ResponseWriter, r *http.Request) {
	app, ok := appOf(o.Apps, r.FormValue("client_id"))
	if !ok || !allowedRedirect(r.FormValue("redirect_uri"), app.Redirects) {
		http.Error(w, "invalid client_id or redirect_uri", http.StatusBadRequest)
		return
	}
	g, offline, no := o.wanted(r, app)
	switch {
	case r.FormValue("response_type") != "code", r.FormValue("state") == "", len(r.FormValue("code_challenge")) != 43, r.FormValue("code_challenge_method") != "S256":
		no = "invalid_request"
	case no != "":
	case r.Method != http.MethodPost:
		consent{Service: "OpenID", App: cmp.Or(app.Name, app.ID), Hint: r.FormValue("login_hint"), Scopes: strings.Fields(r.FormValue("scope")), People: signIns(o.People)}.write(w)
		return
	case r.FormValue("answer") != "accept" || !slices.Contains(signIns(o.People), r.FormValue("user")):
		no = "access_denied"
	}
	if no != "" {
		sendBack(w, r, "error", no, "iss", o.name(r))
		return
	}
	g.user = r.FormValue("user")
	sendBack(w, r, "iss", o.name(r), "code", o.keep(code{grant: g, redirect: r.FormValue("redirect_uri"), challenge: r.FormValue("code_challenge"), offline: offline, ends: time.Now().Add(codeLife)}))
}

func (o *OpenID) deviceCode(w http.ResponseWriter, r *http.Request) {
	app, no := o.client(r)
	if no == "" {
		var g grant
		var offline bool
		if g, offline, no = o.wanted(r, app); no == "" {
			device, user := o.await(device{grant: g, offline: offline, ends: time.Now().Add(deviceLife)})
			writeJSON(w, http.StatusOK, map[string]any{"device_code": device, "user_code": user, "verification_uri": base(r) + "/device",
				"expires_in": int(deviceLife.Seconds()), "interval": int(interval.Seconds())})
			return
		}
	}
	writeJSON(w, http.StatusBadRequest, map[string]any{"error": no})
}

// client finds who asks, and has it prove who it is if it can.
func (o *OpenID) client(r *http.Request) (App, string) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	app, ok := appOf(o.Apps, id)
	if !ok || app.Secret != secret {
		return App{}, "invalid_client"
	}
	return app, ""
}

func (o *OpenID) token(w http.ResponseWriter, r *http.Request) {
	app, no := o.client(r)
	var g grant
	var offline bool
	if no == "" {
		switch r.PostFormValue("grant_type") {
		case "authorization_code":
			g, offline, no = o.redeemed(r, app)
		case deviceGrant:
			g, offline, no = o.entered(r, app)
		case "refresh_token":
			var ok bool
			if g, ok = o.refreshed(r.PostFormValue("refresh_token"), true); !ok || g.app != app.ID {
				no = "invalid_grant"
			}
			offline = true
		default:
			no = "unsupported_grant_type"
		}
	}
	if no != "" {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": no})
		return
	}
	g.ends = time.Now().Add(o.lifetime())
	answer := map[string]any{"token_type": "Bearer", "expires_in": int(o.lifetime().Seconds()), "access_token": o.hand(g, "access-"+random()), "scope": strings.Join(g.scopes, " ")}
	if offline && !o.NoRefresh {
		answer["refresh_token"] = o.handRefresh(g)
	}
	writeJSON(w, http.StatusOK, answer)
}

func (o *OpenID) redeemed(r *http.Request, app App) (grant, bool, string) {
	c, ok := o.redeem(r.PostFormValue("code"))
	if !ok || c.used || time.Now().After(c.ends) || c.app != app.ID || r.PostFormValue("redirect_uri") != c.redirect || challengeOf(r.PostFormValue("code_verifier")) != c.challenge {
		return grant{}, false, "invalid_grant"
	}
	return c.grant, c.offline, ""
}

func (o *OpenID) entered(r *http.Request, app App) (grant, bool, string) {
	x, came := o.asked(r.PostFormValue("device_code"), app.ID, time.Now())
	no, ok := map[poll]string{pollPending: "authorization_pending", pollSlower: "slow_down", pollExpired: "expired_token", pollDenied: "access_denied", pollDone: ""}[came]
	if !ok {
		no = "invalid_grant"
	}
	return x.grant, x.offline, no
}

func (o *OpenID) revoke(w http.ResponseWriter, r *http.Request) {
	if _, no := o.client(r); no != "" {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": no})
		return
	}
	o.revokeToken(r.PostFormValue("token")) // one that is unknown is gone as well (RFC 7009 section 2.2)
	writeJSON(w, http.StatusOK, map[string]any{})
}

// Allows tells what a mail server answers to a token that somebody shows for a mailbox.
func (o *OpenID) Allows(token, address string) error {
	x, ok := o.known(token, time.Now())
	box, there := personOf(o.People, address)
	if !ok || !x.may(ScopeOpenMail) || !there || !strings.EqualFold(x.user, box.Address) {
		return &IMAPRefusal{Challenge: `{"status":"invalid_token"}`, Text: "[AUTHENTICATIONFAILED] Authentication failed."}
	}
	return nil
}

// Refreshes is how many refresh tokens are good.
func (d *desk) Refreshes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.refresh)
}

// Browser is a client whose connections are its own: those of http.DefaultClient are closed whenever a server of a test
// (httptest.Server) is, also under requests of other tests.
func Browser() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// Answer is what a person's browser does at a provider: it opens the address to which it was sent, and says yes as user,
// or no for "". It returns the address to which it is sent back.
func Answer(client *http.Client, at, user string) (back *url.URL, err error) {
	form := url.Values{"user": {user}, "answer": {"accept"}}
	if user == "" {
		form.Set("answer", "cancel")
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := own.PostForm(at, form)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return resp.Location()
}
