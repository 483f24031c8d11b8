package clouds

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hour is how long an access token is good for unless something else is said.
const hour = time.Hour

// grant is what a token stands for.
type grant struct {
	app      string // client id, or the service account's address
	user     string // whose mailbox; "" for an application by itself
	audience string // the resource that takes it
	scopes   []string
	ends     time.Time
}

// may reports whether the grant has a scope or role.
func (g grant) may(scope string) bool {
	return slices.ContainsFunc(g.scopes, func(s string) bool { return strings.EqualFold(s, scope) })
}

// desk is what both services keep: what was handed out, and what goes wrong. The zero value
// is ready for use.
type desk struct {
	mu      sync.Mutex
	access  map[string]grant
	refresh map[string]grant
	spent   map[string]grant // refresh tokens that were good for once, and have been used
	reused  int              // how often one of those was sent again
	codes   map[string]code
	devices map[string]*device // by device code
	issued  int
	busy    int           // requests that are still to be refused
	wait    time.Duration // and for how long
	down    bool
}

// Throttle has the next requests refused with 429 (RFC 6585 section 4) and Retry-After.
func (d *desk) Throttle(requests int, wait time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.busy, d.wait = requests, wait
}

// SetDown has all requests refused with 503, or no longer.
func (d *desk) SetDown(down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.down = down
}

// Issued is how many access tokens were handed out.
func (d *desk) Issued() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.issued
}

// Revoke makes all tokens of a person, or of an application by its id, worthless.
func (d *desk) Revoke(whose string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end(func(g grant) bool { return strings.EqualFold(g.user, whose) || g.app == whose })
}

// EndAccess makes all access tokens worthless, as an hour does.
func (d *desk) EndAccess() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.access)
}

// revokeToken forgets one token and what came of it; false if there is none.
func (d *desk) revokeToken(token string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, refresh := d.refresh[token]
	_, access := d.access[token]
	delete(d.refresh, token)
	delete(d.access, token)
	if refresh {
		for t, other := range d.access {
			if other.app == g.app && other.user == g.user {
				delete(d.access, t)
			}
		}
	}
	return refresh || access
}

// serve answers at the path that is asked for, or with busy if there is trouble.
func (d *desk) serve(w http.ResponseWriter, r *http.Request, busy any, at map[string]http.HandlerFunc) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
	if d.turnedAway(w, busy) {
		return
	}
	answer, ok := at[r.URL.Path]
	if !ok {
		answer = http.NotFound
	}
	answer(w, r)
}

// turnedAway refuses a request if there is trouble, and reports whether it did.
func (d *desk) turnedAway(w http.ResponseWriter, body any) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.down:
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
		return true
	case d.busy > 0:
		d.busy--
		w.Header().Set("Retry-After", strconv.Itoa(int((d.wait+time.Second-1)/time.Second)))
		writeJSON(w, http.StatusTooManyRequests, body)
		return true
	}
	return false
}

// hand gives out an access token with a name that nobody guesses, or one that says more.
func (d *desk) hand(g grant, token string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.access == nil {
		d.access = map[string]grant{}
	}
	d.access[token] = g
	d.issued++
	return token
}

// handRefresh gives out a refresh token.
func (d *desk) handRefresh(g grant) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refresh == nil {
		d.refresh = map[string]grant{}
	}
	token := "refresh-" + random()
	d.refresh[token] = g
	return token
}

// refreshed finds what a refresh token stands for; once takes it away. Whoever sends one again that was taken away may
// have stolen it, and so may whoever has what it was exchanged for: all that the person had agreed to with the application
// comes to an end (RFC 9700 section 4.14.2).
func (d *desk) refreshed(token string, once bool) (grant, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.refresh[token]
	if was, used := d.spent[token]; used {
		d.reused++
		d.end(func(g grant) bool { return g.app == was.app && g.user == was.user })
	}
	if ok && once {
		delete(d.refresh, token)
		if d.spent == nil {
			d.spent = map[string]grant{}
		}
		d.spent[token] = g
	}
	return g, ok
}

// Reused is how often a refresh token was sent again that had been used.
func (d *desk) Reused() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reused
}

// end makes tokens worthless. The caller holds the lock.
func (d *desk) end(which func(grant) bool) {
	for _, tokens := range []map[string]grant{d.access, d.refresh} {
		maps.DeleteFunc(tokens, func(_ string, g grant) bool { return which(g) })
	}
}

// known finds what an access token stands for.
func (d *desk) known(token string, now time.Time) (g grant, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok = d.access[token]
	return g, ok && now.Before(g.ends)
}

// bearer is the token of a request (RFC 6750 section 2.1).
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}

// introspect tells a mail server what a token is (RFC 7662). A token of an application by
// itself has no user name: it may be for any mailbox.
func (d *desk) introspect(w http.ResponseWriter, r *http.Request, now time.Time) {
	token := r.FormValue("token")
	if token == "" {
		token = bearer(r)
	}
	g, ok := d.known(token, now)
	if !ok {
		writeJSON(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"active": true, "client_id": g.app, "username": g.user, "email": g.user,
		"scope": strings.Join(g.scopes, " "), "aud": g.audience, "exp": g.ends.Unix()})
}

// challengeOf is the S256 challenge of a verifier (RFC 7636 section 4.2).
func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// random is a string that nobody guesses.
func random() string { return rand.Text() }

// base is how the request reached us.
func base(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever hangs up doesn't want it
}
