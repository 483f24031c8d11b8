package tenant

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"postferry/config"
	"postferry/store"
)

// Agreements are what people have agreed to, as it is kept.
type Agreements interface {
	Consent(ctx context.Context, m store.Mailbox) (store.Consent, error)
	Consents(ctx context.Context, domain string) ([]store.Consent, error)
}

const (
	// partingBound is how long it may take to tell providers of all that has ended; what is left is not told.
	partingBound = 45 * time.Second
	// toldAtOnce is how many agreements are told of at a time.
	toldAtOnce = 4
)

// ended is an agreement that may come to its end, and where it was of use.
type ended struct {
	store.Consent
	server config.Server
}

// Parting is for what may end people's agreements at a domain's servers: that accounts are finished, or all of the domain
// is forgotten. It is called before that, and tell after it: providers are told of those that are gone by then, as far as
// they can be told.
func (c *Connector) Parting(ctx context.Context, kept Agreements, d config.Domain) (tell func(context.Context) (told int), err error) {
	var all []ended
	for side, server := range map[store.Side]config.Server{store.OldSide: d.Old, store.NewSide: d.New} {
		if server.SignIn == nil || server.SignIn.Method != config.Consent {
			continue
		}
		consents, err := kept.Consents(ctx, d.Name)
		if err != nil {
			return nil, err
		}
		for _, x := range consents {
			if x.Side != side {
				continue
			}
			agreed, err := kept.Consent(ctx, x.Mailbox)
			switch {
			case err == nil:
				all = append(all, ended{agreed, server})
			case !errors.Is(err, store.ErrNotFound):
				return nil, err
			}
		}
	}
	return func(ctx context.Context) int { return c.tellEnded(ctx, kept, all) }, nil
}

// tellEnded tells providers of agreements that are not kept any more.
func (c *Connector) tellEnded(ctx context.Context, kept Agreements, all []ended) int {
	ctx, cancel := context.WithTimeout(ctx, partingBound)
	defer cancel()
	var told atomic.Int32
	var telling errgroup.Group
	telling.SetLimit(toldAtOnce)
	for _, x := range all {
		telling.Go(func() error {
			if _, err := kept.Consent(ctx, x.Mailbox); !errors.Is(err, store.ErrNotFound) {
				return nil
			}
			done, err := c.Revoke(ctx, x.server, x.Consent)
			if err != nil {
				c.Log.Warn().Err(err).Str("account", x.Login).Msg("the provider can't be told that an agreement has ended")
			}
			if done {
				told.Add(1)
			}
			return nil
		})
	}
	_ = telling.Wait() // none of them fails
	return int(told.Load())
}
