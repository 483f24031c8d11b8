package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/stage"
	"postferry/store"
	"postferry/store/bolt"
)

const (
	domain   = "example.com"
	password = "correct-horse-battery"
)

// world is a teller with a state, and a guide that says what a test wants.
type world struct {
	*Teller
	t     *testing.T
	dir   string
	state *bolt.Store
	log   bytes.Buffer
	at    stage.Assessment // what the guide says of the domain
}

func newWorld(t *testing.T, n config.Notify) *world {
	t.Helper()
	cfg := config.Default()
	cfg.Notify = n
	cfg.Admin.PublicURL = "https://move.example.com"
	cfg.Directory = config.NewDirectory([]config.Domain{{Name: domain}})
	w := &world{t: t, dir: t.TempDir()}
	w.Teller = &Teller{Config: &cfg, Guide: w, Words: func(language string) Words { return tongue(language) }}
	w.Log = zerolog.New(&w.log)
	w.is(stage.Copying, stage.Open)
	w.open()
	t.Cleanup(func() { w.state.Close() })
	return w
}

// open opens the state, as a daemon does that starts.
func (w *world) open() {
	w.t.Helper()
	if w.state != nil {
		w.state.Close()
	}
	st, err := bolt.Open(w.dir, bolt.Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.state, w.Store = st, st
}

// is makes the domain be at a stage.
func (w *world) is(s stage.Stage, copied stage.State) {
	say := func(text string) stage.Message { return stage.Message{Code: "x", Text: text} }
	w.at = stage.Assessment{Domain: domain, Stage: s, Safe: s == stage.Safe || s == stage.Finished, Verdict: say("the verdict"), Next: say("the next step"),
		Conditions: []stage.Condition{{Name: stage.AllCopied, State: copied, Why: say("12 messages are there")}},
		Figures:    stage.Figures{Accounts: 3, Troubled: w.at.Figures.Troubled}}
}

func (w *world) Assess(_ context.Context, name string, _ bool) (stage.Assessment, error) {
	a := w.at
	a.Domain = name
	return a, nil
}

// trouble gives accounts of the domain a problem; nil takes it away.
func (w *world) trouble(p *store.Problem, logins ...string) {
	w.t.Helper()
	for _, login := range logins {
		stored, _, err := w.state.PutAccounts(w.t.Context(), []store.Account{{Domain: domain, Login: login, Origin: store.Imported, State: store.Active,
			Old: store.Credentials{Login: login, Password: "p"}, New: store.Credentials{Login: login, Password: "p"}}})
		if err == nil {
			err = w.state.SetProblem(w.t.Context(), stored[0].ID, p)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.at.Figures.Troubled = 1
}

// look tells what there is to tell.
func (w *world) look() {
	w.t.Helper()
	if err := w.Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.Deliver(w.t.Context())
}

// letters are those that wait in the state.
func (w *world) letters() (all []letter) {
	w.t.Helper()
	told, err := w.records(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range told {
		all = append(all, r.Letters...)
	}
	return all
}

// tongue is a language in which everything is said by its id.
type tongue string

func (l tongue) Text(id string, values ...any) string {
	return string(l) + " " + id + " " + fmt.Sprint(values...)
}
func (tongue) Say(m stage.Message) string { return m.Text }
func (tongue) Problem(p *store.Problem) (string, string) {
	return p.Summary.String(), "advice for " + string(p.Kind)
}

// postOffice is a server that takes e-mail. It stands outside of bubbles, and time in them waits for what it answers.
type postOffice struct {
	config.SMTP
	mu    sync.Mutex
	mail  []*enmime.Envelope
	to    []string // to whom, of each
	tried int      // recipients that were named
	fails func(to string) error
}

// office says how the server of a test is.
type office struct {
	security config.Security
	noTLS    bool  // it has no certificate
	signIn   error // what it says to whoever signs in with the right password
}

func newPostOffice(t *testing.T, o office) *postOffice {
	t.Helper()
	p := &postOffice{}
	ca := lab.NewCA(t)
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) {
		return &counter{office: p, says: o.signIn}, nil
	}))
	s.Domain, s.ErrorLog = "localhost", quiet{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	trust := &tls.Config{Certificates: []tls.Certificate{ca.Issue(t)}}
	if o.security == config.ImplicitTLS {
		l = tls.NewListener(l, trust)
	} else if !o.noTLS {
		s.TLSConfig = trust
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-ended })
	p.SMTP = config.SMTP{Security: o.security, Host: "127.0.0.1", Port: port, CA: ca.File, From: "postferry@mx.example", Login: "ferry", Secret: password}
	return p
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// counter is one session at the post office.
type counter struct {
	office *postOffice
	says   error
	in     bool
	to     string
}

func (c *counter) AuthMechanisms() []string { return []string{sasl.Plain} }

func (c *counter) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, login, secret string) error {
		c.in = login == "ferry" && secret == password && c.says == nil
		if !c.in {
			return errors.Join(c.says, errors.New("who is "+login+" with "+secret+"?"))
		}
		return nil
	}), nil
}

func (c *counter) Mail(string, *smtp.MailOptions) error {
	if !c.in {
		return smtp.ErrAuthRequired
	}
	return nil
}

func (c *counter) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.to = to
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	c.office.tried++
	if c.office.fails != nil {
		return c.office.fails(to)
	}
	return nil
}

func (c *counter) Data(r io.Reader) error {
	mail, err := enmime.ReadEnvelope(r)
	if err != nil {
		return err
	}
	c.office.mu.Lock()
	defer c.office.mu.Unlock()
	c.office.mail, c.office.to = append(c.office.mail, mail), append(c.office.to, c.to)
	return nil
}

func (c *counter) Reset()        {}
func (c *counter) Logout() error { return nil }

// wantMail wants the mail that has come since it was asked last: "to: subject" of each, in any order.
func (p *postOffice) wantMail(t *testing.T, want ...string) []*enmime.Envelope {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	got := map[string]int{}
	for i, m := range p.mail {
		got[p.to[i]+": "+m.GetHeader("Subject")]++
	}
	for _, line := range want {
		if got[line]--; got[line] < 0 {
			t.Errorf("missing: %s", line)
		}
	}
	for line, n := range got {
		if n > 0 {
			t.Errorf("%d times unexpected: %s", n, line)
		}
	}
	mail := p.mail
	p.mail, p.to = nil, nil
	return mail
}

func (p *postOffice) setFails(fails func(string) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fails = fails
}

// hasSecret tells whether a text has a secret of these tests.
func hasSecret(text string) bool {
	return strings.Contains(text, password) || strings.Contains(text, "hush") || strings.Contains(text, strconv.Quote(password))
}

// untilNoon lets time pass, in a bubble, until it is noon where digests are sent.
func untilNoon() {
	time.Sleep(time.Until(time.Date(2000, 1, 3, 12, 0, 0, 0, time.Local)))
}

// contextFor ends soon.
func contextFor(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 100*time.Millisecond)
}
