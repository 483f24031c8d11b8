package server

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"postferry/admin/access"
	"postferry/admin/request"
)

const (
	// maxBody bounds what is sent to everything but uploads. Octets.
	maxBody = 1 << 20

	contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

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
	if public := s.public; public != "" {
		u, err := url.Parse(public)
		if err != nil {
			return nil, err
		}
		if err := c.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, err
		}
	}
	c.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.api.Refuse(w, r, &access.Refusal{Kind: access.KindForbidden, Code: "cross_site", Detail: "This request came from another site and was refused."})
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
		if request.Secure(r) {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// bounded bounds what a request may send and how long everything may take.
// Handlers of uploads and streams set their own bounds over these.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, now, body := http.NewResponseController(w), time.Now(), r.Body
		_ = control.SetReadDeadline(now.Add(request.BodyBound)) // a test's recorder has none
		_ = control.SetWriteDeadline(now.Add(request.AnswerBound))
		next.ServeHTTP(w, r)
		if o, ok := w.(*observed); ok && o.status >= http.StatusBadRequest {
			hearOut(control, body)
		}
	})
}

const (
	// hearMost and hearLong bound what is read of a body that was refused before its end.
	hearMost = 256 << 20 // octets
	hearLong = 10 * time.Second
)

// hearOut sends the answer and reads on what is still sent: many clients read no answer before they have
// sent everything, and closing the connection before that would lose it.
func hearOut(control *http.ResponseController, body io.Reader) {
	if control.Flush() != nil || control.SetReadDeadline(time.Now().Add(hearLong)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, body, hearMost) // who has gone by then reads no answer
}

// logged logs requests, without their queries: these may hold a link's code.
// A handler that panics is logged with where it did, and answered.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		out := &observed{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.log.Error().Str("path", r.URL.Path).Interface("panic", p).Bytes("stack", debug.Stack()).Msg("a request failed inside Postferry")
				if out.status == 0 {
					s.api.Refuse(out, r, errPanic)
				}
			}
			took := time.Since(start)
			s.api.Observe(r.Pattern, r.Method, out.status, took)
			s.log.Debug().Str("method", r.Method).Str("path", r.URL.Path).Int("status", out.status).Dur("took", took).
				Str("from", access.AddressOf(request.ClientAddr(r))).Msg("request")
		}()
		next.ServeHTTP(out, r)
	})
}

// errPanic stands for a handler that panicked.
var errPanic = errors.New("a handler panicked")

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
