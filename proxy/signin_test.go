package proxy

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"

	"postferry/config"
	"postferry/internal/lab/inmemory"
	"postferry/store"
)

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestClaims(t *testing.T) {
	for _, tt := range []struct {
		mechanism, response string
		want                claim
		ok                  bool
	}{
		{sasl.Plain, "\x00anna\x00pw", claim{login: "anna", secret: "pw"}, true},
		{sasl.Plain, "anna\x00anna\x00pw", claim{login: "anna", secret: "pw"}, true},
		{sasl.Plain, "anna\x00boss\x00pw", claim{login: "anna", secret: "pw", master: "boss"}, true},
		{sasl.Plain, "anna", claim{}, false},
		{"XOAUTH2", "user=anna\x01auth=Bearer t0k\x01\x01", claim{login: "anna", secret: "t0k", mechanism: "XOAUTH2"}, true},
		{"XOAUTH2", "user=anna\x01auth=bearer t0k\x01\x01", claim{login: "anna", secret: "t0k", mechanism: "XOAUTH2"}, true},
		{"XOAUTH2", "user=anna\x01auth=Basic t0k\x01\x01", claim{}, false},
		{"XOAUTH2", "user=anna\x01auth=Bearer \x01\x01", claim{}, false},
		{"XOAUTH2", "anna\x01auth=Bearer t0k\x01\x01", claim{}, false},
		{"XOAUTH2", "user=anna", claim{}, false},
		{sasl.OAuthBearer, "n,a=anna@example.com,\x01host=h\x01port=993\x01auth=Bearer t0k\x01\x01", claim{login: "anna@example.com", secret: "t0k", mechanism: "OAUTHBEARER"}, true},
		{sasl.OAuthBearer, "y,a=a=2Cb=3Dc,\x01auth=Bearer t0k\x01\x01", claim{login: "a,b=c", secret: "t0k", mechanism: "OAUTHBEARER"}, true},
		{sasl.OAuthBearer, "n,,\x01auth=Bearer t0k\x01\x01", claim{secret: "t0k", mechanism: "OAUTHBEARER"}, true},
		{sasl.OAuthBearer, "p=tls-unique,a=x,\x01auth=Bearer t0k\x01\x01", claim{}, false},
		{sasl.OAuthBearer, "n,anna,\x01auth=Bearer t0k\x01\x01", claim{}, false},
		{sasl.OAuthBearer, "n,a=anna,\x01host=h\x01\x01", claim{}, false},
		{sasl.OAuthBearer, "\x01", claim{}, false},
	} {
		got, err := claimOf(tt.mechanism, b64(tt.response))
		if (err == nil) != tt.ok || got != tt.want {
			t.Errorf("%s %q: %+v, %v", tt.mechanism, tt.response, got, err)
		}
	}
}

// saslServer is a new server that lets in with the responses it knows, and notes what it heard.
type saslServer struct {
	net.Listener
	mu    sync.Mutex
	known []string // decoded responses, or login and password of LOGIN
	heard []string
}

func startSASLServer(t *testing.T, known ...string) *saslServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &saslServer{Listener: l, known: known}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return s
}

func (s *saslServer) serve(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(conn, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 AUTH=OAUTHBEARER] ready\r\n")
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		words := strings.Fields(line)
		if err != nil || len(words) < 2 {
			return
		}
		if words[1] != "AUTHENTICATE" {
			fmt.Fprintf(conn, "%s OK done\r\n", words[0])
			continue
		}
		decoded, _ := base64.StdEncoding.DecodeString(words[3])
		s.mu.Lock()
		s.heard = append(s.heard, words[2]+" "+string(decoded))
		ok := slices.Contains(s.known, string(decoded))
		s.mu.Unlock()
		if ok {
			fmt.Fprintf(conn, "%s OK [CAPABILITY IMAP4rev1 IDLE AUTH=XOAUTH2] in\r\n", words[0])
			continue
		}
		if words[2] != "PLAIN" {
			fmt.Fprintf(conn, "+ %s\r\n", b64(`{"status":"invalid_token"}`))
			if _, err := r.ReadString('\n'); err != nil {
				return
			}
		}
		fmt.Fprintf(conn, "%s NO [AUTHENTICATIONFAILED] no\r\n", words[0])
	}
}

func (s *saslServer) config() config.Server { return insecure(s) }

// annasProxy is a proxy that knows anna, who has another login at the new server, and an account with
// the separator in its login.
func annasProxy(t *testing.T, s *saslServer) *proxyRig {
	return startProxy(t, s.config(), func(p *proxyRig) {
		p.store.accounts[anna] = store.Account{ID: 7, Domain: "example.com", Login: anna, State: store.Active, OldOpens: true,
			Old: store.Credentials{Login: anna, Password: "old"}, New: store.Credentials{Login: "new-anna", Password: "new"}}
		p.store.accounts["odd*one@example.com"] = store.Account{ID: 8, Domain: "example.com", Login: "odd*one@example.com", State: store.Active,
			New: store.Credentials{Login: "odd*one@example.com", Password: "x"}}
	})
}

// TestSignInAtRelay: tokens and master logins are passed on as they are and belong to the account of the
// mailbox; nothing of them is kept.
func TestSignInAtRelay(t *testing.T) {
	const xoauth2, bearer = "user=new-anna\x01auth=Bearer t0ken\x01\x01", "n,a=new-anna,\x01auth=Bearer t0ken\x01\x01"
	for _, tt := range []struct {
		name, says string
		then       string // after a "+"
		passed     string // what the new server is to hear
		known      bool   // and to let in
		account    store.AccountID
	}{
		{"XOAUTH2", "a AUTHENTICATE XOAUTH2 " + b64("user="+anna+"\x01auth=Bearer t0ken\x01\x01"), "", "XOAUTH2 " + xoauth2, true, 7},
		{"XOAUTH2, asked for", "a authenticate xoauth2", b64("user=" + anna + "\x01auth=Bearer t0ken\x01\x01"), "XOAUTH2 " + xoauth2, true, 7},
		{"OAUTHBEARER", "a AUTHENTICATE OAUTHBEARER " + b64("n,a="+anna+",\x01host=x\x01auth=Bearer t0ken\x01\x01"), "", "OAUTHBEARER " + bearer, true, 7},
		{"a token of nobody known", "a AUTHENTICATE XOAUTH2 " + b64("user=eve@example.com\x01auth=Bearer t0ken\x01\x01"), "", "XOAUTH2 user=eve@example.com\x01auth=Bearer t0ken\x01\x01", true, 0},
		{"master by SASL", "a AUTHENTICATE PLAIN " + saslPlain(anna, "boss", "hush"), "", "PLAIN new-anna\x00boss\x00hush", true, 7},
		{"master by a separator", `a LOGIN anna@example.com*boss hush`, "", "PLAIN \x00new-anna*boss\x00hush", true, 7},
		{"master with the old password", `a LOGIN anna@example.com*boss old`, "", "PLAIN \x00new-anna*boss\x00old", true, 7},
		{"master of nobody known", `a LOGIN eve@example.com*boss hush`, "", "PLAIN \x00eve@example.com*boss\x00hush", true, 0},
		{"no master", `a LOGIN odd*one@example.com hush`, "", "PLAIN \x00odd*one@example.com\x00hush", true, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, response, _ := strings.Cut(tt.passed, " ")
			s := startSASLServer(t, response)
			p := annasProxy(t, s)
			before := p.store.accounts[anna]
			c := p.offered(t)
			c.says(tt.says + "\n")
			if tt.then != "" {
				c.hears("+ \n")
				c.says(tt.then + "\n")
			}
			c.hears("a OK [CAPABILITY IMAP4rev1 IDLE] Logged in\n")
			c.Close()
			p.stop()
			if len(s.heard) != 1 || s.heard[0] != tt.passed {
				t.Errorf("the new server heard %q, want %q", s.heard, tt.passed)
			}
			var want []string
			if tt.account == 8 {
				want = append(want, "updated [8]") // its own password is learnt
			}
			if tt.account != 0 {
				want = append(want, fmt.Sprintf("connected %d", tt.account), fmt.Sprintf("disconnected %d", tt.account))
			}
			if got := p.ferry.noted(); !slices.Equal(got, want) {
				t.Errorf("the engine was told %q, want %q", got, want)
			}
			if p.store.accounts[anna] != before {
				t.Errorf("the account is %+v now", p.store.accounts[anna])
			}
			for _, secret := range []string{"t0ken", "hush", b64("t0ken")} {
				if strings.Contains(p.log.String(), secret) {
					t.Errorf("the log has %q", secret)
				}
			}
		})
	}
}

// TestTokenRefusedAtRelay: the client reads what the new server says of its token, as it would there.
func TestTokenRefusedAtRelay(t *testing.T) {
	s := startSASLServer(t)
	p := annasProxy(t, s)
	c := p.offered(t)
	c.says("a AUTHENTICATE OAUTHBEARER " + b64("n,a="+anna+",\x01auth=Bearer t0ken\x01\x01") + "\n")
	c.hears("+ " + b64(`{"status":"invalid_token"}`) + "\n")
	c.says("AQ==\n")
	c.hears("a NO [AUTHENTICATIONFAILED] no\n")
	c.says("b LOGIN anna@example.com*boss hush\n")
	c.hears("b NO [AUTHENTICATIONFAILED] no\n")
	c.says("c NOOP\n")
	c.hears("c OK Done\n")
	if strings.Contains(p.log.String(), "t0ken") {
		t.Error("the token is in the log")
	}
}

// offered is a client that is offered what the new server takes.
func (p *proxyRig) offered(t *testing.T) *peer {
	t.Helper()
	greeting := awaitOffers(t, p)
	c := p.connect(t)
	c.hears(greeting)
	return c
}

// TestOffers: clients are offered what the new server takes, as soon as it was asked.
func TestOffers(t *testing.T) {
	s := startSASLServer(t)
	p := startProxy(t, s.config(), nil)
	want := "* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=PLAIN AUTH=OAUTHBEARER AUTH=XOAUTH2] Postferry ready\r\n"
	if got := awaitOffers(t, p); got != want {
		t.Errorf("got %q", got)
	}
}

// TestNewServersAreAskedAgain: what a new server offers is asked at times, and sooner if it could not be asked.
func TestNewServersAreAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := inmemory.NewListener()
		startFakeServerOn(t, l, nil)
		var asked atomic.Int64
		var down atomic.Bool
		startProxyInMemory(t, l, func(p *proxyRig) {
			p.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				asked.Add(1)
				if down.Load() {
					return nil, errors.New("nobody is there")
				}
				return l.DialContext(ctx, network, addr)
			}
		})
		within := func(d time.Duration, want int64) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if n := asked.Swap(0); n != want {
				t.Errorf("asked %d times within %v; want %d", n, d, want)
			}
		}
		within(0, 1)
		within(lookEvery-time.Second, 0)
		down.Store(true)
		within(2*lookStep, 1)
		within(3*(lookAgain+lookStep), 3)
		down.Store(false)
		within(lookAgain+lookStep, 1)
		within(lookEvery-2*lookStep, 0)
	})
}

// awaitOffers waits until clients are offered to sign in with tokens, and returns the greeting.
func awaitOffers(t *testing.T, p *proxyRig) string {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		c := p.connect(t)
		line, err := c.r.ReadString('\n')
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%q, %v", line, err)
		}
		c.Close()
		if strings.Contains(line, "AUTH=XOAUTH2") {
			return line
		}
	}
}

// A separator that the domain has is the only one.
func TestSeparatorOfDomain(t *testing.T) {
	s := &Server{cfg: &config.Config{Domains: []config.Domain{
		{Name: "a.example", New: config.Server{SignIn: &config.SignIn{Method: config.Master, Separator: "%"}}}, {Name: "b.example", Default: true},
	}}}
	for login, want := range map[string]string{
		"anna@a.example%boss": "anna@a.example", "anna@a.example*boss": "", "anna@b.example*boss": "anna@b.example", "anna*boss": "anna",
		"*boss": "", "anna*": "", "anna": "", "anna@c.example*boss": "", "\xfanna": "",
	} {
		got, _, ok := s.asMaster(claim{login: login, secret: "x"})
		if ok != (want != "") || ok && (got.login != want || got.master != "boss") {
			t.Errorf("%q: %+v, %v", login, got, ok)
		}
	}
	if _, _, ok := s.asMaster(claim{login: "anna*boss", secret: "x", mechanism: "XOAUTH2"}); ok {
		t.Error("a token is no master's")
	}
}

// An account without a password of its own at the new server is not opened with an empty one, whatever
// password somebody gives.
func TestNoEmptyPassword(t *testing.T) {
	a := store.Account{OldOpens: true, Old: store.Credentials{Login: anna, Password: "old"}, New: store.Credentials{Login: anna}}
	for _, given := range []store.Secret{"old", ""} {
		if by := recorded(a, given); by != "" {
			t.Errorf("%q opens by %s", given.Reveal(), by)
		}
	}
}
