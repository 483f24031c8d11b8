package request

import (
	"net/http"
	"strings"

	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/store"
)

const (
	// plainCookie and secureCookie name the session's cookie. The prefix makes
	// browsers refuse it from other hosts and without TLS (RFC 6265bis section 4.1.3.2).
	plainCookie  = "postferry"
	secureCookie = "__Host-postferry"
)

// Gate is what every request for a page or of the API passes: it knows who asks, and how much and
// how long anybody may.
type Gate struct {
	app     *admin.Service
	maxList int64 // octets of an uploaded list
	streams *streams
	log     zerolog.Logger
}

// NewGate makes one that takes lists of so many octets.
func NewGate(a *admin.Service, maxList int64, log zerolog.Logger) *Gate {
	return &Gate{app: a, maxList: maxList, streams: newStreams(), log: log}
}

// Actor finds out who asks: by token if one is sent, else by session.
func (g *Gate) Actor(r *http.Request) (access.Actor, error) {
	from := access.AddressOf(ClientAddr(r))
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return access.Actor{}, access.Unauthorized()
		}
		return g.app.Sessions.TokenActor(r.Context(), from, store.Secret(strings.TrimSpace(secret)))
	}
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return access.Actor{}, access.Unauthorized()
	}
	return g.app.Sessions.SessionActor(r.Context(), from, store.Secret(cookie.Value))
}

// SignIn gives a browser the session of who has just logged in, and ends those that
// it brings along: somebody else may know them.
func (g *Gate) SignIn(w http.ResponseWriter, r *http.Request, secret store.Secret) {
	for _, name := range []string{plainCookie, secureCookie} {
		for _, cookie := range r.CookiesNamed(name) {
			if err := g.app.Sessions.EndSession(r.Context(), store.DigestOf(store.Secret(cookie.Value))); err != nil {
				g.log.Warn().Err(err).Msg("cannot end a session")
			}
		}
	}
	setSession(w, r, secret)
}

// cookieName is the name of the session's cookie over this connection.
func cookieName(r *http.Request) string {
	if Secure(r) {
		return secureCookie
	}
	return plainCookie
}

// setSession gives the browser its session's secret.
func setSession(w http.ResponseWriter, r *http.Request, secret store.Secret) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: secret.Reveal(), Path: "/", MaxAge: int(access.SessionLife.Seconds()),
		HttpOnly: true, Secure: Secure(r), SameSite: http.SameSiteLaxMode,
	})
}

// ClearSession makes the browser forget it.
func ClearSession(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Path: "/", MaxAge: -1, HttpOnly: true, Secure: Secure(r), SameSite: http.SameSiteLaxMode})
}
