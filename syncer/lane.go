package syncer

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
)

// laneIdle is how long a lane keeps its sessions without a job: long enough
// for the next folder a person clicks, short enough to free the place.
const laneIdle = 30 * time.Second

// doubtful is the silence after which a kept session is asked whether it
// still lives before work is built on it.
const doubtful = 5 * time.Second

// logoutWait bounds a polite goodbye.
const logoutWait = 2 * time.Second

// endpoint is one side of a domain as the engine sees it.
type endpoint struct {
	server   config.Server
	pool     *pool
	readOnly bool
}

// role is what people call the endpoint's server.
func (e endpoint) role() string {
	if e.readOnly {
		return upstream.RoleOld
	}
	return upstream.RoleNew
}

// seat is a place for one session with one server, opened when first needed.
type seat[S session] struct {
	end     endpoint
	session S // if there
	there   bool
	release func()
	used    time.Time
	held    *held // the account's sessions with this server, this one included
	lead    *lead // tells of the session that is opened next; nil if nobody follows it
	follows *lead // what the session that is opened next waits for; nil for nothing
}

// logins knows what else there is to log in with where a server does not take an account's own
// credentials.
type logins interface {
	pickLogin(side store.Side, own store.Credentials) store.Credentials
	standIn(ctx context.Context, side store.Side, refused store.Credentials) (store.Credentials, bool)
}

// lane is a pair of sessions that one job at a time uses. Only the job that
// runs on it touches it; between jobs, its account.
type lane struct {
	urgent bool
	stall  time.Duration
	dial   dialers
	log    zerolog.Logger
	old    seat[oldSession]
	new    seat[newSession]
	// The credentials of the job's account and what asks the job to make room
	// for something more urgent; set before each job.
	oldCreds, newCreds store.Credentials
	yield              <-chan struct{}
	logins             logins        // knows what else to log in with; nil for nothing
	listening          *listening    // the account's
	traffic            *traffic      // the account's
	prepared           *prepared     // the folder that has been asked for ahead; nil for none
	cautious           bool          // sessions broke after it had asked ahead, or had to be given up
	trip               time.Duration // in which the new server has answered at the quickest; 0 if unknown
}

// answered notes how long the new server took for an answer.
func (l *lane) answered(took time.Duration) {
	if l.trip == 0 || took < l.trip {
		l.trip = took
	}
}

func (l *lane) oldSession(ctx context.Context) (oldSession, error) {
	if err := l.sitAtOld(ctx); err != nil {
		return nil, err
	}
	defer l.listening.begin()()
	if _, err := l.old.open(ctx, l, l.oldCreds, l.dial.old); err != nil {
		return nil, err
	}
	return l.heard(), nil
}

// heard is the lane's session with the old server as it is used for one folder.
func (l *lane) heard() oldSession {
	return &listener{oldSession: l.old.session, listening: l.listening}
}

func (l *lane) newSession(ctx context.Context) (newSession, error) {
	return l.new.open(ctx, l, l.newCreds, l.dial.new)
}

// reserve takes the places of both sides, always the old one first, so that
// accounts that hold one and wait for the other can't block each other.
func (l *lane) reserve(ctx context.Context) error {
	if err := l.sitAtOld(ctx); err != nil {
		return err
	}
	return l.new.sit(ctx, l)
}

// pop3 tells whether the old server is a POP3 server.
func (l *lane) pop3() bool { return l.old.end.server.Protocol == config.POP3 }

// rest is called at the end of each job. A POP3 session ends with it: it may
// lock the mailbox for its owner and for our next visit.
func (l *lane) rest(ctx context.Context) {
	if l.pop3() {
		l.old.close(ctx)
	}
	l.touch()
}

// sitAtOld takes the place at the old server. A visit that waits for one waits
// for the old server, too: those who have the places may be listening in vain.
func (l *lane) sitAtOld(ctx context.Context) error {
	if l.urgent {
		defer l.listening.begin()()
	}
	return l.old.sit(ctx, l)
}

// sit takes the seat's place in its pool. A visit that has to wait for a place
// at the old server listens: those who have the places may be waiting for a silent one.
func (s *seat[S]) sit(ctx context.Context, l *lane) (err error) {
	if s.release != nil {
		return nil
	}
	if l.urgent && s.end.readOnly {
		defer l.listening.begin()()
	}
	s.release, err = s.end.pool.acquire(ctx, l.urgent, l.yield)
	return err
}

// open returns the seat's session, opening one if there is none or the one
// there no longer answers.
func (s *seat[S]) open(ctx context.Context, l *lane, c store.Credentials, dial dialFunc[S]) (session S, err error) {
	var none S
	if s.there {
		if time.Since(s.used) < doubtful || s.session.Alive(ctx) == nil {
			s.used = time.Now()
			s.lead.in()
			return s.session, nil
		}
		s.hangUp()
	}
	for {
		if err := s.sit(ctx, l); err != nil {
			return none, err
		}
		if session, err = s.dial(ctx, l, c, dial); err == nil {
			break
		}
		s.lead.failed()
		if upstream.TooMany(err) && ctx.Err() == nil {
			err = s.end.pool.crowded(int(s.held.Load()), err)
		}
		s.leave()
		if err != nil {
			return none, err
		}
	}
	s.session, s.there, s.used = session, true, time.Now()
	s.held.Add(1)
	s.lead.in()
	return session, nil
}

// side is the server's.
func (e endpoint) side() store.Side {
	if e.readOnly {
		return store.OldSide
	}
	return store.NewSide
}

// dial opens a session, with the credentials of an alias if the server does not take the account's.
func (s *seat[S]) dial(ctx context.Context, l *lane, own store.Credentials, dial dialFunc[S]) (S, error) {
	if l.logins == nil {
		return s.dialAs(ctx, l, own, dial)
	}
	c := l.logins.pickLogin(s.end.side(), own)
	session, first := s.dialAs(ctx, l, c, dial)
	for err := first; loginRefused(err); {
		var ok bool
		if c, ok = l.logins.standIn(ctx, s.end.side(), c); !ok {
			return session, first
		}
		if session, err = s.dialAs(ctx, l, c, dial); err == nil {
			return session, nil
		}
	}
	return session, first
}

// dialAs opens a session.
func (s *seat[S]) dialAs(ctx context.Context, l *lane, c store.Credentials, dial dialFunc[S]) (S, error) {
	lead := s.lead
	session, err := dial(ctx, s.end.server, c, upstream.Options{
		Stall:    l.stall,
		ReadOnly: s.end.readOnly,
		Role:     s.end.role(),
		Log:      l.log.With().Str("server", s.end.server.Address()).Logger(),
		Progress: func() { s.end.pool.alive(); lead.up() },
		Turn:     s.follows.turn(),
		Quirks:   &s.end.pool.quirks,
		Traffic:  l.flow(s.end.readOnly),
	})
	if ctx.Err() == nil && (err == nil || s.follows == nil) { // that a further one fails says little
		s.end.pool.note(err)
	}
	return session, err
}

// flow bounds the traffic with one of the servers.
func (l *lane) flow(old bool) upstream.Traffic {
	if old {
		return l.traffic.old.bound()
	}
	return l.traffic.new.bound()
}

// hangUp ends the seat's session at once.
func (s *seat[S]) hangUp() {
	if s.there {
		s.session.Close()
		s.gone()
	}
}

// giveAway hands the seat's session on, with its place.
func (s *seat[S]) giveAway() (session S, release func()) {
	session, release = s.session, s.release
	s.release = nil
	s.gone()
	return session, release
}

// gone notes that the seat's session has ended.
func (s *seat[S]) gone() {
	s.there = false
	s.held.Add(-1)
}

// leave gives the seat's place back.
func (s *seat[S]) leave() {
	if s.release != nil {
		s.release()
		s.release = nil
	}
}

// drop ends the seat's session at once and gives the place back.
func (s *seat[S]) drop() {
	s.hangUp()
	s.leave()
}

// close ends the seat's session, politely if ctx still allows it.
func (s *seat[S]) close(ctx context.Context) {
	if s.there {
		ctx, cancel := context.WithTimeout(ctx, logoutWait)
		defer cancel()
		if ctx.Err() != nil || s.session.Logout(ctx) != nil {
			s.session.Close()
		}
		s.gone()
	}
	s.leave()
}

// drop closes both sessions at once: after an error their state is unknown.
func (l *lane) drop() {
	l.prepared = nil
	l.old.drop()
	l.new.drop()
}

// end says goodbye on both sides.
func (l *lane) end(ctx context.Context) {
	l.old.close(ctx)
	l.new.close(ctx)
}

// idle tells whether the lane's sessions have been of no use for long enough to
// end them; while others wait for their places that is soon.
func (l *lane) idle(now time.Time, contended bool) bool {
	if l.empty() {
		return false
	}
	limit := laneIdle
	if contended {
		limit = doubtful
	}
	return now.Sub(l.old.used) > limit && now.Sub(l.new.used) > limit
}

// empty tells whether the lane holds neither sessions nor places.
func (l *lane) empty() bool { return l.old.release == nil && l.new.release == nil }

// touch notes that a job has just ended, when its sessions were surely alive.
func (l *lane) touch() {
	now := time.Now()
	l.old.used, l.new.used = now, now
}

// interrupted tells whether an error only means that we were asked to stop.
func interrupted(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.Canceled)
}

// passLanes is how many folders of an account a pass pulls at the same time: while
// one waits for servers far away, the others use the time. With the lane for visits
// that makes four connections, which servers let one person have from one address
// (Courier's MAXPERIP is 4).
const passLanes = 3

// loginRefused tells whether a server has said that it does not take login and password.
func loginRefused(err error) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return false
	}
	switch e.Kind() {
	case store.LoginRefused, store.PasswordExpired, store.PasswordUnsendable:
		return true
	}
	return false
}
