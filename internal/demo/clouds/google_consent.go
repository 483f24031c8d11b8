package clouds

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
)

// deviceScopes are those that Google gives to devices at all (developers.google.com, "OAuth 2.0
// for TV and limited-input device applications"): mail is none of them.
var deviceScopes = []string{"openid", "email", "profile", "https://www.googleapis.com/auth/drive.file", "https://www.googleapis.com/auth/youtube"}

// authorize is where a browser comes with what a client asks for.
func (g *Google) authorize(w http.ResponseWriter, r *http.Request) {
	app, ok := appOf(g.Apps, r.FormValue("client_id"))
	switch {
	case !ok:
		http.Error(w, "Error 401: invalid_client. The OAuth client was not found.", http.StatusUnauthorized)
		return
	case !allowedRedirect(r.FormValue("redirect_uri"), app.Redirects):
		http.Error(w, "Error 400: redirect_uri_mismatch", http.StatusBadRequest)
		return
	case r.FormValue("response_type") != "code":
		http.Error(w, "Error 400: unsupported_response_type", http.StatusBadRequest)
		return
	case r.FormValue("code_challenge") == "" || r.FormValue("code_challenge_method") != "S256":
		http.Error(w, "Error 400: invalid_request. Missing code challenge.", http.StatusBadRequest)
		return
	}
	scopes := strings.Fields(r.FormValue("scope"))
	if len(scopes) == 0 || slices.ContainsFunc(scopes, func(s string) bool {
		return !slices.Contains(append([]string{"openid", "email", "profile"}, app.Scopes...), s)
	}) {
		sendBack(w, r, "error", "invalid_scope")
		return
	}
	if r.Method != http.MethodPost {
		consent{Service: "Google", App: cmp.Or(app.Name, app.ID), Hint: r.FormValue("login_hint"), Scopes: scopes, People: signIns(g.People)}.write(w)
		return
	}
	user := r.FormValue("user")
	if r.FormValue("answer") != "accept" || !slices.Contains(signIns(g.People), user) {
		sendBack(w, r, "error", "access_denied")
		return
	}
	sendBack(w, r, "code", g.keep(code{grant: grant{app: app.ID, user: user, scopes: scopes}, redirect: r.FormValue("redirect_uri"),
		challenge: r.FormValue("code_challenge"), offline: r.FormValue("access_type") == "offline", ends: g.now().Add(codeLife)}))
}

// deviceCode begins what a person ends elsewhere.
func (g *Google) deviceCode(w http.ResponseWriter, r *http.Request) {
	app, ok := appOf(g.Apps, r.PostFormValue("client_id"))
	scopes := strings.Fields(r.PostFormValue("scope"))
	refused := slices.IndexFunc(scopes, func(s string) bool { return !slices.Contains(deviceScopes, s) })
	switch {
	case !ok:
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "The OAuth client was not found."})
	case refused >= 0:
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_scope", "error_description": "Invalid device flow scope: " + scopes[refused]})
	default:
		code, user := g.await(device{grant: grant{app: app.ID, scopes: scopes}, offline: true, ends: g.now().Add(deviceLife)})
		writeJSON(w, http.StatusOK, map[string]any{"device_code": code, "user_code": user, "verification_url": base(r) + "/device",
			"expires_in": int(deviceLife.Seconds()), "interval": int(interval.Seconds())})
	}
}
