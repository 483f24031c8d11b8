package syncer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
)

// throttles are the limits of domains, which all their accounts share.
type throttles struct {
	mu      sync.Mutex
	domains map[string]*throttle
}

// throttle bounds messages and octets a second.
type throttle struct {
	messages, old, new *rate.Limiter // nil for no bound
}

// of returns a domain's limits.
func (t *throttles) of(d *config.Domain) *throttle {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.domains == nil {
		t.domains = map[string]*throttle{}
	}
	if t.domains[d.Name] == nil {
		t.domains[d.Name] = newThrottle(d.Limits)
	}
	return t.domains[d.Name]
}

func newThrottle(l config.Limits) *throttle {
	t := &throttle{}
	if n := l.MessagesPerSecond; n > 0 {
		t.messages = rate.NewLimiter(rate.Limit(n), 1)
	}
	if n := l.BytesPerSecond; n > 0 {
		t.old = rate.NewLimiter(rate.Limit(n), pieceOf(n))
		t.new = rate.NewLimiter(rate.Limit(n), pieceOf(n))
	}
	return t
}

// pieceOf is how many octets are moved at once at a rate: little enough for
// short waits, enough not to make a system call for every line.
func pieceOf(perSecond int64) int { return int(min(max(perSecond/8, 512), 64<<10)) }

// traffic is what an account moves on both sides, and may.
type traffic struct {
	messages []*rate.Limiter
	old, new flow

	saving sync.Mutex
	saved  uint64 // of the budgets' octets, those in the store
}

// newTraffic begins with the octets that the store knows of.
func newTraffic(domain *throttle, l config.AccountLimits, before []store.Usage) *traffic {
	own := newThrottle(l.Limits)
	t := &traffic{
		messages: limiters(domain.messages, own.messages),
		old:      flow{limiters: limiters(domain.old, own.old), reads: true, budget: budget{side: "old", limit: uint64(l.OldBytesPerDay)}},
		new:      flow{limiters: limiters(domain.new, own.new), budget: budget{side: "new", limit: uint64(l.NewBytesPerDay)}},
	}
	for _, u := range before {
		t.old.budget.add(u.Hour, u.Old)
		t.new.budget.add(u.Hour, u.New)
	}
	t.saved = t.total()
	return t
}

func limiters(list ...*rate.Limiter) (some []*rate.Limiter) {
	for _, l := range list {
		if l != nil {
			some = append(some, l)
		}
	}
	return some
}

// message waits until one more message may be read.
func (t *traffic) message(ctx context.Context) error {
	for _, l := range t.messages {
		if err := l.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// take sets the octets of a message aside on both sides. The error is a *budgetError.
func (t *traffic) take(now time.Time, octets uint64) error {
	if err := t.old.budget.take(now, octets); err != nil {
		return err
	}
	if err := t.new.budget.take(now, octets); err != nil {
		t.old.budget.giveBack(octets)
		return err
	}
	return nil
}

// spent is a *budgetError if nothing more can be moved now.
func (t *traffic) spent(now time.Time) error {
	if err := t.take(now, 1); err != nil {
		return err
	}
	t.old.budget.giveBack(1)
	t.new.budget.giveBack(1)
	return nil
}

// rests is about how long the account will have to rest until so many octets
// have been copied.
func (t *traffic) rests(now time.Time, octets uint64) time.Duration {
	return max(t.old.budget.rests(now, octets), t.new.budget.rests(now, octets))
}

func (t *traffic) total() uint64 { return t.old.budget.total() + t.new.budget.total() }

// saveSoon saves when a good part of a budget was used since it was done last.
func (t *traffic) saveSoon(ctx context.Context, st store.Store, id store.AccountID) error {
	least := max(t.old.budget.limit, t.new.budget.limit)
	if l := min(t.old.budget.limit, t.new.budget.limit); l > 0 {
		least = l
	}
	if least == 0 || t.total()-t.saved < least/100 {
		return nil
	}
	return t.save(ctx, st, id)
}

// save writes what was used to the store, if there is a budget and it changed.
func (t *traffic) save(ctx context.Context, st store.Store, id store.AccountID) error {
	t.saving.Lock()
	defer t.saving.Unlock()
	total := t.total()
	if t.old.budget.limit == 0 && t.new.budget.limit == 0 || total == t.saved {
		return nil
	}
	now := time.Now()
	var hours []store.Usage
	for h := hourOf(now) - budgetHours + 1; h <= hourOf(now); h++ {
		u := store.Usage{Hour: time.Unix(h*3600, 0).UTC(), Old: t.old.budget.in(h), New: t.new.budget.in(h)}
		if u.Old+u.New > 0 {
			hours = append(hours, u)
		}
	}
	if err := st.PutUsage(ctx, id, hours); err != nil {
		return err
	}
	t.saved = total
	return nil
}

// flow is the traffic of one side. It implements upstream.Traffic.
type flow struct {
	limiters []*rate.Limiter
	reads    bool // what is read counts, otherwise what is written
	budget   budget
}

// bound is the flow for a connection, nil if nothing bounds it.
func (f *flow) bound() upstream.Traffic {
	if len(f.limiters) == 0 && f.budget.limit == 0 {
		return nil
	}
	return f
}

// Piece implements upstream.Traffic.
func (f *flow) Piece() (n int) {
	for _, l := range f.limiters {
		if n == 0 || l.Burst() < n {
			n = l.Burst()
		}
	}
	return n
}

// Moved implements upstream.Traffic.
func (f *flow) Moved(read, written int) (wait time.Duration) {
	n := written
	if f.reads {
		n = read
	}
	if n == 0 {
		return 0
	}
	now := time.Now()
	f.budget.add(now, uint64(n))
	for _, l := range f.limiters {
		wait = max(wait, l.ReserveN(now, n).DelayFrom(now))
	}
	return wait
}

// budgetHours are the hours that a budget looks at: 24 and the one that goes
// on, so that no 24 hours have more than the limit.
const budgetHours = 25

// budget is how many octets may be moved on one side within 24 hours.
type budget struct {
	side  string // "old" or "new"
	limit uint64 // 0 for no bound

	mu    sync.Mutex
	hours [budgetHours]struct {
		hour   int64 // since 1970
		octets uint64
	}
	aside uint64 // of messages on their way
	all   uint64 // that were ever added
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

func (b *budget) add(when time.Time, octets uint64) {
	if b.limit == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := &b.hours[hourOf(when)%budgetHours]
	if h.hour != hourOf(when) {
		h.hour, h.octets = hourOf(when), 0
	}
	h.octets += octets
	b.all += octets
}

func (b *budget) total() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

// in is what was moved in an hour.
func (b *budget) in(hour int64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.hours[hour%budgetHours]; h.hour == hour {
		return h.octets
	}
	return 0
}

// used is what was moved in the last 24 hours at least. The caller holds the lock.
func (b *budget) used(now time.Time) (octets uint64) {
	for _, h := range b.hours {
		if h.hour > hourOf(now)-budgetHours {
			octets += h.octets
		}
	}
	return octets
}

// rests is about how long an account will have to rest until so many octets
// have been moved: a day for each time that the limit is reached.
func (b *budget) rests(now time.Time, octets uint64) time.Duration {
	if b.limit == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.limit - min(b.limit, b.used(now))
	if octets <= left {
		return 0
	}
	return time.Duration((octets-left-1)/b.limit+1) * 24 * time.Hour
}

// take sets octets aside. A message that is larger than the whole limit would
// never have its turn; it has one while half of the limit is left.
func (b *budget) take(now time.Time, octets uint64) error {
	if b.limit == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	used := b.used(now)
	fits := used+b.aside+octets <= b.limit
	giant := octets > b.limit/2 && used+b.aside <= b.limit/2
	if !fits && !giant {
		return &budgetError{side: b.side, used: used, limit: b.limit, until: b.roomAt(now)}
	}
	b.aside += octets
	return nil
}

// giveBack ends what take began: the octets were counted as they moved, or did not.
func (b *budget) giveBack(octets uint64) {
	if b.limit == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aside -= min(octets, b.aside)
}

// roomAt is when a good part of the limit will be there again, so that it is
// not nibbled at. The caller holds the lock.
func (b *budget) roomAt(now time.Time) time.Time {
	used := b.used(now)
	enough := b.limit / 2
	if used <= enough {
		return now.Add(time.Minute) // what was set aside will have been counted
	}
	for h := hourOf(now) - budgetHours + 1; h <= hourOf(now); h++ {
		at := b.hours[h%budgetHours]
		if at.hour != h {
			continue
		}
		if used -= at.octets; used <= enough {
			return time.Unix((h+budgetHours)*3600, 0)
		}
	}
	return now.Add(time.Hour)
}

// budgetError means that an account has to rest.
type budgetError struct {
	side        string
	used, limit uint64
	until       time.Time
}

func (e *budgetError) Error() string {
	return fmt.Sprintf("%d of %d octets used within 24 hours (%s_bytes_per_day)", e.used, e.limit, e.side)
}

func (e *budgetError) describe(p *store.Problem) {
	p.Kind, p.Server, p.Summary, p.Folder = store.BudgetUsed, store.Side(e.side), e.Summary(), ""
	p.Retry = time.Now().Add(max(time.Until(e.until), time.Second))
}

// Summary is for the person at the screen.
func (e *budgetError) Summary() string {
	did := "read from the old server"
	if e.side == "new" {
		did = "written to the new server"
	}
	return fmt.Sprintf("%s were %s within 24 hours, as much as the configuration allows (%s_bytes_per_day). It goes on by itself at %s.",
		humanSize(e.used), did, e.side, e.until.Local().Format("15:04 on 2006-01-02"))
}

// humanSize is a number of octets for people, in units of 1000.
func humanSize(n uint64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f kB", float64(n)/1e3)
}
