package session

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// PairIdle is how long a pair keeps its sessions without a job: long enough
// for the next folder a person clicks, short enough to free the place.
const PairIdle = 30 * time.Second

// doubtful is the silence after which a kept session is asked whether it
// still lives before work is built on it.
const doubtful = 5 * time.Second

// LogoutWait bounds a polite goodbye.
const LogoutWait = 2 * time.Second

// Endpoint is one side of a domain as the engine sees it.
type Endpoint struct {
	Server   config.Server
	Pool     *Pool
	ReadOnly bool
}

// Role is what people call the endpoint's server.
func (e Endpoint) Role() string {
	if e.ReadOnly {
		return link.RoleOld
	}
	return link.RoleNew
}

// Slot is a place for one session with one server, opened when first needed.
type Slot[S Session] struct {
	End     Endpoint
	Session S // if there
	There   bool
	release func()
	used    time.Time
	Held    *Held   // the account's sessions with this server, this one included
	Lead    *Leader // tells of the session that is opened next; nil if nobody follows it
	follows *Leader // what the session that is opened next waits for; nil for nothing
}

// logins knows what else there is to log in with where a server does not take an account's own
// credentials.
type logins interface {
	PickLogin(side store.Side, own store.Credentials) store.Credentials
	StandIn(ctx context.Context, side store.Side, refused store.Credentials) (store.Credentials, bool)
}

// Pair is a pair of sessions that one job at a time uses. Only the job that
// runs on it touches it; between jobs, its account.
type Pair struct {
	Urgent bool
	Stall  time.Duration
	Dial   Dialers
	Log    zerolog.Logger
	Old    Slot[Source]
	New    Slot[Target]
	// The credentials of the job's account and what asks the job to make room
	// for something more urgent; set before each job.
	OldCreds, NewCreds store.Credentials
	Yield              <-chan struct{}
	Logins             logins        // knows what else to log in with; nil for nothing
	Listening          *Listening    // the account's
	RateLimits         *RateLimits   // the account's
	Ahead              Ahead         // folders that have been asked for ahead
	Cautious           bool          // sessions broke after it had asked ahead, or had to be given up
	Trip               time.Duration // in which the new server has answered at the quickest; 0 if unknown
}

// Answered notes how long the new server took for an answer.
func (l *Pair) Answered(took time.Duration) {
	if l.Trip == 0 || took < l.Trip {
		l.Trip = took
	}
}

func (l *Pair) Source(ctx context.Context) (Source, error) {
	if err := l.sitAtOld(ctx); err != nil {
		return nil, err
	}
	defer l.Listening.begin()()
	if _, err := l.Old.open(ctx, l, l.OldCreds, l.Dial.Old); err != nil {
		return nil, err
	}
	return l.ListeningSource(), nil
}

// ListeningSource is the pair's session with the old server as it is used for one folder.
func (l *Pair) ListeningSource() Source {
	return &listener{Source: l.Old.Session, Listening: l.Listening}
}

func (l *Pair) Target(ctx context.Context) (Target, error) {
	return l.New.open(ctx, l, l.NewCreds, l.Dial.New)
}

// Returner opens a session with the old server to which mail is copied back. It takes the place of the pair's own
// one, which ends, and is the caller's to close.
func (l *Pair) Returner(ctx context.Context) (Returner, error) {
	if err := l.Reserve(ctx); err != nil {
		return nil, err
	}
	l.GiveUpPrefetched()
	l.Old.HangUp()
	c := l.OldCreds
	if l.Logins != nil {
		c = l.Logins.PickLogin(store.OldSide, c)
	}
	end := l.Old.End
	s, err := l.Dial.Back(ctx, end.Server, c, link.Options{
		Stall: l.Stall, Role: end.Role(), Log: l.Log.With().Str("server", end.Server.Address()).Logger(),
		Progress: end.Pool.Alive, Quirks: &end.Pool.Quirks, Traffic: l.flow(true),
	})
	if ctx.Err() == nil && OfServer(err) {
		end.Pool.Note(err)
	}
	return s, err
}

// Reserve takes the places of both sides, always the old one first, so that
// accounts that hold one and wait for the other can't block each other.
func (l *Pair) Reserve(ctx context.Context) error {
	if err := l.sitAtOld(ctx); err != nil {
		return err
	}
	return l.New.Sit(ctx, l)
}

// Traits are the old server's.
func (l *Pair) Traits() Traits { return TraitsOf(l.Old.End.Server) }

// Rest is called at the end of each job. A session that may lock the mailbox for its owner and for
// our next visit ends with it.
func (l *Pair) Rest(ctx context.Context) {
	if l.Traits().Exclusive {
		l.Old.Close(ctx)
	}
	l.touch()
}

// sitAtOld takes the place at the old server. A visit that waits for one waits
// for the old server, too: those who have the places may be listening in vain.
func (l *Pair) sitAtOld(ctx context.Context) error {
	if l.Urgent {
		defer l.Listening.begin()()
	}
	return l.Old.Sit(ctx, l)
}

// Sit takes the slot's place in its pool. A visit that has to wait for a place
// at the old server listens: those who have the places may be waiting for a silent one.
func (s *Slot[S]) Sit(ctx context.Context, l *Pair) (err error) {
	if s.release != nil {
		return nil
	}
	if l.Urgent && s.End.ReadOnly {
		defer l.Listening.begin()()
	}
	s.release, err = s.End.Pool.Acquire(ctx, l.Urgent, l.Yield)
	return err
}

// open returns the slot's session, opening one if there is none or the one
// there no longer answers.
func (s *Slot[S]) open(ctx context.Context, l *Pair, c store.Credentials, dial DialFunc[S]) (session S, err error) {
	var none S
	if s.There {
		if time.Since(s.used) < doubtful || s.Session.Alive(ctx) == nil {
			s.used = time.Now()
			s.Lead.in()
			return s.Session, nil
		}
		s.HangUp()
	}
	for {
		if err := s.Sit(ctx, l); err != nil {
			return none, err
		}
		if session, err = s.dial(ctx, l, c, dial); err == nil {
			break
		}
		s.Lead.failed()
		if link.TooMany(err) && ctx.Err() == nil {
			err = s.End.Pool.Crowded(int(s.Held.Load()), err)
		}
		s.leave()
		if err != nil {
			return none, err
		}
	}
	s.Session, s.There, s.used = session, true, time.Now()
	s.Held.Add(1)
	s.Lead.in()
	return session, nil
}

// side is the server's.
func (e Endpoint) side() store.Side {
	if e.ReadOnly {
		return store.OldSide
	}
	return store.NewSide
}

// dial opens a session, with the credentials of an alias if the server does not take the account's.
func (s *Slot[S]) dial(ctx context.Context, l *Pair, own store.Credentials, dial DialFunc[S]) (S, error) {
	if l.Logins == nil {
		return s.dialAs(ctx, l, own, dial)
	}
	c := l.Logins.PickLogin(s.End.side(), own)
	session, first := s.dialAs(ctx, l, c, dial)
	for err := first; loginRefused(err); {
		var ok bool
		if c, ok = l.Logins.StandIn(ctx, s.End.side(), c); !ok {
			return session, first
		}
		if session, err = s.dialAs(ctx, l, c, dial); err == nil {
			return session, nil
		}
	}
	return session, first
}

// dialAs opens a session.
func (s *Slot[S]) dialAs(ctx context.Context, l *Pair, c store.Credentials, dial DialFunc[S]) (S, error) {
	lead := s.Lead
	session, err := dial(ctx, s.End.Server, c, link.Options{
		Stall:    l.Stall,
		ReadOnly: s.End.ReadOnly,
		Role:     s.End.Role(),
		Log:      l.Log.With().Str("server", s.End.Server.Address()).Logger(),
		Progress: func() { s.End.Pool.Alive(); lead.up() },
		Turn:     s.follows.turn(),
		Quirks:   &s.End.Pool.Quirks,
		Traffic:  l.flow(s.End.ReadOnly),
	})
	if ctx.Err() == nil && OfServer(err) && (err == nil || s.follows == nil) { // that a further one fails says little
		s.End.Pool.Note(err)
	}
	return session, err
}

// flow bounds the traffic with one of the servers.
func (l *Pair) flow(old bool) link.Traffic {
	if old {
		return l.RateLimits.Old.Bound()
	}
	return l.RateLimits.New.Bound()
}

// HangUp ends the slot's session at once.
func (s *Slot[S]) HangUp() {
	if s.There {
		s.Session.Close()
		s.gone()
	}
}

// GiveAway hands the slot's session on, with its place.
func (s *Slot[S]) GiveAway() (session S, release func()) {
	session, release = s.Session, s.release
	s.release = nil
	s.gone()
	return session, release
}

// gone notes that the slot's session has ended. It keeps nothing of it: a pair lasts as long as its
// account, and a session has buffers.
func (s *Slot[S]) gone() {
	var none S
	s.Session, s.There = none, false
	s.Held.Add(-1)
}

// leave gives the slot's place back.
func (s *Slot[S]) leave() {
	if s.release != nil {
		s.release()
		s.release = nil
	}
}

// drop ends the slot's session at once and gives the place back.
func (s *Slot[S]) drop() {
	s.HangUp()
	s.leave()
}

// Close ends the slot's session, politely if ctx still allows it.
func (s *Slot[S]) Close(ctx context.Context) {
	if s.There {
		ctx, cancel := context.WithTimeout(ctx, LogoutWait)
		defer cancel()
		if ctx.Err() != nil || s.Session.Logout(ctx) != nil {
			s.Session.Close()
		}
		s.gone()
	}
	s.leave()
}

// Drop closes both sessions at once: after an error their state is unknown.
func (l *Pair) Drop() {
	l.Ahead.clear()
	l.Old.drop()
	l.New.drop()
}

// End says goodbye on both sides.
func (l *Pair) End(ctx context.Context) {
	l.Old.Close(ctx)
	l.New.Close(ctx)
}

// Idle tells whether the pair's sessions have been of no use for long enough to
// end them; while others wait for their places that is soon.
func (l *Pair) Idle(now time.Time, contended bool) bool {
	if l.Empty() {
		return false
	}
	limit := PairIdle
	if contended {
		limit = doubtful
	}
	return now.Sub(l.Old.used) > limit && now.Sub(l.New.used) > limit
}

// Empty tells whether the pair holds neither sessions nor places.
func (l *Pair) Empty() bool { return l.Old.release == nil && l.New.release == nil }

// touch notes that a job has just ended, when its sessions were surely alive.
func (l *Pair) touch() {
	now := time.Now()
	l.Old.used, l.New.used = now, now
}

// Interrupted tells whether an error only means that we were asked to stop.
func Interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.Canceled)
}

// PassPairs is how many folders of an account a pass pulls at the same time: while
// one waits for servers far away, the others use the time. With the pair for visits
// that makes four connections, which servers let one person have from one address
// (Courier's MAXPERIP is 4).
const PassPairs = 3

// loginRefused tells whether a server has said that it does not take login and password.
func loginRefused(err error) bool {
	e, ok := errors.AsType[*link.Error](err)
	if !ok {
		return false
	}
	switch e.Kind() {
	case store.LoginRefused, store.PasswordExpired, store.PasswordUnsendable:
		return true
	}
	return false
}
