package lifecycle

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/discover"
	"postferry/stage"
	"postferry/store"
)

// Guide assesses domains. Its exported fields are set before it is used; it is safe for concurrent use.
type Guide struct {
	Config *config.Config
	Store  Store
	Finder *discover.Finder
	Log    zerolog.Logger
	// Told hears of accounts of a domain that were finished, and of those of one that was forgotten;
	// nil for nobody.
	Told func(ctx context.Context, domain string, ids []store.AccountID) error
	// MXMoved hears, once it is noted, that the MX of a domain has moved, or back; nil for nobody.
	MXMoved func()
	// Parting is called before what people have agreed to may be forgotten, and tell after it: so their providers can be
	// told. nil for nobody.
	Parting func(ctx context.Context, d config.Domain) (tell func(context.Context) (told int), err error)

	mu   sync.Mutex
	last map[string]*discover.Names // what DNS told last, by domain
}

// ErrNoDomain means that no such domain is known.
var ErrNoDomain = errors.New("no such domain is set up, in the configuration or at the import page")

// Assess says how far a domain is. With fresh DNS is asked now, which takes up to 10 seconds; else what
// it told last counts, if that is not older than two looks.
func (g *Guide) Assess(ctx context.Context, domain string, fresh bool) (stage.Assessment, error) {
	f, err := g.facts(ctx, domain, fresh)
	if err != nil {
		return stage.Assessment{}, err
	}
	accounts, err := g.Store.Overview(ctx, f.Domain)
	if err != nil {
		return stage.Assessment{}, err
	}
	f.Gather(accounts)
	return stage.Assess(f), nil
}

// AssessThese is Assess without fresh for who has read the domain's accounts already.
func (g *Guide) AssessThese(ctx context.Context, domain string, accounts []store.Overview) (stage.Assessment, error) {
	f, err := g.facts(ctx, domain, false)
	if err != nil {
		return stage.Assessment{}, err
	}
	f.Gather(accounts)
	return stage.Assess(f), nil
}

// facts are what is known of a domain, but for its accounts.
func (g *Guide) facts(ctx context.Context, domain string, fresh bool) (*stage.Facts, error) {
	d, ok := g.Config.DomainNamed(domain)
	if !ok {
		return nil, ErrNoDomain
	}
	names := g.lastNames(d.Name)
	if fresh {
		var err error
		if names, err = g.look(ctx, d); err != nil {
			return nil, err
		}
	}
	move, err := g.Store.Move(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	f := &stage.Facts{Domain: d.Name, OldHost: d.Old.Host, NewHost: d.New.Host, Now: time.Now(), Quiet: g.Config.Watch.Quiet, Move: move, Names: names}
	if d.WayBack {
		sum, err := g.Store.WayBackOf(ctx, d.Name)
		if err != nil {
			return nil, err
		}
		f.WayBack = &sum
	}
	return f, nil
}

// lastNames is what DNS told last of a domain's names; nil if that is too long ago.
func (g *Guide) lastNames(domain string) *discover.Names {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.last[domain]
	if n == nil || time.Since(n.At) > 2*g.Config.Watch.Every {
		return nil
	}
	return n
}

// look asks DNS for a domain's names, and notes what it tells. Whatever keeps DNS from telling
// leaves the names nil: they are unknown then.
func (g *Guide) look(ctx context.Context, d *config.Domain) (*discover.Names, error) {
	names, err := g.Finder.Names(ctx, discover.NamesQuery{Domain: d.Name, Old: d.Old.Host, NewMX: g.Config.Watch.MX})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, nil // the domain's name is none that DNS could know
	}
	g.mu.Lock()
	if g.last == nil {
		g.last = map[string]*discover.Names{}
	}
	g.last[d.Name] = names
	g.mu.Unlock()
	was, err := g.Store.Move(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	seen := stage.NamesSeen(was.Names, names)
	changed := was.Names.MX.IsZero() != seen.MX.IsZero()
	if changed {
		g.Log.Info().Str("domain", d.Name).Str("mx", string(names.MX.Spread)).Int("new", names.MX.New).Int("told", names.MX.Told).Msg("the MX has been changed")
	}
	if err := g.Store.NoteNames(ctx, d.Name, seen); err != nil {
		return names, err
	}
	if changed && g.MXMoved != nil {
		g.MXMoved()
	}
	return names, nil
}

// firstLook is how long after the start the names are looked at first, if they are looked at
// more seldom.
const firstLook = time.Minute

// Watch looks at the names of all domains that have accounts, again and again, until ctx ends.
func (g *Guide) Watch(ctx context.Context) {
	next := time.NewTimer(min(firstLook, g.Config.Watch.Every))
	defer next.Stop()
	for {
		select {
		case <-next.C:
			g.lookAtAll(ctx)
			next.Reset(g.Config.Watch.Every)
		case <-ctx.Done():
			return
		}
	}
}

// lookAtAll looks at one domain after the other.
func (g *Guide) lookAtAll(ctx context.Context) {
	accounts, err := g.Store.Accounts(ctx)
	moving := map[string]bool{}
	for i := range accounts {
		if accounts[i].State != store.Finished {
			moving[accounts[i].Domain] = true
		}
	}
	for _, d := range g.Config.AllDomains() {
		if err != nil || ctx.Err() != nil {
			break
		}
		if moving[d.Name] {
			_, err = g.look(ctx, &d)
		}
	}
	if err != nil && ctx.Err() == nil {
		g.Log.Error().Err(err).Msg("the domains' names could not be looked at")
	}
}
