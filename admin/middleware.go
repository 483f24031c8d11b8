package admin

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"postferry/store"
)

const (
	// maxBody bounds what is sent to everything but uploads. Octets.
	maxBody = 1 << 20
	// plainCookie and secureCookie name the session's cookie. The prefix makes
	// browsers refuse it from other hosts and without TLS (RFC 6265bis section 4.1.3.2).
	plainCookie  = "postferry"
	secureCookie = "__Host-postferry"

	contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// bounds bound how long the parts of an exchange may take.
type bounds struct {
	header time.Duration // of a request
	body   time.Duration // of a request but for uploads
	upload time.Duration // the body of one
	answer time.Duration // but for streams
	list   int64         // octets of an uploaded list
}

func defaultBounds() bounds {
	return bounds{header: 10 * time.Second, body: 30 * time.Second, upload: 10 * time.Minute, answer: 2 * time.Minute, list: maxList}
}

// wrap is what every request passes, from the outside in.
func (s *Server) wrap(next http.Handler) (http.Handler, error) {
	origin, err := s.crossOrigin()
	if err != nil {
		return nil, err
	}
	return s.logged(headers(s.bounded(origin.Handler(next)))), nil
}

// crossOrigin refuses what other sites make a browser send. Behind a reverse
// proxy that changes the Host header the public URL is what counts.
func (s *Server) crossOrigin() (*http.CrossOriginProtection, error) {
	c := http.NewCrossOriginProtection()
	if public := s.app.public; public != "" {
		u, err := url.Parse(public)
		if err != nil {
			return nil, err
		}
		if err := c.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, err
		}
	}
	c.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, &refusal{status: http.StatusForbidden, Code: "cross_site", Detail: "This request came from another site and was refused."})
	}))
	return c, nil
}

// headers sets what every answer carries.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		h.Set("Cache-Control", "no-store")
		if secure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// bounded bounds what a request may send and how long everything may take.
// Handlers of uploads and streams set their own bounds over these.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, now := http.NewResponseController(w), time.Now()
		_ = control.SetReadDeadline(now.Add(s.bounds.body)) // a test's recorder has none
		_ = control.SetWriteDeadline(now.Add(s.bounds.answer))
		if !isUpload(r) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		next.ServeHTTP(w, r)
	})
}

// logged logs requests, without their queries: these may hold a link's code.
// A handler that panics is logged with where it did, and answered.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.app.now()
		out := &observed{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.log.Error().Str("path", r.URL.Path).Interface("panic", p).Bytes("stack", debug.Stack()).Msg("a request failed inside Postferry")
				if out.status == 0 {
					s.refuse(out, r, asRefusal(errPanic))
				}
			}
			took := s.app.now().Sub(start)
			s.metrics.observe(r.Pattern, r.Method, out.status, took)
			s.log.Debug().Str("method", r.Method).Str("path", r.URL.Path).Int("status", out.status).Dur("took", took).
				Str("from", addressOf(clientAddr(r))).Msg("request")
		}()
		next.ServeHTTP(out, r)
	})
}

// observed remembers the status of an answer.
type observed struct {
	http.ResponseWriter
	status int
}

func (o *observed) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

func (o *observed) Write(b []byte) (int, error) {
	if o.status == 0 {
		o.status = http.StatusOK
	}
	return o.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// secure reports whether the browser reached us by TLS, here or at the
// reverse proxy in front.
func secure(r *http.Request) bool {
	return r.TLS != nil || fromLoopback(r) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
}

func peer(r *http.Request) netip.Addr {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Addr().Unmap()
}

// fromLoopback reports a peer on this machine: the one kind of reverse proxy
// whose headers are believed.
func fromLoopback(r *http.Request) bool { return peer(r).IsLoopback() }

// clientAddr is who a request comes from: the peer, or what a reverse proxy on
// this machine says last.
func clientAddr(r *http.Request) netip.Addr {
	addr := peer(r)
	if !addr.IsLoopback() {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if client, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
		return client.Unmap()
	}
	return addr
}

// cookieName is the name of the session's cookie over this connection.
func cookieName(r *http.Request) string {
	if secure(r) {
		return secureCookie
	}
	return plainCookie
}

// setSession gives the browser its session's secret.
func setSession(w http.ResponseWriter, r *http.Request, secret store.Secret) {
	http.SetCookie(w, &http.Cookie{
		Name: cookieName(r), Value: secret.Reveal(), Path: "/", MaxAge: int(sessionLife.Seconds()),
		HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteLaxMode,
	})
}

// clearSession makes the browser forget it.
func clearSession(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, &http.Cookie{Name: cookieName(r), Path: "/", MaxAge: -1, HttpOnly: true, Secure: secure(r), SameSite: http.SameSiteLaxMode})
}

// actorOf finds out who asks: by token if one is sent, else by session.
func (a *app) actorOf(ctx context.Context, r *http.Request) (actor, error) {
	from := addressOf(clientAddr(r))
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, secret, _ := strings.Cut(header, " ")
		if !strings.EqualFold(scheme, "Bearer") {
			return actor{}, errUnauthorized()
		}
		return a.ofToken(ctx, from, store.Secret(strings.TrimSpace(secret)))
	}
	cookie, err := r.Cookie(cookieName(r))
	if err != nil {
		return actor{}, errUnauthorized()
	}
	return a.ofSession(ctx, from, store.Secret(cookie.Value))
}
