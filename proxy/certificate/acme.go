package certificate

import (
	"context"
	"crypto/tls"
	stdlog "log"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"postferry/config"
)

const (
	// acmeDir is where certificates and the account's key are kept, in the state directory.
	acmeDir = "acme"
	// acmePatience is how long a client waits for a certificate that is got for it.
	acmePatience = 10 * time.Second
	// acmeFirst bounds getting all certificates when the server starts.
	acmeFirst = 5 * time.Minute
)

// issued are certificates that are got by themselves (RFC 8555). They are renewed in time.
type issued struct {
	manager *autocert.Manager
	hosts   []string
	others  *files       // while there is none
	answers net.Listener // where the authority looks
	log     zerolog.Logger
	jobs    sync.WaitGroup // what asks the authority
	life    context.Context
	end     context.CancelFunc

	mu   sync.Mutex
	told time.Time // when the log was last told that there is none
}

// newIssued is what gets the certificates of cfg; the authority looks at what answers listens on.
func newIssued(cfg *config.Config, answers net.Listener, others *files, log zerolog.Logger) *issued {
	a := cfg.Proxy.ACME
	life, end := context.WithCancel(context.Background())
	return &issued{
		life: life, end: end, hosts: a.Hosts, others: others, answers: answers, log: log,
		manager: &autocert.Manager{
			Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(cfg.State, acmeDir)), Email: a.Email,
			HostPolicy: autocert.HostWhitelist(a.Hosts...), Client: &acme.Client{DirectoryURL: a.Directory, HTTPClient: &http.Client{Transport: endingWith{life}}},
		},
	}
}

// get implements tls.Config.GetCertificate. Clients that name no host, or another one, are
// shown the first one's; as long as there is none, what there would be without ACME.
func (i *issued) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	asked := *hello
	if asked.ServerName = strings.TrimSuffix(strings.ToLower(hello.ServerName), "."); !slices.Contains(i.hosts, asked.ServerName) {
		asked.ServerName = i.hosts[0]
	}
	got := i.ask(&asked)
	patience := time.NewTimer(acmePatience)
	defer patience.Stop()
	err := context.DeadlineExceeded
	select {
	case a := <-got:
		if a.err == nil {
			return a.cert, nil
		}
		err = a.err
	case <-patience.C:
	}
	i.tell(asked.ServerName, err)
	return i.others.get(hello)
}

// given is what the manager has made of a question for a certificate.
type given struct {
	cert *tls.Certificate
	err  error
}

// ask asks for a certificate.
func (i *issued) ask(hello *tls.ClientHelloInfo) <-chan given {
	got := make(chan given, 1)
	i.jobs.Go(func() {
		cert, err := i.manager.GetCertificate(hello)
		got <- given{cert, err}
	})
	return got
}

// endingWith lets requests end with a context.
type endingWith struct{ life context.Context }

func (e endingWith) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(req.Context())
	context.AfterFunc(e.life, cancel) // the answer is read after this returned; requests are few
	return http.DefaultTransport.RoundTrip(req.WithContext(ctx))
}

// close ends it, and what it listens on.
func (i *issued) close() {
	i.end()
	i.answers.Close()
}

// tell says in the log that there is no certificate, once a minute. Whoever waited for an attempt that failed
// is told only that there is none; the attempt itself is told why.
func (i *issued) tell(host string, err error) {
	if strings.HasSuffix(err.Error(), "missing certificate") {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if now := time.Now(); now.Sub(i.told) > time.Minute {
		i.told = now
		i.log.Error().Err(err).Str("host", host).Msg("no certificate could be got by ACME; clients are shown another one")
	}
}

// serve answers the authority until ctx ends, and gets all certificates at first.
func (i *issued) serve(ctx context.Context) {
	server := &http.Server{
		Handler: i.manager.HTTPHandler(http.NotFoundHandler()), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10, ErrorLog: stdlog.New(i.log.Level(zerolog.DebugLevel), "", 0),
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(i.answers) }) // ends with Close
	wg.Go(func() { i.getAll(ctx) })
	<-ctx.Done()
	i.end()
	_ = server.Close()
	wg.Wait()
	i.jobs.Wait()
}

// getAll gets a certificate for each host, so that no client has to wait for one.
func (i *issued) getAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, acmeFirst)
	defer cancel()
	for _, host := range i.hosts {
		select {
		case got := <-i.ask(ours(host)):
			if got.err != nil {
				i.tell(host, got.err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// ours is what a client says that can do what all can.
func ours(host string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.CurveP256},
	}
}
