package syncer

import (
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// TestSecondCopies: what the new server stores long after it counted as lost is removed at
// the next pass, if it is certain that it is ours and nobody has touched it.
func TestSecondCopies(t *testing.T) {
	date := time.Unix(1700000000, 0)
	tests := map[string]struct {
		change func(r *rig, box *fakeFolder, first, second *fakeMessage)
		lost   func(in *store.Intent)
		stays  bool
	}{
		"untouched":           {},
		"read":                {change: func(_ *rig, _ *fakeFolder, _, m *fakeMessage) { m.flags = []imap.Flag{imap.FlagSeen} }, stays: true},
		"of another date":     {change: func(_ *rig, _ *fakeFolder, _, m *fakeMessage) { m.date = date.Add(time.Hour) }, stays: true},
		"with another header": {change: func(_ *rig, _ *fakeFolder, _, m *fakeMessage) { m.body = []byte("X-Other: 1\r\n" + mail(1)) }, stays: true},
		"the first one is gone": {change: func(_ *rig, box *fakeFolder, first, _ *fakeMessage) {
			box.messages = slices.DeleteFunc(box.messages, func(m *fakeMessage) bool { return m == first })
		}, stays: true},
		"the server can't say":    {change: func(r *rig, _ *fakeFolder, _, _ *fakeMessage) { r.pair.new.uidplus = false }, stays: true},
		"too long ago":            {lost: func(in *store.Intent) { in.Written = time.Now().Add(-7*24*time.Hour - time.Hour) }, stays: true},
		"of an earlier numbering": {lost: func(in *store.Intent) { in.UIDValidity++ }, stays: true},
		"stored before":           {lost: func(in *store.Intent) { in.UIDNext = 1000 }, stays: true},
		"of another message":      {lost: func(in *store.Intent) { in.Fingerprint[0]++; in.Size += 100 }, stays: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for i := range 3 {
				r.pair.old.deliver("INBOX", mail(i))
			}
			r.start(false)
			r.sync()
			box := r.pair.new.folders["INBOX"]
			entry := r.ledger("INBOX").Entries[1]
			first := box.messages[1]
			box.append(first.body, nil, first.date)
			second := box.messages[len(box.messages)-1]
			if tt.change != nil {
				tt.change(r, box, first, second)
			}
			r.lose(entry, tt.lost)
			if res := r.sync(); !res.Pass.Complete {
				t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
			}
			if there := slices.Contains(box.messages, second); there != tt.stays {
				t.Errorf("the second copy is there: %v", there)
			}
			want := 3
			if tt.stays {
				want++
			}
			if name == "the first one is gone" {
				want--
			}
			if got := len(r.pair.new.bodies("INBOX")); got != want {
				t.Errorf("%d messages, want %d", got, want)
			}
		})
	}
}

// lose notes of a message of INBOX that it counted as lost before it was copied.
func (r *rig) lose(e store.Entry, change func(in *store.Intent)) {
	r.t.Helper()
	in := store.Intent{Key: e.Key, Fingerprint: e.Fingerprint, Size: e.Size, UIDValidity: e.UIDValidity, UIDNext: 1, Written: time.Now()}
	if change != nil {
		change(&in)
	}
	err := r.store.Commit(r.t.Context(), store.Batch{Account: r.account.ID, Folder: r.folderRow("INBOX").ID, Lost: []store.Intent{in}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.stop() // what is lost is read when an account is loaded
	r.start(false)
}

// TestSecondCopyIsNobodysCopy: a message that is the same as another one comes to the old server, and a second copy of that
// turns up on the new one. It is removed, and not taken for the copy of the message that has come.
func TestSecondCopyIsNobodysCopy(t *testing.T) {
	for _, fresh := range []int{1, 3} {
		r := newRig(t)
		for i := range 3 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		r.start(false)
		r.copies(3)
		box := r.pair.new.folders["INBOX"]
		box.append([]byte(mail(1)), nil, box.messages[1].date)
		r.lose(r.ledger("INBOX").Entries[1], nil)
		want := mails(0, 3)
		for range fresh {
			r.pair.old.deliver("INBOX", mail(1))
			want = append(want, mail(1))
		}
		r.sync()
		r.has("INBOX", want...)
		r.copies(0)
		r.has("INBOX", want...)
	}
}
