package syncer

import (
	"sync"
	"testing"
	"time"

	"postferry/config"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/measure"
	"postferry/syncer/session"
)

// While the inbox of an account goes first, the figures are of all its folders.
func TestLiveInboxFirst(t *testing.T) {
	r := newRig(t)
	r.pair.old.deliver("INBOX", mail(1))
	r.pair.old.add("Work")
	for i := range 5 {
		r.pair.old.deliver("Work", mail(1000+i))
	}
	reached, goOn := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(reached); <-goOn })
	r.pair.new.fail(func(step string) error {
		if step == "+APPEND" {
			first()
		}
		return nil
	})
	r.start(true)
	<-reached
	live, err := r.engine.Live(t.Context())
	close(goOn)
	if err != nil || len(live) != 1 || live[0].Folder != "INBOX" || live[0].Total != 6 {
		t.Fatalf("%+v, %v", live, err)
	}
	r.eventually("complete", r.complete)
	r.same("INBOX", "Work")
}

// What is told while a pass is under way, and after it.
func TestLive(t *testing.T) {
	r := newRig(t)
	var octets uint64
	for i := range 350 {
		r.pair.old.deliver("INBOX", mail(i))
		octets += uint64(len(mail(i)))
	}
	r.pair.old.add("Work")
	r.pair.old.deliver("Work", mail(1000))
	r.cfg.Sync.OldConnections = 1 // one folder at a time
	appends := 0
	reached, goOn := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(reached); <-goOn })
	r.pair.new.fail(func(step string) error {
		if step == "+APPEND" {
			if appends++; appends == 3 {
				first()
			}
		}
		return nil
	})
	r.start(false)
	ended := make(chan Result, 1)
	go func() { ended <- r.sync() }()
	<-reached
	// Bodies are asked for before the listing, which tells how large all of the folder is.
	r.eventually("told how large INBOX is", func() bool {
		told, err := r.engine.Folders(t.Context(), r.account.ID)
		return err == nil && len(told) == 2 && told[0].OctetsExact
	})
	live, err := r.engine.Live(t.Context())
	if err != nil || len(live) != 1 {
		t.Fatalf("%d accounts live, %v", len(live), err)
	}
	l := live[0]
	if !l.Running || l.Folder != "INBOX" || l.Total != 351 || l.Done >= 350 || l.OctetsDone >= octets {
		t.Errorf("under way: %+v", l)
	}
	if l.OctetsTotal < octets || l.OctetsTotal > octets+200 || l.OctetsExact {
		t.Errorf("octets: %+v, INBOX has %d", l, octets)
	}
	if l.Remaining != nil {
		t.Errorf("the remaining time was known at once: %v", *l.Remaining)
	}
	folders, err := r.engine.Folders(t.Context(), r.account.ID)
	if err != nil || len(folders) != 2 {
		t.Fatalf("%+v, %v", folders, err)
	}
	if f := folders[0]; f.Title != "INBOX" || !f.Running || !f.Checkpoint.Checked.IsZero() || f.Total != 350 || f.OctetsTotal != octets || !f.OctetsExact {
		t.Errorf("INBOX: %+v", f)
	}
	if f := folders[1]; f.Title != "Work" || f.Running || f.Done != 0 || f.Total != 1 {
		t.Errorf("Work: %+v", f)
	}
	close(goOn)
	if res := <-ended; !res.Pass.Complete {
		t.Fatalf("%+v", res)
	}
}

// The remaining time is told once a rate is known, and not while nothing moves.
func TestLiveRemaining(t *testing.T) {
	start := time.Now()
	a := newAccount(&shared{}, 1, nil)
	a.passes.pass = &passRun{started: start}
	a.traffic = session.NewRateLimits(&session.Throttle{}, config.AccountLimits{OldBytesPerDay: 1500}, nil)
	a.mail.Folders = []*folders.Folder{{Folder: store.Folder{State: store.FolderPresent}}}
	a.mail.Folders[0].Made.Store(&measure.Progress{Done: 100, Total: 200, Octets: 1000, OctetsTotal: 2000})
	for s := range 10 {
		a.meter.Add(start.Add(time.Duration(s)*time.Second), 10, 100)
	}
	if l := a.live(start.Add(10 * time.Second)); l.Remaining != nil {
		t.Errorf("known before the folders were: %v", *l.Remaining)
	}
	a.passes.pass.tree = true
	if l := a.live(start.Add(time.Second)); l.Remaining != nil {
		t.Errorf("known after a second: %v", *l.Remaining)
	}
	if l := a.live(start.Add(10 * time.Second)); l.Remaining == nil || *l.Remaining != 10*time.Second || l.Rate != (report.Rate{Messages: 10, Octets: 100}) {
		t.Errorf("after ten seconds: %+v", l)
	}
	a.mail.Folders[0].Made.Store(&measure.Progress{Done: 100, Total: 200, Octets: 1000, OctetsTotal: 4000})
	if l := a.live(start.Add(10 * time.Second)); l.Remaining == nil || *l.Remaining != 24*time.Hour+30*time.Second {
		t.Errorf("with more than a day may bring: %+v", l)
	}
	if l := a.live(start.Add(time.Minute)); l.Remaining != nil {
		t.Errorf("known while nothing moves: %v", *l.Remaining)
	}
}
