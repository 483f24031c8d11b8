package credential

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"postferry/store"
)

// token is an access token.
type token struct {
	secret store.Secret
	born   time.Time
	renew  time.Time // from when on another one is better
	ends   time.Time
}

// lifeUnknown is how long a token is used whose end isn't told.
const lifeUnknown = 5 * time.Minute

// newToken makes a token that lasts for some time. It is renewed in the last fifth of that, at most
// five minutes before its end, some sooner and some later, so that not all are renewed at once.
func newToken(secret store.Secret, life time.Duration) token {
	if life <= 0 {
		life = lifeUnknown
	}
	early := min(life/5, 5*time.Minute)
	early += rand.N(early/2 + 1)
	now := time.Now()
	return token{secret: secret, born: now, renew: now.Add(life - early), ends: now.Add(life)}
}

// rethrow is how long a token that was fetched because the one before was refused is taken for good.
const rethrow = 5 * time.Second

// source has the token of one subject: an application, or one mailbox.
type source struct {
	fetch func(ctx context.Context) (token, error)

	mu       sync.Mutex
	now      token         // the zero one if there is none
	fetching chan struct{} // closed when the fetch under way has ended; nil if none is
	failures int
	until    time.Time // no fetch is tried before
	cause    error     // why
	thrown   time.Time // when a token was last given up because a server refused it
}

// token returns the token, fetched anew where that is due. Whoever comes first fetches it; the
// others wait for that, or take the one there while it lasts.
func (s *source) token(ctx context.Context) (token, error) {
	for {
		s.mu.Lock()
		now := time.Now()
		good := s.now.secret != "" && now.Before(s.now.ends)
		switch {
		case good && now.Before(s.now.renew), good && s.fetching != nil, good && now.Before(s.until):
			defer s.mu.Unlock()
			return s.now, nil
		case s.fetching != nil:
			wait := s.fetching
			s.mu.Unlock()
			select {
			case <-wait:
			case <-ctx.Done():
				return token{}, ctx.Err()
			}
		case now.Before(s.until):
			defer s.mu.Unlock()
			return token{}, s.cause
		default:
			s.fetching = make(chan struct{})
			s.mu.Unlock()
			t, err := s.fetch(ctx)
			return s.settle(ctx, t, err)
		}
	}
}

// settle takes over what came of a fetch. If nothing did, the token there serves as long as it lasts.
func (s *source) settle(ctx context.Context, t token, err error) (token, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.fetching)
	s.fetching = nil
	if err == nil {
		s.now, s.failures, s.until, s.cause = t, 0, time.Time{}, nil
		return t, nil
	}
	if ctx.Err() != nil { // says nothing of the provider
		return token{}, ctx.Err()
	}
	s.failures++
	s.until, s.cause = time.Now().Add(pauseAfter(s.failures, err)), err
	if e, ok := errors.AsType[*Error](err); ok && !e.Lasting && e.Retry.IsZero() {
		later := *e
		later.Retry = s.until
		s.cause = &later
	}
	if s.now.secret != "" && time.Now().Before(s.now.ends) {
		return s.now, nil
	}
	return token{}, s.cause
}

// The pauses after a fetch that failed: doubled from first to longest, with jitter; tenantPause where a
// person has to mend something at the provider.
const (
	pauseFirst   = 2 * time.Second
	pauseLongest = 5 * time.Minute
	tenantPause  = time.Minute
)

// pauseAfter is how long nobody asks again.
func pauseAfter(failures int, err error) time.Duration {
	d := pauseLongest
	if failures < 9 {
		d = min(pauseFirst<<(failures-1), pauseLongest)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		switch {
		case e.Tenant && e.Kind != store.TokenUnavailable:
			d = max(d, tenantPause)
		case e.Lasting: // somebody may have just mended it
			return 0
		}
	}
	d = max(d, hint(err))
	return d + rand.N(d/4+1)
}

// refused gives a token up that a server has refused, and tells whether there is another one to be
// had: not if the one refused came in place of one that was refused a moment ago.
func (s *source) refused(secret store.Secret) (another bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.now.secret != secret:
		return true // somebody else was faster
	case now.Sub(s.thrown) < rethrow:
		return false
	}
	s.now, s.thrown, s.until = token{}, now, time.Time{}
	return true
}

// forget drops the token.
func (s *source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.failures, s.until, s.cause = token{}, 0, time.Time{}, nil
}
