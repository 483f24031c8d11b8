package server

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	stdlog "log"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/api"
	"postferry/admin/finishing"
	"postferry/admin/request"
	"postferry/admin/web"
	"postferry/config"
	"postferry/discover"
	"postferry/store"
)

const (
	// maxConnections bounds the browsers and programs connected at a time,
	// event streams included.
	maxConnections = 2048
	maxHeader      = 32 << 10 // octets
	idleTimeout    = 2 * time.Minute
	// drain bounds how long requests under way may go on when the server ends.
	drain = 5 * time.Second
)

// Options are what a Server needs.
type Options struct {
	Config  *config.Config
	Store   admin.Store
	Ferry   admin.Ferry
	Finder  *discover.Finder
	Log     zerolog.Logger
	Version string
	// Certificate is what TLS is served with. Without it the page is served in
	// plain text, which is for a loopback address or a reverse proxy only.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	Endings     finishing.Endings
	// Tokens are those that the engine signs in with; nil for none.
	Tokens admin.Tokens
	// Poster sends tests to webhooks; nil where nothing is posted.
	Poster admin.Poster
	// Metrics are figures of others that /metrics shows as well.
	Metrics []prometheus.Collector

	hashing access.Hashing
	maxList int64      // octets of an uploaded list; 0 for what is usual
	pages   *web.Pages // nil to load them
}

// Server serves page and API.
type Server struct {
	app      *admin.Service
	api      *api.API
	site     *web.Site
	listener net.Listener
	http     *http.Server
	log      zerolog.Logger
	public   string // admin.public_url
	url      string // where the page is reached, without a slash at the end
}

// New listens on the configured address. Nothing is answered before Serve.
func New(opt Options) (*Server, error) {
	l, err := net.Listen("tcp", opt.Config.Admin.Listen)
	if err != nil {
		return nil, fmt.Errorf("the import page cannot listen on %s: %w", opt.Config.Admin.Listen, err)
	}
	secure := opt.Certificate != nil
	s := &Server{log: opt.Log, public: opt.Config.Admin.PublicURL, url: pageURL(opt.Config.Admin.PublicURL, l.Addr(), secure)}
	s.listener = netutil.LimitListener(newFairListener(l, maxConnectionsEach), maxConnections)
	if secure {
		s.listener = tls.NewListener(s.listener, &tls.Config{
			GetCertificate: opt.Certificate, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
	}
	handler, err := s.compose(opt)
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s.http = &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: request.HeaderBound,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          stdlog.New(opt.Log.With().Str("part", "page").Logger().Level(zerolog.DebugLevel), "", 0),
	}
	return s, nil
}

// compose puts use cases, API and pages together.
func (s *Server) compose(opt Options) (http.Handler, error) {
	s.app = admin.New(admin.Options{Config: opt.Config, Store: opt.Store, Ferry: opt.Ferry, Finder: opt.Finder, Log: opt.Log, Hashing: opt.hashing, Endings: opt.Endings, Tokens: opt.Tokens, Languages: web.Languages, Poster: opt.Poster})
	g := request.NewGate(s.app, cmp.Or(opt.maxList, request.MaxList), opt.Log)
	s.api = api.New(s.app, g, opt.Log, opt.Version, opt.Metrics...)
	if opt.pages == nil {
		var err error
		if opt.pages, err = web.Load(opt.Version); err != nil {
			return nil, err
		}
	}
	s.site = web.New(s.app, g, opt.Log, opt.pages)
	mux := http.NewServeMux()
	for _, rt := range slices.Concat(s.api.Routes(), s.site.Routes()) {
		if rt.Upload {
			mux.Handle(rt.Pattern, rt.Handler)
		} else {
			mux.Handle(rt.Pattern, http.MaxBytesHandler(rt.Handler, maxBody))
		}
	}
	return s.wrap(mux)
}

// pageURL is where the page is reached, without a slash at the end.
func pageURL(public string, addr net.Addr, secure bool) string {
	if public != "" {
		return strings.TrimSuffix(public, "/")
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	return scheme + net.JoinHostPort(host, port)
}

// Addr is the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is where the page is reached, without a slash at the end.
func (s *Server) URL() string { return s.url }

// Serve answers until ctx ends and requests under way have, for a few seconds,
// had the chance to. As long as there is no administrator it begins with
// logging a one-time link.
func (s *Server) Serve(ctx context.Context) error {
	if err := s.announce(ctx); err != nil {
		return errors.Join(s.Close(), unlessEnded(ctx, err))
	}
	all, ctx := errgroup.WithContext(ctx)
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	all.Go(func() error { return s.app.Run(ctx) })
	all.Go(func() error {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("the import page: %w", err)
		}
		return nil
	})
	all.Go(func() error {
		<-ctx.Done()
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
		defer cancel()
		if s.http.Shutdown(bound) != nil {
			s.http.Close()
		}
		return nil
	})
	return all.Wait()
}

// unlessEnded is nil for an error that only says that ctx has ended.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// Close lets go of the address. It is for a server that is not served any more.
func (s *Server) Close() error {
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// announce logs where the page is, and how the first administrator gets in.
func (s *Server) announce(ctx context.Context) error {
	s.log.Info().Str("url", s.url).Msg("the import page is ready")
	code, err := s.app.Sessions.FirstCode(ctx)
	if err != nil {
		return err
	}
	if code != "" {
		s.log.Info().Str("open", s.linkTo(code)).Msg("no administrator yet: open this link once, within 24 hours, to become the first one")
	}
	if loopback(s.Addr()) && s.public == "" {
		s.log.Info().Msg("the import page is for this machine only; to reach it from elsewhere, use a reverse proxy with TLS and set admin.public_url, " +
			"or set admin.listen to another address with admin.cert and admin.key")
	}
	return nil
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// NewLink makes a one-time link with which somebody becomes an administrator of
// everything, and makes the one before void. It is for the operator's eyes.
func (s *Server) NewLink(ctx context.Context) (link string, err error) {
	code, err := s.app.Sessions.NewCode(ctx)
	if err != nil {
		return "", err
	}
	return s.linkTo(code), nil
}

// linkTo is the address of the page on which a code is used.
func (s *Server) linkTo(code store.Secret) string { return s.url + "/welcome?code=" + code.Reveal() }

// Operator works on a server's store and tells the server: what is in its memory of
// somebody who is removed goes, too.
func (s *Server) Operator() *admin.Operator { return s.app.Operator() }

// Corrected hears of accounts that were given new logins or passwords elsewhere, before
// the engine does. It waits until Serve is under way.
func (s *Server) Corrected(ctx context.Context, accounts []store.Account) error {
	return s.app.Accounts.Corrected(ctx, accounts)
}
