package session

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"postferry/config"
	"postferry/internal/humanize"
	"postferry/report/reason"
	"postferry/store"
	"postferry/upstream/link"
)

// Throttles are the limits of domains, which all their accounts share.
type Throttles struct {
	mu      sync.Mutex
	domains map[string]*Throttle
}

// Throttle bounds messages and octets a second.
type Throttle struct {
	messages, old, new *rate.Limiter // nil for no bound
	limits             config.Limits // which it was made of
}

// Of returns a domain's limits.
func (t *Throttles) Of(d *config.Domain) *Throttle {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.domains == nil {
		t.domains = map[string]*Throttle{}
	}
	if t.domains[d.Name] == nil || t.domains[d.Name].limits != d.Limits { // somebody has changed them
		t.domains[d.Name] = newThrottle(d.Limits)
	}
	return t.domains[d.Name]
}

func newThrottle(l config.Limits) *Throttle {
	t := &Throttle{limits: l}
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

// RateLimits is what an account moves on both sides, and may.
type RateLimits struct {
	messages []*rate.Limiter
	Old, New Flow

	saving sync.Mutex
	saved  uint64 // of the budgets' octets, those in the store
}

// NewRateLimits begins with the octets that the store knows of.
func NewRateLimits(domain *Throttle, l config.AccountLimits, before []store.Usage) *RateLimits {
	own := newThrottle(l.Limits)
	t := &RateLimits{
		messages: limiters(domain.messages, own.messages),
		Old:      Flow{limiters: limiters(domain.old, own.old), reads: true, Budget: Budget{Side: "old", Limit: uint64(l.OldBytesPerDay)}},
		New:      Flow{limiters: limiters(domain.new, own.new), Budget: Budget{Side: "new", Limit: uint64(l.NewBytesPerDay)}},
	}
	for _, u := range before {
		t.Old.Budget.Add(u.Hour, u.Old)
		t.New.Budget.Add(u.Hour, u.New)
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

// Needs is how long so many messages take at least; 0 without a limit for messages.
func (t *RateLimits) Needs(messages int) (d time.Duration) {
	for _, l := range t.messages {
		d = max(d, scaled(time.Second, uint64(max(messages, 0)), uint64(max(l.Limit(), 1))))
	}
	return d
}

// Within is how many messages come in a time at most.
func (t *RateLimits) Within(d time.Duration) (messages int) {
	messages = math.MaxInt
	for _, l := range t.messages {
		messages = min(messages, int(float64(l.Limit())*d.Seconds()))
	}
	return messages
}

// Message waits until one more message may be read.
func (t *RateLimits) Message(ctx context.Context) error {
	for _, l := range t.messages {
		if err := l.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Take sets the octets of a message aside on both sides. The error is a *budgetError.
func (t *RateLimits) Take(now time.Time, octets uint64) error {
	if err := t.Old.Budget.Take(now, octets); err != nil {
		return err
	}
	if err := t.New.Budget.Take(now, octets); err != nil {
		t.Old.Budget.GiveBack(octets)
		return err
	}
	return nil
}

// Spent is a *budgetError if nothing more can be moved now.
func (t *RateLimits) Spent(now time.Time) error {
	if err := t.Take(now, 1); err != nil {
		return err
	}
	t.Old.Budget.GiveBack(1)
	t.New.Budget.GiveBack(1)
	return nil
}

// Rests is about how long the account will have to rest until so many octets
// have been copied.
func (t *RateLimits) Rests(now time.Time, octets uint64) time.Duration {
	return max(t.Old.Budget.rests(now, octets), t.New.Budget.rests(now, octets))
}

func (t *RateLimits) total() uint64 { return t.Old.Budget.Total() + t.New.Budget.Total() }

// UsageStore is what usage is saved in.
type UsageStore interface {
	PutUsage(ctx context.Context, id store.AccountID, hours []store.Usage) error
}

// SaveSoon saves when a good part of a budget was used since it was done last.
func (t *RateLimits) SaveSoon(ctx context.Context, st UsageStore, id store.AccountID) error {
	least := max(t.Old.Budget.Limit, t.New.Budget.Limit)
	if l := min(t.Old.Budget.Limit, t.New.Budget.Limit); l > 0 {
		least = l
	}
	if least == 0 || t.total()-t.saved < least/100 {
		return nil
	}
	return t.Save(ctx, st, id)
}

// Save writes what was used to the store, if there is a budget and it changed.
func (t *RateLimits) Save(ctx context.Context, st UsageStore, id store.AccountID) error {
	t.saving.Lock()
	defer t.saving.Unlock()
	total := t.total()
	if t.Old.Budget.Limit == 0 && t.New.Budget.Limit == 0 || total == t.saved {
		return nil
	}
	now := time.Now()
	var hours []store.Usage
	for h := hourOf(now) - budgetHours + 1; h <= hourOf(now); h++ {
		u := store.Usage{Hour: time.Unix(h*3600, 0).UTC(), Old: t.Old.Budget.in(h), New: t.New.Budget.in(h)}
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

// Flow is the traffic of one side. It implements link.Traffic.
type Flow struct {
	limiters []*rate.Limiter
	reads    bool // what is read counts, otherwise what is written
	Budget   Budget
}

// Bound is the flow for a connection, nil if nothing bounds it.
func (f *Flow) Bound() link.Traffic {
	if len(f.limiters) == 0 && f.Budget.Limit == 0 {
		return nil
	}
	return f
}

// Piece implements link.Traffic.
func (f *Flow) Piece() (n int) {
	for _, l := range f.limiters {
		if n == 0 || l.Burst() < n {
			n = l.Burst()
		}
	}
	return n
}

// Moved implements link.Traffic.
func (f *Flow) Moved(read, written int) (wait time.Duration) {
	n := written
	if f.reads {
		n = read
	}
	if n == 0 {
		return 0
	}
	now := time.Now()
	f.Budget.Add(now, uint64(n))
	for _, l := range f.limiters {
		wait = max(wait, l.ReserveN(now, n).DelayFrom(now))
	}
	return wait
}

// budgetHours are the hours that a budget looks at: 24 and the one that goes
// on, so that no 24 hours have more than the limit.
const budgetHours = 25

// Budget is how many octets may be moved on one side within 24 hours.
type Budget struct {
	Side  string // "old" or "new"
	Limit uint64 // 0 for no bound

	mu    sync.Mutex
	hours [budgetHours]struct {
		hour   int64 // since 1970
		octets uint64
	}
	aside uint64 // of messages on their way
	all   uint64 // that were ever added
}

func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

func (b *Budget) Add(when time.Time, octets uint64) {
	if b.Limit == 0 {
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

func (b *Budget) Total() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all
}

// in is what was moved in an hour.
func (b *Budget) in(hour int64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if h := b.hours[hour%budgetHours]; h.hour == hour {
		return h.octets
	}
	return 0
}

// used is what was moved in the last 24 hours at least. The caller holds the lock.
func (b *Budget) used(now time.Time) (octets uint64) {
	for _, h := range b.hours {
		if h.hour > hourOf(now)-budgetHours {
			octets += h.octets
		}
	}
	return octets
}

// rests is about how long an account will have to rest until so many octets
// have been moved: a day for each time that the limit is reached.
func (b *Budget) rests(now time.Time, octets uint64) time.Duration {
	if b.Limit == 0 {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.Limit - min(b.Limit, b.used(now))
	if octets <= left {
		return 0
	}
	return time.Duration((octets-left-1)/b.Limit+1) * 24 * time.Hour
}

// Take sets octets aside. A message that is larger than the whole limit would
// never have its turn; it has one while half of the limit is left.
func (b *Budget) Take(now time.Time, octets uint64) error {
	if b.Limit == 0 {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	used := b.used(now)
	fits := used+b.aside+octets <= b.Limit
	giant := octets > b.Limit/2 && used+b.aside <= b.Limit/2
	if !fits && !giant {
		return &budgetError{Side: b.Side, Used: used, limit: b.Limit, Until: b.roomAt(now)}
	}
	b.aside += octets
	return nil
}

// GiveBack ends what take began: the octets were counted as they moved, or did not.
func (b *Budget) GiveBack(octets uint64) {
	if b.Limit == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.aside -= min(octets, b.aside)
}

// roomAt is when a good part of the limit will be there again, so that it is
// not nibbled at. The caller holds the lock.
func (b *Budget) roomAt(now time.Time) time.Time {
	used := b.used(now)
	enough := b.Limit / 2
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
	Side        string
	Used, limit uint64
	Until       time.Time
}

func (e *budgetError) Error() string {
	return fmt.Sprintf("%d of %d octets used within 24 hours (%s_bytes_per_day)", e.Used, e.limit, e.Side)
}

func (e *budgetError) Describe(p *store.Problem) {
	p.Kind, p.Server, p.Summary, p.Folder = store.BudgetUsed, store.Side(e.Side), e.Summary(), ""
	p.Retry = time.Now().Add(max(time.Until(e.Until), time.Second))
}

// Summary is for the person at the screen.
func (e *budgetError) Summary() reason.Reason {
	code := reason.TroubleBudgetOld
	if store.Side(e.Side) == store.NewSide {
		code = reason.TroubleBudgetNew
	}
	return reason.Of(code, humanize.RoundSize(e.Used), e.Until.Local().Format("15:04 on 2006-01-02"))
}
