package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"

	"postferry/config"
	"postferry/credential"
	"postferry/internal/demo/clouds"
	"postferry/internal/lab"
	"postferry/store"
)

// provider is a provider of tokens that two mail servers ask about them.
type provider struct {
	*clouds.Google
	url, keyFile string
	away         atomic.Bool // it gives out no tokens
}

// startProvider starts a provider with a service account that may act for logins.
func startProvider(t *testing.T, lifetime time.Duration, logins ...string) *provider {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{Google: &clouds.Google{Domain: "example.com", Lifetime: lifetime, Accounts: []clouds.ServiceAccount{
		{Email: "ferry@project.example", ID: "1", KeyID: "k1", Key: key, Delegated: []string{clouds.ScopeMail}},
	}}}
	for _, login := range logins {
		p.People = append(p.People, clouds.Mailbox{Address: login})
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(p.Ahead).UTC().Format(http.TimeFormat))
		if p.away.Load() && r.URL.Path == "/token" {
			http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
			return
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	p.url, p.keyFile = server.URL, filepath.Join(t.TempDir(), "key.json")
	file, err := p.Accounts[0].KeyFile(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, p.keyFile, string(file))
	return p
}

// startTokenPair starts two servers that take the provider's tokens. Postferry is told no password.
func startTokenPair(t *testing.T, p *provider, logins ...string) *pair {
	t.Helper()
	var users []lab.User
	for _, login := range logins {
		users = append(users, lab.User{Login: login, Password: odd})
	}
	ca := lab.NewCA(t)
	pp := &pair{t: t, ca: ca, newCA: true}
	introspect := p.url + "/introspect"
	pp.old = lab.StartDovecot(t, lab.DovecotOptions{Separator: ".", Prefix: "INBOX.", Users: users, CA: ca, Introspection: introspect})
	pp.new = lab.StartDovecot(t, lab.DovecotOptions{Format: "sdbox", Users: users, CA: ca, AutoCreate: true, Introspection: introspect})
	pp.oldURL, pp.newURL = pp.old.Insecure().String(), pp.new.ImplicitTLS().String()
	pp.more = fmt.Sprintf("[domain.old_sign_in]\nmethod = 'google'\nkey_file = %q\n[domain.new_sign_in]\nmethod = 'google'\nkey_file = %[1]q\n", p.keyFile)
	return pp
}

// tokensVariable says how many messages TestTokens copies, by tokens that last for 20 s, and that slowly.
const tokensVariable = "POSTFERRY_TEST_TOKENS"

// tokenTrial is how large TestTokens is and what happens in it.
type tokenTrial struct {
	messages, rate int           // of both accounts; copied in a second, 0 for as many as can be
	lifetime       time.Duration // of a token
	line           func(conn int) lab.Plan
	tick, poll     time.Duration // from one accident to the next; between two looks
	patience       time.Duration
	accident       func(tick int) accident
}

// inbox is how many of the messages each inbox has.
func (x tokenTrial) inbox() int { return x.messages * 2 / 5 }

// accident is what happens at a tick: the servers end all connections, as they do when tokens end; all tokens
// are revoked; the provider gives out none until the next tick.
type accident struct{ cut, revoke, away bool }

func tokenTrialOf(t *testing.T) tokenTrial {
	t.Helper()
	text := os.Getenv(tokensVariable)
	if text == "" {
		return tokenTrial{
			messages: 500, lifetime: 3 * time.Second, tick: 700 * time.Millisecond, poll: 100 * time.Millisecond, patience: patience,
			line: func(conn int) lab.Plan {
				if conn > 8 {
					return lab.Plan{}
				}
				return lab.Plan{ToClient: lab.Fault{Kind: lab.Cut, At: int64(80_000 + conn%3*50_000)}}
			},
			// Not so often that on a busy machine tokens are revoked again and again before they are used: that is for a person.
			accident: func(tick int) accident {
				return accident{revoke: tick < 10 && tick%3 == 0, away: tick < 10 && tick%4 == 1}
			},
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 500 || n%20 != 0 {
		t.Fatalf("%s=%q is no number of messages from 500 on that 20 divides", tokensVariable, text)
	}
	const rate = 25
	return tokenTrial{
		messages: n, rate: rate, lifetime: 20 * time.Second, tick: 20 * time.Second, poll: 250 * time.Millisecond,
		patience: 5*time.Minute + 2*time.Duration(n/rate)*time.Second,
		// The provider is away for a minute, and all tokens are revoked meanwhile, too.
		accident: func(tick int) accident { return accident{cut: true, revoke: tick%4 == 1, away: tick >= 3 && tick < 6} },
	}
}

// tokenMove is a move by tokens while accidents happen.
type tokenMove struct {
	*pair
	tokenTrial
	d        *testDaemon
	provider *provider
	from, to *lab.Faulty // lines to the old and to the new server

	cut, revoked, away int
	signIns            int            // of the visit
	troubles           map[string]int // of accounts, by looks at them
}

// TestTokens moves two accounts by tokens that last for seconds, through a line that breaks, while
// all tokens are revoked at times, the provider is away at times, and its clock is ten minutes behind.
// Nothing fails for good, nothing is doubled, and nothing secret is logged. "make tokens" does it with
// 5,000 messages, the provider is away for a minute then, and the lines to both servers break.
func TestTokens(t *testing.T) {
	trial := tokenTrialOf(t)
	if trial.rate == 0 {
		t.Parallel()
	}
	logins := []string{anna, "bert@example.com"}
	m := startTokenMove(t, trial, logins...)
	list := strings.Join(logins, "\n") + "\n"
	if status, _, stderr := postferry(t, list, "import", "-c", m.d.Config, "-"); status != 0 {
		t.Fatalf("import: status %d, %s", status, stderr)
	}
	began := time.Now()
	stop, stopAccidents := context.WithCancel(t.Context())
	visited, try := atomic.Bool{}, m.visitor(anna, trial.inbox())
	var meanwhile sync.WaitGroup
	t.Cleanup(meanwhile.Wait)
	t.Cleanup(stopAccidents)
	meanwhile.Go(func() { m.accidents(stop) })
	meanwhile.Go(func() { visited.Store(repeat(stop, trial.lifetime/10, try)) })
	eventuallyIn(t, "all copied and visited", trial.patience, trial.poll, func() bool { return m.has(trial.messages) && visited.Load() })
	took := time.Since(began)
	stopAccidents()
	meanwhile.Wait()
	m.old.Append(anna, "INBOX", lab.Msg{Body: letter("late")})
	eventuallyIn(t, "the late message copied, and no account in trouble", trial.patience, trial.poll, func() bool { return m.has(trial.messages + 1) })
	for _, login := range logins {
		m.sameMail(login)
	}
	issued := m.provider.Issued() - m.signIns
	t.Logf("%d messages in %s, %.1f lives of a token; %d tokens for the daemon, %d for the visit; %d connections to the old and %d to the new server; "+
		"all ended %d times, all tokens revoked %d times, no tokens for %s; troubles, by looks: %v",
		trial.messages, took.Round(time.Second), took.Seconds()/trial.lifetime.Seconds(), issued, m.signIns, m.from.Connections(), m.to.Connections(),
		m.cut, m.revoked, time.Duration(m.away)*trial.tick, m.troubles)
	if issued < 6 {
		t.Errorf("only %d tokens were handed out", issued)
	}
	for _, secret := range []string{"access-", "PRIVATE KEY", "Bearer"} {
		if strings.Contains(m.d.Log(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
	if !strings.Contains(m.d.Log(), "the clock of this machine is wrong") {
		t.Error("the log says nothing of the clock")
	}
}

// startTokenMove fills the mailboxes of two people, and starts the daemon.
func startTokenMove(t *testing.T, trial tokenTrial, logins ...string) *tokenMove {
	t.Helper()
	g := startProvider(t, trial.lifetime, logins...)
	g.Ahead = -10 * time.Minute
	p := startTokenPair(t, g, logins...)
	for i, login := range logins {
		p.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), trial.inbox(), 6000))
		p.old.FillMaildir(login, "INBOX.Sent", lab.Generate(uint64(10+i), trial.messages/2-trial.inbox(), 3000))
	}
	m := &tokenMove{pair: p, tokenTrial: trial, provider: g, troubles: make(map[string]int)}
	m.from, m.to = lab.FaultLine(t, p.old.IMAP, trial.line), lab.FaultLine(t, p.new.IMAPS, nil)
	p.oldURL, p.newURL = lab.At(p.old.Insecure(), m.from.Addr).String(), lab.At(p.new.ImplicitTLS(), m.to.Addr).String()
	p.sync = `interval = "1s"`
	p.more += fmt.Sprintf("[domain.limits]\nmessages_per_second = %d\n", trial.rate)
	m.d = p.serve()
	return m
}

// accidents happen until the context ends.
func (m *tokenMove) accidents(ctx context.Context) {
	defer m.provider.away.Store(false)
	tick := -1
	repeat(ctx, m.tick, func() bool {
		tick++
		x := m.accident(tick)
		m.provider.away.Store(x.away)
		if x.away {
			m.away++
		}
		if x.revoke {
			m.provider.EndAccess()
			m.revoked++
		}
		if x.cut {
			m.from.CutAll()
			m.to.CutAll()
			m.cut++
		}
		return false
	})
}

// has tells whether so many messages were copied, and no account is in trouble. At full size, where no token is
// revoked just as it is given out, no account may ever wait for a person.
func (m *tokenMove) has(messages int) bool {
	m.t.Helper()
	totals, accounts := statusOf(m.t, m.d.Config)
	well := true
	for _, a := range accounts {
		if a.Problem == nil {
			continue
		}
		well = false
		m.troubles[a.Problem.Summary.String()]++
		if m.rate > 0 && a.Problem.Advice == store.NeedsFix {
			m.t.Errorf("%s needs a person: %s: %s", a.Login, a.Problem.Summary, a.Problem.Cause)
		}
	}
	return well && int(totals.Copied) == messages
}

// visitor returns what has a client sign in through the relay with a token of its own, as the greeting offers,
// and tells whether the inbox has so many messages.
func (m *tokenMove) visitor(login string, want int) func() bool {
	m.t.Helper()
	key, err := os.ReadFile(m.provider.keyFile)
	if err != nil {
		m.t.Fatal(err)
	}
	keeper := credential.New(credential.Options{})
	server := config.Server{SignIn: &config.SignIn{Method: config.Google, Domain: "example.com", Side: "new", Secret: store.Secret(key)}}
	return func() bool {
		keeper.Forget("example.com", store.NewSide, "")
		in, err := keeper.SignIn(m.t.Context(), server, login)
		if err != nil {
			return false // the provider is away
		}
		m.signIns++
		c, err := imapclient.DialTLS(m.d.IMAPS(), &imapclient.Options{TLSConfig: m.clientTLS()})
		if err != nil {
			return false
		}
		defer c.Close()
		if err := c.WaitGreeting(); err != nil || !c.Caps().Has(imap.AuthCap(sasl.OAuthBearer)) {
			return false // the new server was not asked yet
		}
		if err := c.Authenticate(sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: login, Token: in.Secret.Reveal()})); err != nil {
			return false // the token was revoked this very moment
		}
		box, err := c.Select("INBOX", nil).Wait()
		return err == nil && int(box.NumMessages) == want
	}
}
