package admin

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"

	"postferry/admin/access"
	"postferry/admin/jobs"
	"postferry/config"
	"postferry/store"
	"postferry/tenant"
)

const (
	// maxCodesEach, maxCodes and maxCodesAll bound the codes that wait to be entered: of a domain's people and
	// programs, of all domains', of those who look after everything.
	maxCodesEach, maxCodes, maxCodesAll = 10, 40, 40
	// codeKept is how long is told what came of a code.
	codeKept = 10 * time.Minute
)

// The states of a code.
const (
	codeWaiting = "waiting"
	codeAgreed  = "agreed"
	codeEnded   = "ended" // nothing came of it
)

// ConsentCodeView is a code that the owner of a mailbox enters at the provider, on any device.
type ConsentCodeView struct {
	ID      string     `json:"id"`
	Mailbox string     `json:"mailbox"`
	URL     string     `json:"url"`  // where
	Code    string     `json:"code"` // "" once it is over
	Ends    time.Time  `json:"ends"`
	State   string     `json:"state"` // waiting, agreed, ended
	Ended   *time.Time `json:"ended"`
	// Why says why nothing came of it: the code of a refusal, and its sentence.
	Why    string          `json:"why,omitempty"`
	Error  string          `json:"error,omitempty"`
	Reason *access.Refusal `json:"-"`
}

// consentCode is one, and what ends it.
type consentCode struct {
	domain string
	side   store.Side
	stop   context.CancelFunc
	shown  chan struct{} // closed when there is a code to be shown, or an end
	open   sync.Once     // closes it
	view   ConsentCodeView
}

// consentCodes are those that wait, or ended lately, in memory only.
type consentCodes struct {
	places *access.Places
	mu     sync.Mutex
	last   uint64
	all    []*consentCode
}

func newConsentCodes() *consentCodes {
	return &consentCodes{places: access.NewPlaces(maxCodesEach, maxCodes, maxCodesAll)}
}

// begin notes a code that is being asked for, in place of one for the same mailbox.
func (c *consentCodes) begin(domain string, side store.Side, mailbox string, stop context.CancelFunc) *consentCode {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(func(x *consentCode) bool {
		return x.domain == domain && x.side == side && config.FoldLogin(x.view.Mailbox) == config.FoldLogin(mailbox)
	})
	c.last++
	x := &consentCode{domain: domain, side: side, stop: stop, shown: make(chan struct{}), view: ConsentCodeView{ID: strconv.FormatUint(c.last, 10), Mailbox: mailbox, State: codeWaiting}}
	c.all = append(c.all, x)
	return x
}

// dropLocked ends and forgets some.
func (c *consentCodes) dropLocked(which func(*consentCode) bool) (dropped int) {
	c.all = slices.DeleteFunc(c.all, func(x *consentCode) bool {
		if !which(x) {
			return false
		}
		x.stop()
		dropped++
		return true
	})
	return dropped
}

// dropOldLocked forgets those whose end has been told for long enough.
func (c *consentCodes) dropOldLocked(now time.Time) {
	c.dropLocked(func(x *consentCode) bool { return x.view.Ended != nil && now.Sub(*x.view.Ended) > codeKept })
}

// drop forgets those of a domain at a server.
func (c *consentCodes) drop(domain string, side store.Side) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(func(x *consentCode) bool { return x.domain == domain && x.side == side })
}

// cancel forgets one; false if there is none.
func (c *consentCodes) cancel(domain string, side store.Side, id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropLocked(func(x *consentCode) bool { return x.domain == domain && x.side == side && x.view.ID == id }) > 0
}

// of are those of a domain at a server, newest first.
func (c *consentCodes) of(domain string, side store.Side, now time.Time) []ConsentCodeView {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropOldLocked(now)
	all := []ConsentCodeView{}
	for _, x := range slices.Backward(c.all) {
		if x.domain == domain && x.side == side && (x.view.Code != "" || x.view.Ended != nil) {
			all = append(all, x.view)
		}
	}
	return all
}

// show notes what the owner has to do.
func (c *consentCodes) show(x *consentCode, p tenant.Prompt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x.view.URL, x.view.Code, x.view.Ends = p.URL, p.Code, p.Ends
	x.open.Do(func() { close(x.shown) })
}

// end notes what came of it.
func (c *consentCodes) end(x *consentCode, now time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropOldLocked(now)
	x.open.Do(func() { close(x.shown) })
	x.view.Code, x.view.Ended, x.view.State = "", &now, codeAgreed
	if err != nil {
		x.view.State, x.view.Reason = codeEnded, access.AsRefusal(err)
		x.view.Why, x.view.Error = x.view.Reason.Code, x.view.Reason.Detail
	}
}

// seen is one as it is now.
func (c *consentCodes) seen(x *consentCode) ConsentCodeView {
	c.mu.Lock()
	defer c.mu.Unlock()
	return x.view
}

// BeginCode asks the provider for a code that the owner of a mailbox enters there, and waits for that to happen after
// it has returned.
func (a *Consents) BeginCode(ctx context.Context, who access.Actor, domain string, side store.Side, mailbox string) (*ConsentCodeView, error) {
	d, server, err := a.place(ctx, who, domain, side)
	if err != nil {
		return nil, err
	}
	if mailbox, err = a.checkMailbox(who, d, mailbox); err != nil {
		return nil, err
	}
	stopped, stop := context.WithCancel(context.WithoutCancel(ctx))
	x := a.codes.begin(d.Name, side, mailbox, stop)
	err = a.jobs.StartIn(ctx, a.codes.places, who.Scope, func(ctx context.Context) {
		defer context.AfterFunc(ctx, stop)()
		defer stop()
		err := a.await(stopped, who, server, mailbox, x)
		a.codes.end(x, time.Now(), err)
	})
	if err != nil {
		a.codes.cancel(d.Name, side, x.view.ID)
		if errors.Is(err, jobs.ErrNoPlace) {
			return nil, access.Busy("too_many_codes", "Too many codes wait to be entered. Cancel one, or wait.", time.Minute)
		}
		return nil, err
	}
	select {
	case <-x.shown:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	v := a.codes.seen(x)
	if v.Reason != nil { // no code was given
		a.codes.cancel(d.Name, side, v.ID)
		return nil, v.Reason
	}
	return &v, nil
}

// await waits until a code has been entered, and keeps what was agreed to.
func (a *Consents) await(ctx context.Context, who access.Actor, server config.Server, mailbox string, x *consentCode) error {
	agreed, err := a.connector().ConsentByCode(ctx, server, mailbox, func(p tenant.Prompt) error {
		a.codes.show(x, p)
		return nil
	})
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case err != nil:
		return a.refusal(err)
	}
	// It may have been cancelled, or the server be signed in to in another way by now.
	_, now, err := a.place(ctx, who, x.domain, x.side)
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err == nil && now.SignIn != server.SignIn:
		err = access.Conflict(string(tenant.NotAsked), "People don't sign in for themselves at this server.")
	}
	if err != nil {
		a.revoke(context.WithoutCancel(ctx), server, agreed)
		return err
	}
	return a.keep(ctx, who, server, agreed)
}

// Codes are those that wait to be entered for a domain's server, or ended lately.
func (a *Consents) Codes(ctx context.Context, who access.Actor, domain string, side store.Side) ([]ConsentCodeView, error) {
	d, _, err := a.place(ctx, who, domain, side)
	if err != nil {
		return nil, err
	}
	return a.codes.of(d.Name, side, time.Now()), nil
}

// CancelCode ends a code, or what is told of it.
func (a *Consents) CancelCode(ctx context.Context, who access.Actor, domain string, side store.Side, id string) error {
	d, _, err := a.place(ctx, who, domain, side)
	if err != nil {
		return err
	}
	if !a.codes.cancel(d.Name, side, id) {
		return access.NotFound("code")
	}
	return nil
}
