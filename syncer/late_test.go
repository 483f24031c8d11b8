package syncer

import (
	"testing"
	"time"

	"postferry/store"
)

// deliverDated puts a message into a folder that arrived at a time.
func (f *fakeServer) deliverDated(name, body string, date time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.folders[name].append([]byte(body), nil, date)
}

// TestLateMailIsCounted: what reached the old server after the MX had moved is late, whenever it
// is copied; what was there before is not.
func TestLateMailIsCounted(t *testing.T) {
	r := newRig(t)
	moved := time.Now().Add(-24 * time.Hour).Truncate(time.Second)
	body := func(from, id string) string {
		return "Received: from " + from + " by mx.old.example; Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + id + ">\r\n\r\nx\r\n"
	}
	r.pair.old.add("INBOX")
	r.pair.old.deliverDated("INBOX", body("early.example", "1"), moved.Add(-time.Hour))
	r.pair.old.deliverDated("INBOX", body("first.example", "2"), moved.Add(time.Hour))
	if err := r.store.NoteNames(t.Context(), "example.com", store.NamesSeen{When: time.Now(), MX: moved}); err != nil {
		t.Fatal(err)
	}
	r.start(false)
	r.sync()
	want := func(late store.LateMail) {
		t.Helper()
		s, err := r.store.Summary(t.Context(), r.account.ID)
		if err != nil || s.Late != late {
			t.Errorf("late mail: %+v, %v, want %+v", s.Late, err, late)
		}
	}
	first := store.LateServer{Name: "first.example", Messages: 1}
	want(store.LateMail{Messages: 1, Last: moved.Add(time.Hour).UTC(), From: [3]store.LateServer{first}})

	r.pair.old.deliverDated("INBOX", body("second.example", "3"), moved.Add(3*time.Hour))
	r.pair.old.deliverDated("INBOX", body("first.example", "4"), moved.Add(2*time.Hour))
	r.sync()
	first.Messages = 2
	want(store.LateMail{Messages: 3, Last: moved.Add(3 * time.Hour).UTC(), From: [3]store.LateServer{first, {Name: "second.example", Messages: 1}}})
	r.sync()
	want(store.LateMail{Messages: 3, Last: moved.Add(3 * time.Hour).UTC(), From: [3]store.LateServer{first, {Name: "second.example", Messages: 1}}})
}

// TestFinishedIsLeftAlone: nothing is begun for an account that is finished, and its old server
// is not contacted, whoever asks for it.
func TestFinishedIsLeftAlone(t *testing.T) {
	r := newRig(t)
	r.pair.old.add("INBOX")
	r.pair.old.deliver("INBOX", "Message-ID: <1>\r\n\r\nx\r\n")
	r.start(true)
	r.sync()
	ids := []store.AccountID{r.account.ID}
	if _, _, err := r.store.Finish(t.Context(), ids, store.Report{Domain: "example.com"}); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Finished(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.LetGo(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	r.pair.old.fail(func(step string) error {
		t.Errorf("the old server was asked for %s", step)
		return nil
	})
	r.pair.old.deliver("INBOX", "Message-ID: <2>\r\n\r\nx\r\n")
	r.engine.Connected(t.Context(), r.account.ID)
	r.engine.Visit(t.Context(), r.account.ID, "INBOX", nil)
	if err := r.engine.Again(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	if results, err := r.engine.Sync(t.Context(), nil, nil); err != nil || len(results) != 0 {
		t.Errorf("%+v, %v", results, err)
	}
	r.engine.Disconnected(r.account.ID)
	if got := len(r.pair.new.bodies("INBOX")); got != 1 {
		t.Errorf("%d messages on the new server", got)
	}
}
