package proxy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/pause"
	"postferry/proxy/admission"
	"postferry/store"
	"postferry/upstream"
	"postferry/upstream/link"
	"postferry/wire"
)

var (
	errHandshake = errors.New("no TLS handshake")
	// errRefused: the login or the password is not right, for whatever reason.
	errRefused = errors.New("login or password is not right")
)

// perAddress and perLogin are how often a client's address and a login name may fail.
func perAddress() admission.Bounds {
	return admission.Bounds{Burst: 10, Interval: 6 * time.Second, Patience: 15 * time.Second}
}

func perLogin() admission.Bounds {
	return admission.Bounds{Burst: 20, Interval: 6 * time.Second, Patience: 15 * time.Second}
}

// entry is a login that the new server has accepted.
type entry struct {
	up      *upstream.Session // until the relay begins
	login   string
	account store.Account // ID 0 if the login is not known
	by      opener
	program string // what the client calls itself
}

// opener is what let a person in, for the log.
type opener string

const (
	byOld    opener = "the old password on record"
	byNew    opener = "the new password on record"
	byServer opener = "a password that the new server accepts"
	byToken  opener = "a token that the new server accepts"
	byMaster opener = "a master login that the new server accepts"
)

// ferried reports whether the engine has anything to do for this login.
func (e *entry) ferried() bool { return ferried(&e.account) }

// admit tries to log the client in and answers it.
func (s *session) admit(ctx context.Context, tag string, c claim) error {
	log := s.log.With().Str("account", c.login[:min(len(c.login), maxLogin)]).Bool("tls", s.secure).Logger()
	settled, begun := s.reassure(), time.Now()
	in, err := s.tryLogIn(ctx, c, log)
	settled()
	if errors.Is(err, admission.ErrManyFromAddress) || errors.Is(err, admission.ErrManyForLogin) {
		return s.refuseGuess(ctx, tag, err, log)
	}
	s.srv.metrics.loggedIn(err, time.Since(begun))
	switch {
	case errors.Is(err, errRefused):
		log.Info().Err(err).Msg("login refused")
		if e, ok := errors.AsType[*link.Error](err); ok && e.Token != nil && e.Token.Challenge != "" {
			return &tokenRefused{err, e.Token.Challenge}
		}
		return s.refuseLogin(tag, err)
	case err != nil:
		log.Warn().Err(err).Msg("login not possible")
		return s.refuseLogin(tag, err)
	}
	return s.welcome(ctx, tag, in, log)
}

// tryLogIn tries a login when those before it leave room for it. A password that was right
// before does not wait for the others.
func (s *session) tryLogIn(ctx context.Context, c claim, log zerolog.Logger) (*entry, error) {
	who, err := s.srv.lookUp(ctx, c, log)
	end, trusted, onRecord := func(bool) {}, false, false
	if err == nil {
		trusted, onRecord = s.srv.trusted(&who, &c)
	}
	if !trusted {
		waits, cancel := context.WithTimeout(ctx, loginBound)
		defer cancel()
		begun := time.Now()
		var limited error
		if end, limited = s.srv.guard.Enter(waits, s.remote, strings.ToLower(cmp.Or(who.master, c.login))); limited != nil {
			return nil, limited
		}
		if time.Since(begun) > staleAfter {
			who, err = s.srv.lookUp(ctx, c, log)
		}
	}
	var in *entry
	if err == nil {
		in, err = s.srv.logIn(ctx, &who, person{from: s.guest.Conn.RemoteAddr(), id: s.identity(), waits: func(gone func()) func() { return s.watch(ctx, gone) }}, log)
	}
	refused := errors.Is(err, errRefused)
	end(refused)
	s.srv.right.note(&c, err == nil, refused, onRecord)
	return in, err
}

// staleAfter is how old what is known of an account may be.
const staleAfter = time.Second

// refuseGuess answers a login that is not tried.
func (s *session) refuseGuess(ctx context.Context, tag string, err error, log zerolog.Logger) error {
	s.srv.metrics.logins.WithLabelValues(loginLimited).Inc()
	log.Warn().Err(err).Msg("login refused unheard")
	pause.For(ctx, time.Second)
	whose := "from your address"
	if errors.Is(err, admission.ErrManyForLogin) {
		whose = "with this login name"
	}
	return s.reply("%s NO [UNAVAILABLE] Too many failed logins %s, try again in a minute", tag, whose)
}

// welcome tells the engine and then the client that the login succeeded.
func (s *session) welcome(ctx context.Context, tag string, in *entry, log zerolog.Logger) error {
	log.Info().Uint64("id", uint64(in.account.ID)).Str("by", string(in.by)).Msg("logged in")
	if in.ferried() {
		treeCtx, cancel := context.WithTimeout(ctx, treeBound)
		s.srv.ferry.Connected(treeCtx, in.account.ID)
		cancel()
	}
	caps := strings.Join(allowed(in.up.Capabilities()), " ")
	if s.srv.cfg.Proxy.Compress {
		caps += " " + capCompress
	}
	if err := s.reply("%s%s OK [CAPABILITY %s] Logged in", noticeLines(in.up.Notices()), tag, caps); err != nil {
		in.up.Close()
		s.srv.left(&in.account)
		return err
	}
	in.program = programOf(s.id)
	in.account.Old.Password, in.account.New.Password = "", "" // a client may stay for weeks, and the account end meanwhile
	s.in, s.id = in, nil
	return nil
}

// left tells the engine that a client it was told of has gone.
func (s *Server) left(a *store.Account) {
	if ferried(a) {
		s.ferry.Disconnected(a.ID)
	}
}

// person is who logs in.
type person struct {
	from  net.Addr
	id    []wire.Field
	waits func(gone func()) (over func()) // that of admission.Queue.Enter
}

// claimant is a claim, and whose it is.
type claimant struct {
	claim
	domain  *config.Domain
	account store.Account
	known   bool // there is an account
}

// lookUp finds out whose login this is. Refusals are errRefused; everything else means that it
// can't be tried now.
func (s *Server) lookUp(ctx context.Context, c claim, log zerolog.Logger) (who claimant, err error) {
	if !c.plausible() {
		return who, errRefused
	}
	who.claim, who.domain, who.account, err = s.whose(ctx, c, log)
	if who.known = err == nil; errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return who, err
}

// logIn opens the new server with a claim. Errors are as those of lookUp.
func (s *Server) logIn(ctx context.Context, who *claimant, by person, log zerolog.Logger) (*entry, error) {
	tryCtx, cancel := context.WithTimeout(ctx, loginBound)
	defer cancel()
	c, domain := who.claim, who.domain
	if c.master != "" {
		log = log.With().Str("master", c.master).Logger()
	}
	leave, err := s.logins.Enter(tryCtx, domain.Name, domain.LoginsAtOnce(), strings.ToLower(c.login), by.waits)
	if err != nil {
		return nil, err
	}
	dialer := &dialer{server: domain.New, buffers: &s.buffers, tls: &s.shared, log: log, leave: leave, id: by.id, offers: s.offers, client: by.from, dial: s.dial}
	defer dialer.leave()
	if !who.known {
		return s.logInUnknown(ctx, tryCtx, dialer, domain, c, log)
	}
	return s.logInKnown(tryCtx, dialer, who.account, c, log)
}

// whose finds the domain and the account of a claim; store.ErrNotFound if only the account isn't known.
// A master's login (anna*master) is that of anna's account, unless there is an account of that very login.
func (s *Server) whose(ctx context.Context, c claim, log zerolog.Logger) (_ claim, of *config.Domain, a store.Account, err error) {
	of, ok := s.cfg.DomainOf(c.login)
	if ok {
		if a, err = s.accountOf(ctx, of, c.login, log); err == nil {
			return c, of, a, nil
		}
	}
	if as, its, is := s.asMaster(c); is && (!ok || errors.Is(err, store.ErrNotFound)) {
		c, of, ok = as, its, true
		a, err = s.accountOf(ctx, of, c.login, log)
	}
	switch {
	case !ok:
		err = fmt.Errorf("%w: no such domain is configured", errRefused)
	case err != nil && !errors.Is(err, store.ErrNotFound):
		err = fmt.Errorf("look the account up: %w", err)
	}
	return c, of, a, err
}

// accountOf finds the account of a login of a domain. One that another domain has for
// it is none: a login belongs to its own domain, whoever was faster to add it.
func (s *Server) accountOf(ctx context.Context, domain *config.Domain, login string, log zerolog.Logger) (store.Account, error) {
	a, err := s.accounts.Account(ctx, login)
	if err == nil && !strings.EqualFold(a.Domain, domain.Name) {
		log.Warn().Uint64("id", uint64(a.ID)).Str("domain", a.Domain).Msg("the account of this login is another domain's, and not used")
		return store.Account{}, store.ErrNotFound
	}
	return a, err
}

// maxLogin is the longest login that is tried, in octets. Mail addresses have
// 254 at most (RFC 5321 section 4.5.3.1.3).
const maxLogin = 512

// logInKnown lets a person in with the new password on record, with the old one if that
// opens the mailbox, or with what the new server accepts; if that is the mailbox's own password,
// it is the new one then.
func (s *Server) logInKnown(ctx context.Context, d *dialer, a store.Account, c claim, log zerolog.Logger) (*entry, error) {
	if !c.own() {
		return d.enter(ctx, a.New.Login, a, c)
	}
	var first error // of the password on record, which the person may know nothing of
	if by := recorded(a, c.secret); by != "" {
		up, err := d.open(ctx, link.SignIn{Login: a.New.Login, Secret: a.New.Password})
		if err == nil {
			return &entry{up: up, login: c.login, account: a, by: by}, nil
		}
		if !errors.Is(err, errRefused) || by == byNew {
			return nil, err
		}
		first = err
	}
	in, err := d.enter(ctx, a.New.Login, a, c)
	if err != nil && first != nil && errors.Is(err, errRefused) && telling(first) && !telling(err) {
		return nil, first
	}
	if err != nil {
		return nil, err
	}
	if a.State != store.Finished { // of those nothing is kept
		s.learn(ctx, a, c.secret, log)
	}
	return in, nil
}

// enter opens the new server with a claim, as it knows the mailbox.
func (d *dialer) enter(ctx context.Context, login string, a store.Account, c claim) (*entry, error) {
	up, err := d.open(ctx, c.at(login))
	if err != nil {
		return nil, err
	}
	in := &entry{up: up, login: c.login, account: a, by: byServer}
	switch {
	case c.token():
		in.by = byToken
	case c.master != "":
		in.by = byMaster
	}
	return in, nil
}

// recorded says which password on record a person has given; "" for none that opens the
// mailbox. An old password that was recorded alone is good for copying only: who may
// record it need not be who may read the mail.
func recorded(a store.Account, given store.Secret) opener {
	isOld, isNew := same(given, a.Old.Password), same(given, a.New.Password)
	switch {
	case a.New.Password == "": // an empty one is never tried
		return ""
	case isNew == 1:
		return byNew
	case isOld == 1 && a.OldOpens:
		return byOld
	}
	return ""
}

// learn records the password a person has given itself at the new server, unless the
// account was given other credentials while the person logged in.
func (s *Server) learn(ctx context.Context, a store.Account, password store.Secret, log zerolog.Logger) {
	known, err := s.accounts.LearnPassword(ctx, a.ID, a.New, password)
	if err == nil && known {
		err = s.ferry.Updated(ctx, []store.AccountID{a.ID})
	}
	switch {
	case err != nil:
		log.Warn().Err(err).Msg("the new server's changed password could not be recorded")
	case !known:
		log.Info().Msg("the password was changed at the new server, and other credentials were recorded meanwhile")
	default:
		log.Info().Msg("the password was changed at the new server, recorded")
	}
}

// logInUnknown lets in whom the new server accepts within tryCtx, and makes the account
// known where the domain wants that and it is the person's own password.
func (s *Server) logInUnknown(ctx, tryCtx context.Context, d *dialer, domain *config.Domain, c claim, log zerolog.Logger) (*entry, error) {
	in, err := d.enter(tryCtx, c.login, store.Account{}, c)
	if err != nil {
		return nil, err
	}
	d.leave() // what is still to be done is the old server's
	if domain.Enrol && c.own() {
		in.account = s.enrol(ctx, domain, c.credentials(), log)
	}
	return in, nil
}

// enrol makes a new account known; the zero account means that this failed and
// is tried again at the next login.
func (s *Server) enrol(ctx context.Context, domain *config.Domain, c store.Credentials, log zerolog.Logger) store.Account {
	ctx, cancel := context.WithTimeout(ctx, enrolBound)
	defer cancel()
	a, err := s.ferry.Enrol(ctx, store.Account{
		Domain: domain.Name, Login: c.Login, Old: c, New: c, OldOpens: true, Origin: store.Enrolled, State: store.Active,
	})
	if err != nil {
		log.Warn().Err(err).Msg("not enrolled, nothing is copied for this login")
		return store.Account{}
	}
	log.Info().Uint64("id", uint64(a.ID)).Msg("enrolled")
	return a
}

// same compares two secrets in a time that tells nothing about them. An empty
// secret is none.
func same(a, b store.Secret) int {
	x, y := sha256.Sum256([]byte(a.Reveal())), sha256.Sum256([]byte(b.Reveal()))
	equal := subtle.ConstantTimeCompare(x[:], y[:])
	if b == "" {
		return 0
	}
	return equal
}

// dialer opens sessions with the new server, while it is a login's turn.
type dialer struct {
	server  config.Server
	log     zerolog.Logger
	client  net.Addr
	buffers *buffers
	tls     *link.SharedTLS
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	leave   func() // ends the turn
	id      []wire.Field
	offers  *offers // what the server takes is noted in
}

// open connects and logs in. errRefused means the credentials are at fault.
func (d *dialer) open(ctx context.Context, in link.SignIn) (*upstream.Session, error) {
	up, err := upstream.Dial(ctx, d.server, link.Options{Stall: loginBound, Dial: d.dial, Role: link.RoleNew, Log: d.log, ID: d.id, Client: d.client,
		Wrap: d.buffers.socket, Buffer: smallReader, SharedTLS: d.tls})
	if err != nil {
		return nil, err
	}
	d.offers.note(d.server, up.Capabilities())
	if err := up.SignIn(ctx, in); err != nil {
		up.Close()
		err = &spoken{error: err, notices: up.Notices()}
		if refused(err) {
			return nil, fmt.Errorf("%w: %w", errRefused, err)
		}
		return nil, err
	}
	return up, nil
}

// refused reports whether the server does not want these credentials, and not
// that it takes none on this connection.
func refused(err error) bool {
	var e *link.Error
	return errors.As(err, &e) && e.Class == link.Fix && e.Code != imap.ResponseCodePrivacyRequired
}
