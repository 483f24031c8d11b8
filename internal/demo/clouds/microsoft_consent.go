package clouds

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// authorize is where a browser comes with what a client asks for (RFC 6749 section 4.1.1).
// As long as it isn't known who asks, nobody is sent back to anywhere.
func (m *Microsoft) authorize(w http.ResponseWriter, r *http.Request) {
	app, ok := appOf(m.Apps, r.FormValue("client_id"))
	switch {
	case !ok:
		m.refuse(w, aad(700016, http.StatusBadRequest, "unauthorized_client", "Application with identifier '"+r.FormValue("client_id")+"' was not found in the directory '"+m.Tenant+"'."))
		return
	case !allowedRedirect(r.FormValue("redirect_uri"), app.Redirects):
		m.refuse(w, aad(50011, http.StatusBadRequest, "invalid_request", "The redirect URI '"+r.FormValue("redirect_uri")+"' specified in the request does not match the redirect URIs configured for the application '"+app.ID+"'. Make sure the redirect URI sent in the request matches one added to your application in the Azure portal."))
		return
	}
	g, offline, no := m.mayAsk(r, app)
	if no != nil {
		sendBack(w, r, "error", no.code, "error_description", no.description(time.Now().UTC().Format("2006-01-02 15:04:05Z")))
		return
	}
	if r.Method != http.MethodPost {
		consent{Service: "Microsoft", App: cmp.Or(app.Name, app.ID), Hint: r.FormValue("login_hint"), Scopes: strings.Fields(r.FormValue("scope")), People: signIns(m.People)}.write(w)
		return
	}
	g.user = r.FormValue("user")
	if r.FormValue("answer") != "accept" || !slices.Contains(signIns(m.People), g.user) {
		sendBack(w, r, "error", "access_denied", "error_description", aad(65004, 0, "", "User declined to consent to access the app.").description(""))
		return
	}
	sendBack(w, r, "code", m.keep(code{grant: g, redirect: r.FormValue("redirect_uri"), challenge: r.FormValue("code_challenge"), offline: offline, ends: time.Now().Add(codeLife)}))
}

// mayAsk checks the rest of what a client asks for.
func (m *Microsoft) mayAsk(r *http.Request, app App) (grant, bool, *aadRefusal) {
	switch {
	case r.FormValue("response_type") != "code":
		return grant{}, false, aad(700054, http.StatusBadRequest, "unsupported_response_type", "response_type '"+r.FormValue("response_type")+"' is not enabled for the application.")
	case r.FormValue("code_challenge") == "" || r.FormValue("code_challenge_method") != "S256":
		return grant{}, false, aad(9002325, http.StatusBadRequest, "invalid_request", "Proof Key for Code Exchange is required for cross-origin authorization code redemption.")
	}
	return asksFor(r.FormValue("scope"), app)
}

// deviceCode begins what a person ends elsewhere (RFC 8628 section 3.1).
func (m *Microsoft) deviceCode(w http.ResponseWriter, r *http.Request) {
	app, ok := appOf(m.Apps, r.PostFormValue("client_id"))
	if !ok {
		m.refuse(w, aad(700016, http.StatusBadRequest, "unauthorized_client", "Application with identifier '"+r.PostFormValue("client_id")+"' was not found in the directory '"+m.Tenant+"'."))
		return
	}
	if app.Secret != "" || len(app.Certificates) > 0 {
		m.refuse(w, aad(7000218, http.StatusUnauthorized, "invalid_client", "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."))
		return
	}
	g, offline, no := asksFor(r.PostFormValue("scope"), app)
	if no != nil {
		m.refuse(w, no)
		return
	}
	device, user := m.await(device{grant: g, offline: offline, ends: time.Now().Add(deviceLife)})
	where := base(r) + "/devicelogin"
	writeJSON(w, http.StatusOK, map[string]any{"device_code": device, "user_code": user, "verification_uri": where, "expires_in": int(deviceLife.Seconds()),
		"interval": int(interval.Seconds()), "message": "To sign in, use a web browser to open the page " + where + " and enter the code " + user + " to authenticate."})
}
