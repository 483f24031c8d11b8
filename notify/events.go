package notify

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"postferry/config"
	"postferry/stage"
	"postferry/store"
)

const (
	// settleTime is how long a cause has been there before it is told, so that more of the accounts
	// that it is about are known.
	settleTime = time.Minute
	// again is how long after it was told something may be told anew.
	again = 24 * time.Hour
)

// cause is what several accounts have the same trouble with.
type cause struct {
	problem  *store.Problem // of the account that has had it longest
	accounts int
	logins   []string // of some of them
}

// key is the same for all accounts with the same trouble.
func (c *cause) key() string { return causeOf(c.problem) }

func causeOf(p *store.Problem) string {
	return strings.Join([]string{string(p.Kind), string(p.Server), p.Host}, " ")
}

// shownLogins is how many accounts are named.
const shownLogins = 5

// causes are what a person has to mend, those of most accounts first.
func causes(all []store.Overview) []cause {
	found := map[string]*cause{}
	for i := range all {
		o := &all[i]
		if o.Alias != 0 || o.State != store.Active || o.Problem == nil || !o.Problem.NeedsPerson() {
			continue
		}
		c := found[causeOf(o.Problem)]
		if c == nil {
			c = &cause{problem: o.Problem}
			found[causeOf(o.Problem)] = c
		}
		if c.accounts++; len(c.logins) < shownLogins {
			c.logins = append(c.logins, o.Login)
		}
		if o.Problem.Since.Before(c.problem.Since) {
			c.problem = o.Problem
		}
	}
	list := make([]cause, 0, len(found))
	for _, c := range found {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b cause) int {
		return cmp.Or(cmp.Compare(b.accounts, a.accounts), cmp.Compare(a.key(), b.key()))
	})
	return list
}

// tellOf notes what there is to tell of a domain.
func (t *Teller) tellOf(ctx context.Context, told map[key]*record, recipients []*config.Recipient, m *move) error {
	news := t.news(told, m)
	first := told[key{domain: m.Domain, event: seen}] == nil
	if first && m.Figures.Accounts > 0 {
		news = append([]key{{domain: m.Domain, event: seen}}, news...)
	}
	for _, k := range news {
		r := &record{When: time.Now(), Accounts: m.Figures.Accounts}
		if k.event != seen && !(first && k.event == Finished) { // what ended before anybody looked is no news
			for _, to := range recipients {
				r.Letters = append(r.Letters, t.letters(to, k, m)...)
			}
		}
		if err := t.keep(ctx, k, r); err != nil {
			return err
		}
		told[k] = r
	}
	return t.noteGone(ctx, told, m)
}

// whoWant are those who want to be told about a domain.
func whoWant(all []*config.Recipient, domain string) (theirs []*config.Recipient) {
	for _, r := range all {
		if r.Wants(domain) {
			theirs = append(theirs, r)
		}
	}
	return theirs
}

// news are the events of a domain of which people don't know yet.
func (t *Teller) news(told map[key]*record, m *move) (news []key) {
	k := key{domain: m.Domain}
	switch k.event = milestone(m); k.event {
	case Finished:
		if r := told[k]; r == nil || r.Accounts < m.Figures.Accounts {
			news = append(news, k)
		}
	case Settled:
		if r := told[k]; r == nil || m.Late != nil && m.Late.Last.After(r.When) {
			news = append(news, k)
		}
	case Copied:
		r, later := told[k], told[key{domain: m.Domain, event: Settled}]
		if r == nil && later == nil || r != nil && r.Accounts < m.Figures.Accounts && time.Since(r.When) >= again {
			news = append(news, k)
		}
	}
	for i := range m.causes {
		c := &m.causes[i]
		k := key{m.Domain, Trouble, c.key()}
		r := told[k]
		fresh := r == nil || !r.Gone.IsZero() && time.Since(r.When) >= again
		if fresh && time.Since(c.problem.Since) >= settleTime {
			news = append(news, k)
		}
	}
	return news
}

// milestone is the last event that a move has come to; "" if it has come to none.
func milestone(m *move) Event {
	copied := slices.ContainsFunc(m.Conditions, func(c stage.Condition) bool { return c.Name == stage.AllCopied && c.State == stage.Met })
	switch {
	case m.Stage == stage.Finished:
		return Finished
	case m.Safe:
		return Settled
	case copied:
		return Copied
	}
	return ""
}

// noteGone notes which causes of a domain are not there any more, and which are there again.
func (t *Teller) noteGone(ctx context.Context, told map[key]*record, m *move) error {
	for k, r := range told {
		if k.domain != m.Domain || k.event != Trouble {
			continue
		}
		there := slices.ContainsFunc(m.causes, func(c cause) bool { return c.key() == k.cause })
		switch {
		case !there && r.Gone.IsZero():
			r.Gone = time.Now()
		case there && !r.Gone.IsZero() && time.Since(r.When) < again:
			r.Gone = time.Time{} // people know
		default:
			continue
		}
		if err := t.keep(ctx, k, r); err != nil {
			return err
		}
	}
	return nil
}

// digest notes the digest of a day, if its time has come.
func (t *Teller) digest(ctx context.Context, told map[key]*record, recipients []*config.Recipient, moves []move) error {
	if t.Config.Notify.Digest == config.NoDigest || len(recipients) == 0 {
		return nil
	}
	k := key{event: Digest}
	last := told[k]
	due := t.digestTime()
	if last != nil && !last.When.Before(due) {
		return nil
	}
	r := &record{When: time.Now()}
	if last != nil { // the first is that of tomorrow
		for _, to := range recipients {
			r.Letters = append(r.Letters, t.digestLetters(to, moves)...)
		}
	}
	told[k] = r
	return t.keep(ctx, k, r)
}

// digestTime is when the newest digest was due.
func (t *Teller) digestTime() time.Time {
	now := time.Now().Local()
	hour, minute := int(t.Config.Notify.Digest/time.Hour), int(t.Config.Notify.Digest%time.Hour/time.Minute)
	at := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, 0, 0, time.Local)
	if at.After(now) {
		at = at.AddDate(0, 0, -1)
	}
	return at
}
