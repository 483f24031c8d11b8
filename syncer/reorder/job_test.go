package reorder

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// mail is a message of a folder.
type mail struct {
	n    int // which one it is
	uid  imap.UID
	date int64
}

func (m mail) header() []byte {
	return fmt.Appendf(nil, "Message-ID: <%d@example.com>\r\nSubject: %d\r\n\r\n", m.n, m.n)
}

func (m mail) told() upstream.Message {
	return upstream.Message{UID: m.uid, Size: 100, Date: time.Unix(m.date, 0)}
}

// folder is a new server with one folder.
type folder struct {
	session.Target
	validity uint32
	mails    []mail
	asked    []string
	after    func() error // of a MOVE
}

func (f *folder) Close() error                 { return nil }
func (f *folder) Logout(context.Context) error { return nil }
func (f *folder) Alive(context.Context) error  { return nil }
func (f *folder) Hung() bool                   { return false }
func (f *folder) CanMove() bool                { return true }
func (f *folder) next() (next imap.UID)        { return slices.MaxFunc(f.mails, byUID).uid + 1 }
func byUID(a, b mail) int                      { return cmp.Compare(a.uid, b.uid) }
func (f *folder) named(uid imap.UID) (at int) {
	return slices.IndexFunc(f.mails, func(m mail) bool { return m.uid == uid })
}
func (f *folder) gone(set imap.UIDSet) {
	f.mails = slices.DeleteFunc(f.mails, func(m mail) bool { return set.Contains(m.uid) })
}
func (f *folder) Together() bool                 { return true }
func (f *folder) AwaitEnd(context.Context) error { return nil }

func (f *folder) Select(context.Context, string) (*upstream.Selected, error) {
	return &upstream.Selected{UIDValidity: f.validity, UIDNext: f.next(), Messages: uint32(len(f.mails))}, nil
}

func (f *folder) Status(context.Context, []string) (map[string]upstream.Status, error) {
	return map[string]upstream.Status{"INBOX": {UIDNext: f.next(), Messages: uint32(len(f.mails))}}, nil
}

func (f *folder) Search(context.Context, string) (set imap.UIDSet, err error) {
	for _, m := range f.mails {
		set.AddNum(m.uid)
	}
	return set, nil
}

func (f *folder) Headers(_ context.Context, set imap.UIDSet, fn func(upstream.Message, []byte) error) error {
	for _, m := range f.mails {
		if set.Contains(m.uid) {
			if err := fn(m.told(), m.header()); err != nil {
				return err
			}
		}
	}
	return nil
}

type readBack []upstream.Message

func (r readBack) Wait(context.Context) ([]upstream.Message, error) { return r, nil }

func (f *folder) SendReadBack(_ context.Context, _ string, _ uint32, set, _ imap.UIDSet) (session.ReadBackCall, error) {
	var all readBack
	for _, m := range f.mails {
		if set.Contains(m.uid) {
			all = append(all, m.told())
		}
	}
	return all, nil
}

func (f *folder) StoreFlags(context.Context, []upstream.FlagChange) error { return nil }

func (f *folder) ExpungeUIDs(_ context.Context, set imap.UIDSet) error {
	f.asked = append(f.asked, "EXPUNGE "+set.String())
	f.gone(set)
	return nil
}

func (f *folder) MoveUIDs(_ context.Context, set imap.UIDSet, _ string) (moved upstream.Moved, told bool, err error) {
	f.asked = append(f.asked, "MOVE "+set.String())
	moved.UIDValidity = f.validity
	for _, m := range slices.Clone(f.mails) {
		if set.Contains(m.uid) {
			moved.From, moved.To = append(moved.From, m.uid), append(moved.To, f.next())
			m.uid = f.next()
			f.mails = append(f.mails, m)
		}
	}
	f.gone(set)
	if f.after != nil {
		err = f.after()
	}
	return moved, err == nil, err
}

// ledger is a store with one folder.
type ledger struct {
	lines map[store.Key]store.Entry
	order store.Order
}

func (l *ledger) Ledger(context.Context, store.AccountID, store.FolderID) (all store.Ledger, err error) {
	for _, e := range l.lines {
		all.Entries = append(all.Entries, e)
	}
	slices.SortFunc(all.Entries, func(a, b store.Entry) int { return cmp.Compare(a.Key, b.Key) })
	return all, nil
}

func (l *ledger) Entries(_ context.Context, _ store.AccountID, _ store.FolderID, keys []store.Key) (found []store.Entry, err error) {
	for _, k := range keys {
		if e, ok := l.lines[k]; ok {
			found = append(found, e)
		}
	}
	return found, nil
}

func (l *ledger) Commit(_ context.Context, b store.Batch) error {
	for _, e := range b.Proofs {
		l.lines[e.Key] = e
	}
	l.order = *b.Order
	return nil
}

// newJob is one for a folder whose messages 21 to 30 came first: they have the UIDs 1 to 10.
func newJob(t *testing.T) (*Job, *folder, *ledger) {
	t.Helper()
	f, l := &folder{validity: 7}, &ledger{lines: map[store.Key]store.Entry{}}
	for i := range 30 {
		m := mail{n: i + 1, uid: imap.UID(i + 11), date: int64(1000 + i)}
		if i >= 20 {
			m.uid = imap.UID(i - 19)
		}
		f.mails = append(f.mails, m)
		key := message.IMAPKey(5, imap.UID(m.n))
		l.lines[key] = store.Entry{Key: key, UIDValidity: 7, UID: m.uid, Size: 100, Fingerprint: message.Fingerprint(m.header(), 100)}
	}
	slices.SortFunc(f.mails, byUID)
	l.order = store.Order{State: store.OrderNewest}
	pair := &session.Pair{New: session.Slot[session.Target]{Session: f, There: true}}
	return &Job{Folder: store.Folder{New: "INBOX", Order: l.order, Checkpoint: store.Checkpoint{UIDValidity: 5}}, Pair: pair, Store: l,
		Taking: &sync.Mutex{}, Hung: &session.HungSessions{}, Log: zerolog.New(zerolog.NewTestWriter(t))}, f, l
}

// stands fails unless each line stands for its message, or for nothing if that is gone.
func stands(t *testing.T, f *folder, l *ledger) {
	t.Helper()
	for key, e := range l.lines {
		_, n, _ := message.SplitKey(key)
		at := f.named(e.UID)
		is := slices.ContainsFunc(f.mails, func(m mail) bool { return m.n == int(n) })
		if at < 0 && is || at >= 0 && f.mails[at].n != int(n) {
			t.Errorf("the line of %d stands for UID %d", n, e.UID)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, f, l := newJob(t)
		if err := j.Run(t.Context()); err != nil || l.order != (store.Order{}) {
			t.Fatalf("%v, order %+v", err, l.order)
		}
		if !slices.Equal(f.asked, []string{"MOVE 1:10"}) || f.mails[29].n != 30 || f.mails[0].n != 1 {
			t.Errorf("%q, then %+v", f.asked, f.mails)
		}
		stands(t, f, l)
	})
}

// TestSettle: whatever has become of a MOVE that was interrupted, each message is there once
// afterwards, and its line stands for it.
func TestSettle(t *testing.T) {
	lost := &link.Error{Class: link.Lost, Err: errors.New("cut")}
	tests := map[string]struct {
		was   func(f *folder) // what the MOVE of 1:10 did, beside being lost
		asked []string        // of the server then
		left  int             // messages
	}{
		"done":            {func(*folder) {}, nil, 30},
		"done, one twice": {func(f *folder) { f.mails = append(f.mails, mail{n: 25, uid: 5, date: 1024}) }, []string{"EXPUNGE 5"}, 30},
		"not done": {func(f *folder) {
			f.gone(imap.UIDSet{imap.UIDRange{Start: 31, Stop: 99}})
			for i := range 10 {
				f.mails = append(f.mails, mail{n: 21 + i, uid: imap.UID(i + 1), date: int64(1020 + i)})
			}
		}, nil, 30},
		"another copy with another date": {func(f *folder) { f.mails = append(f.mails, mail{n: 25, uid: 5, date: 99}) }, nil, 31},
		"one was removed":                {func(f *folder) { f.gone(imap.UIDSetNum(35)) }, nil, 29},
		"mail came":                      {func(f *folder) { f.mails = append(f.mails, mail{n: 99, uid: 99, date: 99}) }, nil, 31},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				j, f, l := newJob(t)
				f.after = func() error { tt.was(f); return lost }
				if err := j.Run(t.Context()); !errors.Is(err, error(lost)) || l.order.Moving != "1:10" || l.order.UIDNext != 31 {
					t.Fatalf("%v, order %+v", err, l.order)
				}
				f.asked = nil
				next, _, _ := newJob(t)
				next.Pair, next.Store, next.Folder.Order = j.Pair, l, l.order
				if err := next.Settle(t.Context()); err != nil {
					t.Fatal(err)
				}
				if l.order != (store.Order{State: store.OrderNewest}) || next.Folder.Order != l.order || !slices.Equal(f.asked, tt.asked) || len(f.mails) != tt.left {
					t.Errorf("order %+v, asked %q, %d messages", l.order, f.asked, len(f.mails))
				}
				stands(t, f, l)
			})
		})
	}
}

// TestNumberedAnew: nothing is looked for in a folder that has other UIDs by then.
func TestNumberedAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, f, l := newJob(t)
		j.Folder.Order = store.Order{State: store.OrderNewest, Moving: "1:10", UIDValidity: 6, UIDNext: 31}
		if err := j.Settle(t.Context()); err != nil || l.order != (store.Order{State: store.OrderNewest}) || len(f.asked) > 0 {
			t.Errorf("%v, %+v, %q", err, l.order, f.asked)
		}
	})
}
