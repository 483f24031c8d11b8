package notify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/stage"
	"postferry/store"
)

// Store is what telling people asks of the state.
type Store interface {
	Notices(ctx context.Context) ([]store.Notice, error)
	PutNotice(ctx context.Context, n store.Notice) error
	DeleteNotice(ctx context.Context, n store.Notice) error
	Overview(ctx context.Context, domain string) ([]store.Overview, error)
}

// Guide says how far domains are.
type Guide interface {
	Assess(ctx context.Context, domain string, fresh bool) (stage.Assessment, error)
}

// Words are a language.
type Words interface {
	// Text is the text of an id, with names and values by turns put in.
	Text(id string, values ...any) string
	// Say says a message of package stage.
	Say(m stage.Message) string
	// Problem says what keeps an account from being copied, and what to do against it.
	Problem(p *store.Problem) (what, advice string)
}

// Teller tells people how moves go on. Its fields are set before it is used. One goroutine at a
// time may use it, but for TryWebhook.
type Teller struct {
	Config *config.Config
	Store  Store
	Guide  Guide
	Words  func(language string) Words
	Log    zerolog.Logger
}

const (
	// lookEvery is the time between two looks at the domains, if looking takes no longer than lookShare of it.
	lookEvery = 30 * time.Second
	lookShare = 20
)

// Run tells people until ctx ends.
func (t *Teller) Run(ctx context.Context) {
	next := time.NewTimer(lookEvery / lookShare)
	defer next.Stop()
	for {
		select {
		case <-next.C:
			began := time.Now()
			if err := t.Look(ctx); err != nil && ctx.Err() == nil {
				t.Log.Error().Err(err).Msg("people could not be told how moves go on")
			}
			took := time.Since(began)
			t.Deliver(ctx)
			next.Reset(max(lookEvery, lookShare*took))
		case <-ctx.Done():
			return
		}
	}
}

// Look finds out what there is to tell, and notes it in the store. Deliver sends it.
func (t *Teller) Look(ctx context.Context) error {
	told, err := t.records(ctx)
	if err != nil {
		return err
	}
	known, recipients := map[string]bool{"": true}, t.Config.Recipients()
	var moves []move
	for _, d := range t.Config.AllDomains() {
		known[d.Name] = true
		theirs := whoWant(recipients, d.Name)
		if len(theirs) == 0 {
			continue
		}
		m, err := t.move(ctx, d.Name)
		if err != nil {
			return err
		}
		if err := t.tellOf(ctx, told, theirs, &m); err != nil {
			return err
		}
		moves = append(moves, m)
	}
	return errors.Join(t.digest(ctx, told, recipients, moves), t.prune(ctx, told, known))
}

// move is what there is to say of a domain's move.
type move struct {
	stage.Assessment
	causes []cause
}

func (t *Teller) move(ctx context.Context, domain string) (move, error) {
	a, err := t.Guide.Assess(ctx, domain, false)
	if err != nil {
		return move{}, fmt.Errorf("domain %s: %w", domain, err)
	}
	m := move{Assessment: a}
	if a.Figures.Troubled > 0 {
		all, err := t.Store.Overview(ctx, domain)
		if err != nil {
			return move{}, err
		}
		m.causes = causes(all)
	}
	return m, nil
}

// prune removes what was told of domains that are gone, and of trouble that is long past.
func (t *Teller) prune(ctx context.Context, told map[key]*record, known map[string]bool) (err error) {
	for k, r := range told {
		past := !r.Gone.IsZero() && time.Since(r.Gone) > keepGone && len(r.Letters) == 0
		if past || !known[k.domain] {
			err = errors.Join(err, t.Store.DeleteNotice(ctx, store.Notice{Domain: k.domain, Event: string(k.event), Cause: k.cause}))
		}
	}
	return err
}

// keepGone is for how long trouble is remembered that is past.
const keepGone = 30 * 24 * time.Hour
