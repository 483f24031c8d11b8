package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/api"
	"postferry/admin/board"
	"postferry/admin/ferrytest"
	"postferry/admin/finishing"
	"postferry/admin/transfers"
	"postferry/admin/web"
	"postferry/config"
	"postferry/discover"
	"postferry/internal/lab/inmemory"
	"postferry/report"
	"postferry/store"
	"postferry/store/bolt"
)

// page is a running server with a state of its own and an engine that is none.
type page struct {
	*Server
	t         *testing.T
	store     store.Store
	ferry     *ferrytest.Ferry
	directory *config.Directory
	log       *syncBuffer
	answers   *syncBuffer        // all that was answered to callers
	asked     func(path string)  // of each request to a provider; nil for nobody
	dir       string             // of the state
	wire      *inmemory.Listener // what is listened on in a bubble; else nil
	stop      func()             // ends the newest server
}

// syncBuffer is a log that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// loaded are the pages, which are read once for all tests: that takes longer than most of them.
var loaded = sync.OnceValues(func() (*web.Pages, error) { return web.Load("test") })

// startPage serves until the test ends. The domains a.example and b.example
// are set up. The test runs beside others: most of its time goes into waiting
// for the disk.
func startPage(t *testing.T, change ...func(*Options)) *page {
	t.Helper()
	t.Parallel()
	return newPage(t, nil, change...)
}

// newPage is startPage with connections in memory, unless that is nil.
func newPage(t *testing.T, wire *inmemory.Listener, change ...func(*Options)) *page {
	t.Helper()
	p := &page{t: t, wire: wire, dir: t.TempDir(), directory: config.NewDirectory(nil), log: &syncBuffer{}, answers: &syncBuffer{}}
	st, err := bolt.Open(p.dir, bolt.Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	p.store, p.ferry = st, ferrytest.New(st)
	for _, name := range []string{"a.example", "b.example"} {
		p.addDomain(name, "old."+name)
	}
	p.serve(change...)
	return p
}

// keepDomain keeps a domain, and has everybody know it.
func (p *page) keepDomain(d store.Domain) {
	p.t.Helper()
	known, err := admin.DomainOf(d)
	if err == nil {
		err = p.store.PutDomain(p.t.Context(), d)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	p.directory.Put(known)
}

// serve starts the server on the page's state, and stops it when the test ends.
func (p *page) serve(change ...func(*Options)) {
	p.t.Helper()
	cfg := config.Default()
	cfg.Directory, cfg.Admin = p.directory, config.Admin{Listen: "127.0.0.1:0", New: "imaps://new.example"}
	opt := Options{Config: &cfg, Store: p.store, Ferry: p.ferry, Finder: &discover.Finder{Dial: offline, Bound: time.Second},
		Log: zerolog.New(p.log).Level(zerolog.DebugLevel), Version: "test", hashing: access.Hashing{Memory: 64, Rounds: 1}} // tests need no slow hash
	opt.Endings, opt.Poster = finishing.Endings{Engine: fakeEngine{store: p.store}}, fakePoster{}
	pages, err := loaded()
	if err != nil {
		p.t.Fatal(err)
	}
	opt.pages = pages
	for _, fn := range change {
		fn(&opt)
	}
	s, err := New(opt)
	if err != nil {
		p.t.Fatal(err)
	}
	if p.wire != nil {
		s.Close()
		p.wire = inmemory.NewListener()
		s.listener = p.wire
	}
	p.Server = s
	ctx, cancel := context.WithCancel(p.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			p.t.Errorf("Serve: %v", err)
		}
	})
	p.t.Cleanup(p.stop)
}

// offline is a network that reaches nothing: no test asks the world.
func offline(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no network") }

// caller is a browser or a program that talks to the page.
type caller struct {
	t      *testing.T
	url    string
	client *http.Client
	token  store.Secret
	seen   io.Writer // gets what was answered
}

// browser is a caller with cookies of its own.
func (p *page) browser() *caller {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	transport := &http.Transport{ExpectContinueTimeout: time.Minute}
	if p.wire != nil {
		transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			return p.wire.DialContext(ctx, network, addr)
		}
	}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &caller{t: p.t, seen: p.answers, url: p.URL(), client: &http.Client{Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// program is a caller with a token of a scope.
func (p *page) program(scope string) *caller {
	p.t.Helper()
	_, secret, err := p.app.Access.CreateToken(p.t.Context(), access.CommandLine(), "test", scope)
	if err != nil {
		p.t.Fatal(err)
	}
	c := p.browser()
	c.token = secret
	return c
}

// admin is a browser that an administrator has logged in with.
func (p *page) admin(name, scope string) *caller {
	p.t.Helper()
	if _, err := p.app.Access.PutAdmin(p.t.Context(), access.CommandLine(), name, scope, testPassword); err != nil {
		p.t.Fatal(err)
	}
	c := p.browser()
	c.want(200, "POST", "/api/v1/login", map[string]string{"name": name, "password": testPassword}, nil)
	return c
}

// apiPath is where the API is.
const apiPath = "/api/v1"

// routed is an operation of the API that is answered.
type routed struct {
	method, path string
	open         bool
}

// operations are all of them.
func (p *page) operations() []routed { return routedBy(p.api) }

func routedBy(a *api.API) (all []routed) {
	for _, rt := range a.Routes() {
		if method, path, ok := strings.Cut(rt.Pattern, " "); ok && strings.HasPrefix(path, apiPath) {
			all = append(all, routed{method, path, rt.Open})
		}
	}
	return all
}

// identity is who the API takes a caller for.
type identity struct{ Who, Domain string }

// changed makes the next look at a domain read it anew.
func (p *page) changed(domain string) {
	p.t.Helper()
	if err := p.Corrected(p.t.Context(), []store.Account{{Domain: domain}}); err != nil {
		p.t.Fatal(err)
	}
}

// waitingLists is how many uploaded lists wait in the server's memory.
func (p *page) waitingLists() (n int) {
	p.t.Helper()
	got := p.program("").want(200, "GET", "/metrics", nil, nil)
	_, figure, found := strings.Cut(got.text, "\npostferry_waiting_lists ")
	if _, err := fmt.Sscan(figure, &n); !found || err != nil {
		p.t.Fatalf("the metrics lack the lists: %v\n%s", err, got.text)
	}
	return n
}

// storedDomain is a domain that was set up on the page; nil if there is none of that name.
func (p *page) storedDomain(name string) (*store.Domain, error) {
	all, err := p.store.Domains(p.t.Context())
	for i := range all {
		if all[i].Name == name {
			return &all[i], err
		}
	}
	return nil, err
}

const testPassword = "correct horse battery"

// put adds accounts to a domain, and returns their IDs.
func (p *page) put(domain string, logins ...string) []store.AccountID {
	p.t.Helper()
	in := make([]admin.AccountInput, len(logins))
	for i, login := range logins {
		in[i] = admin.AccountInput{Login: login, Password: "old " + store.Secret(login), NewPassword: "new " + store.Secret(login)}
	}
	result, err := p.app.Accounts.Add(p.t.Context(), access.CommandLine(), domain, in)
	if err != nil {
		p.t.Fatal(err)
	}
	return result.IDs
}

// reply is an answer that was read to its end.
type reply struct {
	*http.Response
	text string
}

// do sends a request. A body that is no string is sent as JSON.
func (c *caller) do(method, path string, body any, header ...string) reply {
	c.t.Helper()
	var r io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case string:
		r, kind = strings.NewReader(b), "text/plain"
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		r, kind = bytes.NewReader(text), "application/json"
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, r)
	if err != nil {
		c.t.Fatal(err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := c.client.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Header.Write(c.seen)
	c.seen.Write(text)
	checkContract(c.t, req, body, resp, text)
	return reply{resp, string(text)}
}

// want sends a request whose answer must have a status, and decodes it into
// out, if that is not nil.
func (c *caller) want(status int, method, path string, body, out any, header ...string) reply {
	c.t.Helper()
	got := c.do(method, path, body, header...)
	if got.StatusCode != status {
		c.t.Fatalf("%s %s: %s, want %d\n%s", method, path, got.Status, status, got.text)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(got.text), out); err != nil {
			c.t.Fatalf("%s %s: %v\n%s", method, path, err, got.text)
		}
	}
	return got
}

// TestFirstWay goes from the link in the log to accounts that are copied.
func TestFirstWay(t *testing.T) {
	p := startPage(t)
	c := p.browser()
	c.want(401, "GET", "/api/v1/me", nil, nil)
	_, code, found := strings.Cut(logged(p.log.String(), "open"), "/welcome?code=")
	if !found {
		t.Fatalf("no link in the log:\n%s", p.log)
	}
	var me identity
	c.want(201, "POST", "/api/v1/welcome", map[string]string{"code": code, "name": "anna", "password": testPassword}, &me)
	if me.Who != "anna" || me.Domain != "" {
		t.Errorf("welcomed as %+v", me)
	}
	p.browser().want(403, "POST", "/api/v1/welcome", map[string]string{"code": code, "name": "eve", "password": testPassword}, nil)

	var list admin.ListView
	c.want(201, "POST", "/api/v1/domains/a.example/lists", "one@a.example pw\ntwo@a.example pw\n", &list)
	if list.Accounts != 2 || len(list.Mistakes) != 0 || list.Known != 0 {
		t.Errorf("list %+v", list)
	}
	var result admin.Added
	c.want(200, "POST", "/api/v1/domains/a.example/accounts", map[string]any{"list": list.ID}, &result)
	if result.Added != 2 || result.Updated != 0 {
		t.Errorf("added %+v", result)
	}
	var accounts board.AccountPage
	c.want(200, "GET", "/api/v1/domains/a.example/accounts", nil, &accounts)
	if accounts.Total != 2 || accounts.Accounts[0].Login != "one@a.example" || accounts.Accounts[0].State != report.StateWaiting {
		t.Errorf("accounts %+v", accounts)
	}
	var begun transfers.Affected
	c.want(200, "POST", "/api/v1/domains/a.example/begin", map[string]any{"all": true}, &begun)
	c.want(200, "GET", "/api/v1/domains/a.example/accounts?state=queued", nil, &accounts)
	if begun.Accounts != 2 || begun.Run == 0 || accounts.Total != 2 {
		t.Errorf("begun %+v, then %+v", begun, accounts)
	}
	c.want(204, "POST", "/api/v1/logout", nil, nil)
	c.want(401, "GET", "/api/v1/me", nil, nil)
}

// logged is a field of the first log line that has it.
func logged(log, field string) string {
	for _, line := range strings.Split(log, "\n") {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil {
			if v, ok := fields[field].(string); ok {
				return v
			}
		}
	}
	return ""
}
