package mailbox

import (
	"context"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
)

// StandIns are the credentials of an account's aliases that are used in place of its own where a server
// does not take those: all of them lead to the same mailbox, and whoever logs in by an alias may be the
// only one who has given a password that is right. That counts for what is proved only: whoever may say that two
// logins are one mailbox need not be who may read both. Credentials that were refused are not tried again.
type StandIns struct {
	Store  Store
	Claims *Mailboxes
	Cfg    *config.Config
	ID     store.AccountID
	Log    zerolog.Logger

	mu      sync.Mutex
	chosen  map[store.Side]store.Credentials
	refused map[store.Side][]store.Credentials
}

// pick returns what to log in with in place of an account's own credentials.
func (s *StandIns) pick(side store.Side, own store.Credentials) store.Credentials {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.chosen[side]; ok {
		return c
	}
	return own
}

// next chooses others after a server has refused some; false if there are none.
func (s *StandIns) next(side store.Side, refused store.Credentials, all []store.Credentials) (store.Credentials, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refused == nil {
		s.chosen, s.refused = map[store.Side]store.Credentials{}, map[store.Side][]store.Credentials{}
	}
	if !slices.Contains(s.refused[side], refused) {
		s.refused[side] = append(s.refused[side], refused)
	}
	delete(s.chosen, side)
	for _, c := range all {
		if !slices.Contains(s.refused[side], c) {
			s.chosen[side] = c
			return c, true
		}
	}
	return store.Credentials{}, false
}

// Reset forgets all, as the account has other credentials of its own.
func (s *StandIns) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chosen, s.refused = nil, nil
}

// StandIn chooses the credentials of an alias that are to be used instead of those that a server has refused.
func (s *StandIns) StandIn(ctx context.Context, side store.Side, refused store.Credentials) (store.Credentials, bool) {
	if err := s.Claims.Load(ctx, s.Store, s.Cfg); err != nil {
		return store.Credentials{}, false
	}
	var all []store.Credentials
	for _, id := range s.Claims.AliasesOf(ctx, s.Store, s.ID) {
		alias, err := s.Store.AccountByID(ctx, id)
		if err != nil || alias.State != store.Active || !alias.AliasProved {
			continue
		}
		c := alias.Old
		if side == store.NewSide {
			c = alias.New
		}
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	c, ok := s.next(side, refused, all)
	if ok {
		s.Log.Info().Str("server", string(side)).Str("login", c.Login).Msg("the server does not take the account's login; an alias's is used instead")
	}
	return c, ok
}

// PickLogin implements logins.
func (s *StandIns) PickLogin(side store.Side, own store.Credentials) store.Credentials {
	return s.pick(side, own)
}
