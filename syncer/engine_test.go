package syncer

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/pause"
)

func TestPassCopiesEverythingOnce(t *testing.T) {
	r := newRig(t)
	for i := range 350 {
		r.pair.old.deliver("INBOX", mail(i), imap.FlagSeen)
	}
	r.pair.old.add("Work")
	r.pair.old.deliver("Work", mail(1000), "$Label1", imap.FlagFlagged)
	r.start(false)
	res := r.sync()
	if res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != 351 {
		t.Fatalf("first pass: %+v, problem %+v", res.Pass, res.Problem)
	}
	if !slices.Equal(r.pair.old.bodies("INBOX"), r.pair.new.bodies("INBOX")) {
		t.Fatal("INBOX differs")
	}
	if got := r.pair.new.flags("Work", mail(1000)); !slices.Equal(got, []imap.Flag{"$Label1", imap.FlagFlagged}) {
		t.Fatalf("flags: %v", got)
	}
	// Stragglers, the user's deletions and flags on both sides.
	r.pair.old.deliver("INBOX", mail(2000))
	r.pair.new.remove("INBOX", mail(3))
	r.pair.new.setFlags("INBOX", mail(4), imap.FlagSeen, imap.FlagFlagged)
	r.pair.old.setFlags("INBOX", mail(4), imap.FlagSeen, imap.FlagAnswered)
	r.pair.old.setFlags("INBOX", mail(5))
	res = r.sync()
	if res.Pass.Copied != 1 || !res.Pass.Complete {
		t.Fatalf("second pass: %+v, problem %+v", res.Pass, res.Problem)
	}
	if got := r.pair.new.flags("INBOX", mail(4)); !slices.Equal(got, []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagSeen}) {
		t.Fatalf("merged flags: %v", got)
	}
	if got := r.pair.new.flags("INBOX", mail(5)); len(got) != 0 {
		t.Fatalf("flag removed on the old server stays: %v", got)
	}
	if slices.Contains(r.pair.new.bodies("INBOX"), mail(3)) {
		t.Fatal("a deleted message came back")
	}
	if res = r.sync(); res.Pass.Copied+res.Pass.FlagChanges != 0 {
		t.Fatalf("third pass: %+v", res.Pass)
	}
}

func TestRefusedMessagesStandAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		for i := range 250 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.pair.new.refuse = func(body []byte) error {
			if strings.Contains(string(body), "Subject: 77\r") || strings.Contains(string(body), "Subject: 200\r") {
				return refusedError("APPEND", "")
			}
			return nil
		}
		r.start(false)
		res := r.sync()
		if res.Pass.Copied != 248 || res.Pass.Quarantined != 2 || !res.Pass.Complete {
			t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
		}
		if res = r.sync(); res.Pass.Copied != 0 || res.Pass.Quarantined != 0 {
			t.Fatalf("second pass: %+v", res.Pass)
		}
	})
}

func TestVisitComesFirst(t *testing.T) {
	r := newRig(t)
	for i := range 50 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	ctx := t.Context()
	r.engine.Connected(ctx, r.account.ID)
	defer r.engine.Disconnected(r.account.ID)
	r.engine.Visit(ctx, r.account.ID, "INBOX", nil)
	if n := len(r.pair.new.bodies("INBOX")); n != 50 {
		t.Fatalf("after the visit the folder has %d messages", n)
	}
}

func TestLostLedgerAdopts(t *testing.T) {
	r := newRig(t)
	for i := range 30 {
		r.pair.old.deliver("INBOX", mail(i))
		r.pair.new.deliver("INBOX", mail(i))
	}
	r.pair.old.deliver("INBOX", mail(0)) // a second copy of the same message
	r.start(false)
	res := r.sync()
	if res.Pass.Adopted != 30 || res.Pass.Copied != 1 {
		t.Fatalf("%+v", res.Pass)
	}
}

func TestUIDValidityChange(t *testing.T) {
	r := newRig(t)
	for i := range 30 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	r.sync()
	r.pair.new.remove("INBOX", mail(7))
	r.pair.old.mu.Lock()
	box := r.pair.old.folders["INBOX"]
	box.validity += 1000
	for i, m := range box.messages {
		m.uid = imap.UID(i*3 + 5)
		box.next = m.uid + 1
	}
	r.pair.old.mu.Unlock()
	r.pair.old.setFlags("INBOX", mail(8), imap.FlagAnswered)
	res := r.sync()
	if res.Pass.Copied != 0 || res.Pass.Adopted != 30 || !res.Pass.Complete {
		t.Fatalf("%+v problem %+v", res.Pass, res.Problem)
	}
	if got := r.pair.new.flags("INBOX", mail(8)); !slices.Contains(got, imap.FlagAnswered) {
		t.Errorf("flags: %v", got)
	}
}

func TestWithoutUIDPLUS(t *testing.T) {
	r := newRig(t)
	r.pair.new.uidplus = false
	for i := range 130 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	if res := r.sync(); res.Pass.Copied != 130 {
		t.Fatalf("%+v problem %+v", res.Pass, res.Problem)
	}
	r.pair.old.setFlags("INBOX", mail(1), imap.FlagSeen)
	r.sync()
	if got := r.pair.new.flags("INBOX", mail(1)); !slices.Contains(got, imap.FlagSeen) {
		t.Errorf("flags: %v", got)
	}
}

// TestPassLooksForItself: a look at the trees that began for a client does not know what
// came before the pass was asked for.
func TestPassLooksForItself(t *testing.T) {
	r := newRig(t)
	r.start(false)
	r.sync()
	seen, proceed := make(chan struct{}), make(chan struct{})
	looks := 0
	r.pair.new.fail(func(step string) error {
		if step != "+LIST" {
			return nil
		}
		if looks++; looks == 1 {
			close(seen)
			<-proceed
		}
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, leave, err := r.engine.registry.acquire(ctx, r.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	if err := a.jobs.Do(ctx, func() { a.looks.start(a.jobs.Front, true) }); err != nil {
		t.Fatal(err)
	}
	<-seen
	old := func() bool {
		r.pair.old.mu.Lock()
		defer r.pair.old.mu.Unlock()
		return slices.Contains(r.pair.old.log[len(r.pair.old.log)-1:], "LIST")
	}
	for !old() {
		if err := pause.For(ctx, time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	r.pair.old.deliver("INBOX", mail(1))
	results := make(chan Result, 1)
	go func() { results <- r.sync() }()
	for {
		asked := false
		if err := a.jobs.Do(ctx, func() { asked = a.passes.pass != nil }); err != nil {
			t.Fatal(err)
		}
		if asked {
			break
		}
	}
	close(proceed)
	if res := <-results; res.Pass.Copied != 1 || !res.Pass.Complete {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
}
