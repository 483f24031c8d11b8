package runs

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"postferry/admin/ferrytest"
	"postferry/report/reason"
	"postferry/store"
)

// tracking is a tracker on a store, with accounts of one domain.
type tracking struct {
	*testing.T
	store   store.Store
	ferry   *ferrytest.Ferry
	tracker *Tracker
	ids     []store.AccountID
	began   time.Time
	stop    func()
}

// at is a second of the test.
func (x *tracking) at(sec int64) time.Time { return x.began.Add(time.Duration(sec) * time.Second) }

// later lets so many seconds go by, and tells which one it is then.
func (x *tracking) later(seconds int64) int64 {
	time.Sleep(time.Duration(seconds) * time.Second)
	return int64(time.Since(x.began) / time.Second)
}

// until lets the time go by until a second of the test.
func (x *tracking) until(sec int64) { time.Sleep(time.Until(x.at(sec))) }

func newTracking(t *testing.T, accounts int) *tracking {
	x := &tracking{T: t, store: openStore(t), began: time.Now()}
	x.ferry = ferrytest.New(x.store)
	rows := make([]store.Account, accounts)
	for i := range rows {
		rows[i] = store.Account{Domain: "example.com", Login: fmt.Sprintf("%d@example.com", i), Origin: store.Imported, State: store.Waiting}
	}
	stored, _, err := x.store.PutAccounts(t.Context(), rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range stored {
		x.ids = append(x.ids, a.ID)
	}
	x.start()
	return x
}

// start runs a tracker, in place of the one that runs.
func (x *tracking) start() {
	x.Helper()
	if x.stop != nil {
		x.stop()
	}
	x.tracker = New(x.store, x.ferry, zerolog.New(zerolog.NewTestWriter(x)))
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- x.tracker.Run(ctx) }()
	x.stop = func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			x.Errorf("run: %v", err)
		}
		x.stop = nil
	}
	x.Cleanup(func() {
		if x.stop != nil {
			x.stop()
		}
	})
	synctest.Wait()
}

// begin begins a run of all accounts.
func (x *tracking) begin(kind store.RunKind) store.RunID {
	x.Helper()
	id, err := x.tracker.Begin(x.Context(), store.Run{Domain: "example.com", Kind: kind, By: "root"}, x.ids, func() error {
		_, err := x.ferry.Begin(x.Context(), x.ids)
		return err
	})
	if err != nil {
		x.Fatal(err)
	}
	return id
}

// stopAccounts stops all accounts.
func (x *tracking) stopAccounts() {
	x.Helper()
	stopped, err := x.ferry.Stop(x.Context(), x.ids)
	if err == nil {
		err = x.tracker.Stopped(x.Context(), stopped)
	}
	if err != nil {
		x.Fatal(err)
	}
}

// resume lets all go on that are stopped.
func (x *tracking) resume() store.RunID {
	x.Helper()
	run, err := x.tracker.Resume(x.Context(), "example.com", x.ids, func() error {
		_, err := x.ferry.Begin(x.Context(), x.ids)
		return err
	})
	if err != nil {
		x.Fatal(err)
	}
	return run
}

// pass lets a pass end that took a second.
func (x *tracking) pass(account int, complete bool, p *store.Problem) {
	x.Helper()
	now := x.later(2)
	x.ferry.EndPass(x.T, x.ids[account], store.Pass{Started: x.at(now - 1), Ended: x.at(now), Copied: 10, Bytes: 1000, Complete: complete}, p)
}

// want wants a run to be like this, once the tracker has dealt with all that it was told; dates are not looked at.
func (x *tracking) want(id store.RunID, want store.Run) {
	x.Helper()
	synctest.Wait()
	want.ID, want.Domain = id, "example.com"
	want.Accounts = uint64(len(x.ids))
	got, err := x.store.Run(x.Context(), id)
	if err != nil {
		x.Fatal(err)
	}
	if (got.State == store.RunOpen) != got.Ended.IsZero() {
		x.Errorf("state %s, ended %v", got.State, got.Ended)
	}
	got.Started, got.Ended = time.Time{}, time.Time{}
	if got != want {
		x.Errorf("run\n got %+v\nwant %+v", got, want)
	}
}

func needsFix() *store.Problem {
	return &store.Problem{Kind: store.LoginRefused, Summary: reason.Said("refused"), Advice: store.NeedsFix}
}

func figures(passes uint64) store.Figures {
	return store.Figures{Copied: 10 * passes, Bytes: 1000 * passes}
}
