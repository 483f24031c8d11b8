package servers

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/emersion/go-sasl"
)

// Tenant is a mail server in memory that opens mailboxes by access tokens, as those of Microsoft 365
// and Google Workspace do. A mailbox is made, with some mail, the first time that it opens.
type Tenant struct {
	check    func(token, login string) error
	mail     int
	pause    time.Duration
	server   *imapserver.Server
	listener net.Listener
	served   chan error
	master   atomic.Pointer[masterLogin] // nil for none

	mu    sync.Mutex
	users map[string]*imapmemserver.User
}

// masterLogin is a login that opens all mailboxes.
type masterLogin struct{ login, password string }

// LetIn has a login open all mailboxes, as "anna@example.org*LOGIN", from the next connection on.
func (s *Tenant) LetIn(login, password string) { s.master.Store(&masterLogin{login, password}) }

// masters tells whose mailbox a login opens that opens all of them.
func (s *Tenant) masters(login, password string) (mailbox string, ok bool) {
	m := s.master.Load()
	if m == nil || password != m.password {
		return "", false
	}
	return strings.CutSuffix(login, "*"+m.login)
}

// Refusal is how a server refuses a token: with a challenge before the tagged response (RFC 7628
// section 3.2.2), "" for none, and a text; Bad says that it is a BAD.
type Refusal struct {
	Challenge, Text string
	Bad             bool
}

func (r *Refusal) Error() string { return r.Text }

// StartTenant starts a server whose mailboxes have so many messages. Whether a token opens a mailbox is
// what check says; a *Refusal says no in the server's own words.
func StartTenant(check func(token, login string) error, mail int, pause time.Duration) (*Tenant, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Tenant{check: check, mail: mail, pause: pause, listener: listener, served: make(chan error, 1), users: map[string]*imapmemserver.User{}}
	s.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &tokenSession{tenant: s}, nil, nil
		},
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapMove: {},
			imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapLiteralPlus: {},
		},
		InsecureAuth: true, // loopback only
		Logger:       log.New(io.Discard, "", 0),
	})
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// URL is how a configuration names the server.
func (s *Tenant) URL() string { return "imap+insecure://" + s.listener.Addr().String() }

// Addr is where it listens.
func (s *Tenant) Addr() net.Addr { return s.listener.Addr() }

// Close ends it.
func (s *Tenant) Close() {
	s.server.Close()
	<-s.served
}

// user finds a mailbox, or makes it.
func (s *Tenant) user(login string) (*imapmemserver.User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(login)
	if u := s.users[key]; u != nil {
		return u, nil
	}
	u := imapmemserver.NewUser(login, "")
	var errs []error
	for _, name := range []string{"INBOX", "Sent"} {
		errs = append(errs, u.Create(name, nil), u.Subscribe(name))
	}
	start := time.Date(2025, time.June, 1, 8, 0, 0, 0, time.UTC)
	for n := range s.mail {
		m := NewMessage(fmt.Sprintf("Wochenbericht %d", n+1), fmt.Sprintf("%s.%d", key, n), start.Add(time.Duration(n)*time.Hour))
		m.flags = flags(n)
		errs = append(errs, putMessage(u, []string{"INBOX", "Sent"}[n%3/2], m))
	}
	s.users[key] = u
	return u, errors.Join(errs...)
}

// tokenSession is a client's connection.
type tokenSession struct {
	*imapmemserver.UserSession // nil until somebody has signed in
	tenant                     *Tenant
}

// Login implements imapserver.Session.
func (s *tokenSession) Login(login, password string) error {
	t := s.tenant
	if mailbox, ok := t.masters(login, password); ok {
		user, err := t.user(mailbox)
		if err == nil {
			s.UserSession = imapmemserver.NewUserSession(user)
		}
		return err
	}
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: imap.ResponseCodeAuthenticationFailed, Text: "Passwords are switched off"}
}

// AuthenticateMechanisms implements imapserver.SessionSASL.
func (s *tokenSession) AuthenticateMechanisms() []string {
	if s.tenant.master.Load() != nil {
		return []string{"PLAIN"}
	}
	return []string{"XOAUTH2", "OAUTHBEARER"}
}

// Authenticate implements imapserver.SessionSASL.
func (s *tokenSession) Authenticate(mechanism string) (sasl.Server, error) {
	switch mechanism {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, login, password string) error { return s.Login(login, password) }), nil
	case "XOAUTH2":
		return &bearerServer{session: s, read: readXOAUTH2}, nil
	case "OAUTHBEARER":
		return &bearerServer{session: s, read: readOAuthBearer}, nil
	}
	return nil, &imap.Error{Type: imap.StatusResponseTypeNo, Text: "SASL mechanism not supported"}
}

// Fetch takes its time, as over a slow line.
func (s *tokenSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	return slowSession{s.UserSession, s.tenant.pause}.Fetch(w, set, options)
}

// open lets a token's bearer into a mailbox.
func (s *tokenSession) open(login, token string) error {
	if err := s.tenant.check(token, login); err != nil {
		return err
	}
	user, err := s.tenant.user(login)
	if err == nil {
		s.UserSession = imapmemserver.NewUserSession(user)
	}
	return err
}

// bearerServer is the server's side of the mechanisms for tokens. A refusal may come with a challenge,
// which the client answers before it is told.
type bearerServer struct {
	session *tokenSession
	read    func(response string) (login, token string, ok bool)
	refused error
}

// Next implements sasl.Server.
func (b *bearerServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if b.refused != nil {
		return nil, false, b.refused
	}
	if response == nil {
		return []byte{}, false, nil
	}
	login, token, ok := b.read(string(response))
	if !ok {
		return nil, false, &imap.Error{Type: imap.StatusResponseTypeBad, Text: "That is no initial response"}
	}
	err = b.session.open(login, token)
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return nil, err == nil, err
	}
	b.refused = &imap.Error{Type: imap.StatusResponseTypeNo, Text: refusal.Text}
	if refusal.Bad {
		b.refused = &imap.Error{Type: imap.StatusResponseTypeBad, Text: refusal.Text}
	}
	if refusal.Challenge == "" {
		return nil, false, b.refused
	}
	return []byte(refusal.Challenge), false, nil
}

// readXOAUTH2 reads "user=LOGIN^Aauth=Bearer TOKEN^A^A".
func readXOAUTH2(response string) (login, token string, ok bool) {
	rest, ok1 := strings.CutPrefix(response, "user=")
	login, rest, ok2 := strings.Cut(rest, "\x01auth=Bearer ")
	token, ok3 := strings.CutSuffix(rest, "\x01\x01")
	return login, token, ok1 && ok2 && ok3
}

// readOAuthBearer reads RFC 7628 section 3.1: "n,a=LOGIN,^Ahost=...^Aport=...^Aauth=Bearer TOKEN^A^A".
func readOAuthBearer(response string) (login, token string, ok bool) {
	head, rest, ok := strings.Cut(response, "\x01")
	login, named := strings.CutPrefix(strings.TrimSuffix(head, ","), "n,a=")
	for field := range strings.SplitSeq(rest, "\x01") {
		if value, found := strings.CutPrefix(field, "auth=Bearer "); found {
			token = value
		}
	}
	return strings.NewReplacer("=2C", ",", "=3D", "=").Replace(login), token, ok && named && token != "" && strings.HasSuffix(rest, "\x01\x01")
}
