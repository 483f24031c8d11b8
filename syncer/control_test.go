package syncer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postferry/config"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/schedule"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// eventually waits until something is so.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			r.t.Fatalf("not %s", what)
		}
	}
}

func (r *rig) row() store.Account {
	r.t.Helper()
	a, err := r.store.AccountByID(r.t.Context(), r.account.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

func (r *rig) complete() bool {
	s, err := r.store.Summary(r.t.Context(), r.account.ID)
	return err == nil && s.Complete
}

// busy tells whether anything goes on with the account.
func (r *rig) busy() bool {
	live, err := r.engine.Live(r.t.Context())
	return err != nil || len(live) > 0
}

func (r *rig) ids() []store.AccountID { return []store.AccountID{r.account.ID} }

// turn is the account's place in the schedule, nil if it has none.
func (r *rig) turn() (t *schedule.Turn) {
	r.t.Helper()
	if err := r.engine.loop.do(r.t.Context(), func() { t = r.engine.schedule.ByID[r.account.ID] }); err != nil {
		r.t.Fatal(err)
	}
	return t
}

// TestWaitingIsLeftAlone: of an account that was not begun nothing is copied,
// neither by the background nor for a client.
func TestWaitingIsLeftAlone(t *testing.T) {
	r := newRig(t)
	r.pair.old.deliver("INBOX", mail(1))
	if err := r.store.SetState(t.Context(), r.account.ID, store.Waiting); err != nil {
		t.Fatal(err)
	}
	r.start(true)
	r.engine.Connected(t.Context(), r.account.ID)
	r.engine.Visit(t.Context(), r.account.ID, "INBOX", nil)
	r.engine.Disconnected(r.account.ID)
	if err := r.engine.Updated(t.Context(), r.ids()); err != nil {
		t.Fatal(err)
	}
	if n := r.pair.old.attempts(); n != 0 || r.turn() != nil {
		t.Fatalf("connected %d times with the old server, turn %v", n, r.turn())
	}
	begun, err := r.engine.Begin(t.Context(), r.ids())
	if err != nil || !slices.Equal(begun, r.ids()) {
		t.Fatalf("begun: %v, %v", begun, err)
	}
	r.eventually("complete", r.complete)
	if got := r.pair.new.bodies("INBOX"); len(got) != 1 {
		t.Errorf("copied: %q", got)
	}
	if begun, err = r.engine.Begin(t.Context(), r.ids()); err != nil || len(begun) != 0 {
		t.Errorf("begun again: %v, %v", begun, err)
	}
}

// stopAt lets a background pass come to a step and stops the account there.
func (r *rig) stopAt(step string) {
	r.t.Helper()
	reached, release := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(reached); <-release })
	hold := func(s string) error {
		if s == step {
			once()
		}
		return nil
	}
	r.pair.old.fail(hold)
	r.pair.new.fail(hold)
	r.start(true)
	select {
	case <-reached:
	case <-time.After(passLimit):
		r.t.Fatalf("no pass came to %s", step)
	}
	stopped, err := r.engine.Stop(r.t.Context(), r.ids())
	if err != nil || !slices.Equal(stopped, r.ids()) {
		r.t.Errorf("stopped: %v, %v", stopped, err)
	}
	close(release)
}

// TestStopAtEveryStep: wherever a pass is, it ends, nothing is tried by itself
// any more, and begun again everything gets there once.
func TestStopAtEveryStep(t *testing.T) {
	for _, step := range []string{"+CONNECT", "+LIST", "+EARLY", "+LISTING", "+BODIES", "+APPEND", "-APPEND"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T) {
				r := newRig(t)
				if step == "+LISTING" {
					r.pair.old.folders["INBOX"].next = session.ListWindow + 1
				}
				for n := range 250 {
					r.pair.old.deliver("INBOX", mail(n))
				}
				r.stopAt(step)
				r.eventually("at rest", func() bool { return !r.busy() })
				if a := r.row(); a.State != store.Stopped || a.Problem != nil {
					t.Errorf("state %s, problem %+v", a.State, a.Problem)
				}
				before := r.pair.old.attempts() + r.pair.new.attempts()
				r.engine.Connected(t.Context(), r.account.ID)
				r.engine.Visit(t.Context(), r.account.ID, "INBOX", nil)
				r.engine.Disconnected(r.account.ID)
				if err := r.engine.Again(t.Context(), r.ids()); err != nil {
					t.Error(err)
				}
				if n := r.pair.old.attempts() + r.pair.new.attempts() - before; n != 0 || r.turn() != nil {
					t.Errorf("connected %d times while stopped, turn %v", n, r.turn())
				}
				r.stop() // the state is durable
				r.start(true)
				if r.turn() != nil {
					t.Errorf("after a restart: turn %v", r.turn())
				}
				if _, err := r.engine.Begin(t.Context(), r.ids()); err != nil {
					t.Fatal(err)
				}
				r.eventually("complete", r.complete)
				got := r.pair.new.bodies("INBOX")
				slices.Sort(got)
				if different := len(slices.Compact(slices.Clone(got))); len(got) != 250 || different != 250 {
					t.Errorf("%d messages, %d different ones", len(got), different)
				}
			})
		})
	}
}

// TestStopCuts: a server that keeps silent does not keep an account from stopping.
func TestStopCuts(t *testing.T) {
	r := newRig(t)
	r.pair.old.deliver("INBOX", mail(1))
	asked := make(chan struct{}, 1)
	var dialled atomic.Bool // sessions may be opened at the same time
	r.dialOld = func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		if !dialled.Swap(true) {
			asked <- struct{}{}
			<-ctx.Done()
			return nil, &link.Error{Op: "connect", Class: link.Later, Err: ctx.Err()}
		}
		return r.pair.dialers().Old(ctx, server, c, opt)
	}
	r.start(true)
	<-asked
	if _, err := r.engine.Stop(t.Context(), r.ids()); err != nil {
		t.Fatal(err)
	}
	r.eventually("at rest", func() bool { return !r.busy() })
	if a := r.row(); a.Problem != nil {
		t.Errorf("problem %+v", a.Problem)
	}
	if _, err := r.engine.Begin(t.Context(), r.ids()); err != nil {
		t.Fatal(err)
	}
	r.eventually("complete", r.complete)
}

// TestBeginWhileStopping: who changes their mind at once gets a pass all the same.
func TestBeginWhileStopping(t *testing.T) {
	r := newRig(t)
	for n := range 250 {
		r.pair.old.deliver("INBOX", mail(n))
	}
	r.stopAt("+APPEND")
	if _, err := r.engine.Begin(t.Context(), r.ids()); err != nil {
		t.Fatal(err)
	}
	r.eventually("complete", r.complete)
	if got := r.pair.new.bodies("INBOX"); len(got) != 250 {
		t.Errorf("%d messages", len(got))
	}
}

// TestAgain: a pass that was asked for comes after the one that runs, and forgets a problem.
func TestAgain(t *testing.T) {
	r := newRig(t)
	r.cfg.Sync.Interval = time.Hour
	r.pair.old.password = "other"
	r.start(true)
	passes := r.engine.Passes(t.Context())
	r.eventually("refused", func() bool { return r.row().Problem != nil })
	p := r.row().Problem
	if p.Kind != store.LoginRefused || p.Server != store.OldSide && p.Server != "" || r.turn() != nil {
		t.Errorf("problem %+v, turn %v", p, r.turn())
	}
	r.pair.old.mu.Lock()
	r.pair.old.password = annasPassword
	r.pair.old.mu.Unlock()
	r.pair.old.deliver("INBOX", mail(1))
	if err := r.engine.Again(t.Context(), r.ids()); err != nil {
		t.Fatal(err)
	}
	r.eventually("complete", r.complete)
	for e := range passes {
		if e.Account != r.account.ID || e.Missed {
			t.Fatalf("event %+v", e)
		}
		if e.Pass.Complete {
			break
		}
	}
	r.eventually("waiting for the interval", func() bool { t := r.turn(); return t != nil && !t.Asked })
	if due := time.Until(r.turn().Due); due < 50*time.Minute {
		t.Errorf("the next pass is due in %v", due)
	}
	r.pair.old.deliver("INBOX", mail(2))
	if err := r.engine.Again(t.Context(), r.ids()); err != nil {
		t.Fatal(err)
	}
	r.eventually("copied", func() bool { return len(r.pair.new.bodies("INBOX")) == 2 })
	if err := r.engine.Again(t.Context(), []store.AccountID{999}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown account: %v", err)
	}
}

// TestPassAskedForMeanwhile begins as soon as the one under way has ended, though
// nothing else happens then.
func TestPassAskedForMeanwhile(t *testing.T) {
	r := newRig(t)
	r.pair.old.deliver("INBOX", mail(1))
	r.start(false)
	r.sync()
	reached, release := make(chan struct{}), make(chan struct{})
	once := sync.OnceFunc(func() { close(reached); <-release })
	r.pair.old.fail(func(string) error { once(); return nil })
	ctx, cancel := context.WithTimeout(t.Context(), session.PairIdle/2) // when idle sessions are ended, things go on as well
	defer cancel()
	a, leave, err := r.engine.registry.acquire(ctx, r.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	begin := func() (reply <-chan passResult) {
		if err := a.jobs.Do(ctx, func() { reply = a.passes.begin(passOptions{fresh: true}) }); err != nil {
			t.Fatal(err)
		}
		return reply
	}
	first := begin()
	<-reached
	second := begin()
	close(release)
	for _, pass := range []<-chan passResult{first, second} {
		select {
		case res := <-pass:
			if !res.pass.Complete {
				t.Errorf("%+v", res)
			}
		case <-ctx.Done():
			t.Fatal("the pass asked for has not begun")
		}
	}
}

// TestScheduleOfDomain: a domain's schedule takes the place of the interval, and ends.
func TestScheduleOfDomain(t *testing.T) {
	r := newRig(t)
	now := time.Now()
	s := store.Schedule{Domain: "example.com", Every: 6 * time.Hour, From: now.Add(-time.Hour)}
	if err := r.store.PutSchedule(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	r.start(true)
	r.eventually("complete", r.complete)
	r.eventually("waiting", func() bool { return r.turn() != nil && !r.busy() })
	if want := s.From.Add(s.Every); !r.turn().Due.Equal(want) {
		t.Errorf("due %v, want %v", r.turn().Due, want)
	}
	s.Until = now.Add(-time.Minute)
	change := func() {
		t.Helper()
		if err := r.store.PutSchedule(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := r.engine.DomainChanged(t.Context(), "example.com"); err != nil {
			t.Fatal(err)
		}
	}
	if change(); r.turn() != nil {
		t.Errorf("after its end: %+v", r.turn())
	}
	r.pair.old.deliver("INBOX", mail(1))
	r.engine.Connected(t.Context(), r.account.ID)
	r.engine.Visit(t.Context(), r.account.ID, "INBOX", nil)
	r.engine.Disconnected(r.account.ID)
	if err := r.engine.Again(t.Context(), r.ids()); err != nil {
		t.Fatal(err)
	}
	r.eventually("copied", func() bool { return len(r.pair.new.bodies("INBOX")) == 1 })
	r.eventually("at rest", func() bool { return !r.busy() })
	if r.turn() != nil {
		t.Errorf("after a pass beyond its end: %+v", r.turn())
	}
	s.Every = 0
	if change(); r.turn() == nil {
		t.Error("without a schedule there is no turn")
	}
}

// TestServersChange: an account at work goes on with its domain's new servers,
// also while a client is connected.
func TestServersChange(t *testing.T) {
	r := newRig(t)
	r.cfg.Directory = config.NewDirectory(nil)
	domain := r.cfg.Domains[0]
	r.cfg.Directory.Put(domain)
	var mu sync.Mutex
	asked := map[string]int{}
	r.dialOld = func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		mu.Lock()
		asked[server.Host]++
		mu.Unlock()
		return r.pair.dialers().Old(ctx, server, c, opt)
	}
	r.start(true)
	r.engine.Connected(t.Context(), r.account.ID)
	r.eventually("complete", r.complete)
	domain.Old.Host = "other.example"
	r.cfg.Directory.Put(domain)
	if err := r.engine.DomainChanged(t.Context(), "example.com"); err != nil {
		t.Fatal(err)
	}
	r.pair.old.deliver("INBOX", mail(1))
	if err := r.engine.Again(t.Context(), r.ids()); err != nil {
		t.Fatal(err)
	}
	r.eventually("copied", func() bool { return len(r.pair.new.bodies("INBOX")) == 1 })
	r.engine.Visit(t.Context(), r.account.ID, "INBOX", nil)
	r.engine.Disconnected(r.account.ID)
	mu.Lock()
	defer mu.Unlock()
	if asked["old.example"] == 0 || asked["other.example"] == 0 {
		t.Errorf("asked: %v", asked)
	}
}

// TestMessagesAreNoted: how many there are is known before they are copied.
func TestMessagesAreNoted(t *testing.T) {
	r := newRig(t)
	r.pair.old.add("Work")
	for n := range 5 {
		r.pair.old.deliver([]string{"INBOX", "Work"}[n%2], mail(n))
	}
	r.start(false)
	r.sync()
	s, err := r.store.Summary(t.Context(), r.account.ID)
	if err != nil || s.Messages != 5 || s.Copied != 5 || !s.Complete || s.Passes != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

// TestSlowSubscriber is told that it missed something, and what comes after it caught up.
func TestSlowSubscriber(t *testing.T) {
	var d endings
	s := &subscriber{c: make(chan report.PassEnded, 3)}
	d.add(s)
	pass := func(id store.AccountID) { d.tell(report.PassEnded{Account: id}) }
	for id := range store.AccountID(5) {
		pass(id)
	}
	var got []store.AccountID
	read := func() {
		e := <-s.c
		if e.Missed {
			e.Account = 99
		}
		got = append(got, e.Account)
	}
	read()
	pass(5) // still no room
	read()
	read()
	pass(6)
	read()
	if want := []store.AccountID{0, 1, 99, 6}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	d.remove(s)
	d.remove(s)
	pass(7)
	if _, open := <-s.c; open {
		t.Error("something came after the end")
	}
}
