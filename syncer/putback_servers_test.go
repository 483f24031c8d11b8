package syncer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer"
)

// twoDovecots are an old and a new server with an account, whose state lies in a folder.
// Each pass is made by an engine of its own.
type twoDovecots struct {
	*testing.T
	old, new *lab.Dovecot
	login    string // of the account
	state    string
}

func startTwo(t *testing.T) *twoDovecots {
	t.Parallel()
	two := &twoDovecots{T: t, old: lab.StartDovecot(t, lab.DovecotOptions{}), new: lab.StartDovecot(t, lab.DovecotOptions{}), login: anna, state: t.TempDir()}
	for _, s := range []*lab.Dovecot{two.old, two.new} {
		s.AddUser(lab.User{Login: anna, Password: benchPassword})
	}
	return two
}

// pass makes a pass, which must be complete.
func (two *twoDovecots) pass() store.Pass {
	two.Helper()
	r := two.try()
	if r.Problem != nil || !r.Pass.Complete {
		two.Fatalf("pass: %+v, %+v", r.Pass, r.Problem)
	}
	return r.Pass
}

// try makes a pass.
func (two *twoDovecots) try() (r syncer.Result) {
	two.Helper()
	two.with(func(ctx context.Context, engine *syncer.Engine, _ store.Store) {
		results, err := engine.Sync(ctx, nil, nil)
		if err != nil || len(results) != 1 {
			two.Fatalf("pass: %v, %+v", err, results)
		}
		r = results[0]
	})
	return r
}

// with lets an engine do something.
func (two *twoDovecots) with(do func(context.Context, *syncer.Engine, store.Store)) {
	two.Helper()
	st, err := bolt.Open(two.state, bolt.Options{Command: "test"})
	if err != nil {
		two.Fatal(err)
	}
	defer st.Close()
	c := store.Credentials{Login: two.login, Password: benchPassword}
	_, _, err = st.PutAccounts(two.Context(), []store.Account{{
		Domain: "example.com", Login: two.login, Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		two.Fatal(err)
	}
	cfg := config.Default()
	cfg.Domains = []config.Domain{{Name: "example.com", Old: two.old.Insecure(), New: two.new.Insecure()}}
	engine, err := syncer.New(&cfg, st, zerolog.New(zerolog.NewTestWriter(two)))
	if err != nil {
		two.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- engine.Run(ctx, false) }()
	defer func() { cancel(); <-ended }()
	do(ctx, engine, st)
}

// copies makes a pass that must copy so many messages.
func (two *twoDovecots) copies(n int) {
	two.Helper()
	if p := two.pass(); int(p.Copied) != n {
		two.Errorf("copied %d, want %d: %+v", p.Copied, n, p)
	}
}

// quiet makes a pass that must find nothing to do.
func (two *twoDovecots) quiet() {
	two.Helper()
	if p := two.pass(); p.Copied+p.Adopted+p.FlagChanges+p.Quarantined > 0 {
		two.Errorf("nothing has changed, but %+v", p)
	}
}

// deliver puts n messages into a folder of a server and returns their numbers.
func (two *twoDovecots) deliver(s *lab.Dovecot, folder string, seed uint64, n int) {
	two.Helper()
	msgs := lab.Generate(seed, n, 900)
	for i := range msgs {
		msgs[i].Flags = nil
	}
	s.Append(two.login, folder, msgs...)
}

// keepState copies the state and returns what puts it back.
func (two *twoDovecots) keepState() (putBack func()) {
	two.Helper()
	kept := two.TempDir()
	copyState(two.T, two.state, kept)
	return func() { copyState(two.T, kept, two.state) }
}

func copyState(t *testing.T, from, to string) {
	t.Helper()
	for _, name := range []string{"state.db", "key"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wantOnce wants each of the old server's messages on the new one exactly once, in whatever
// folder, and what is besides to be as many messages as extra.
func (two *twoDovecots) wantOnce(extra int, but ...string) {
	two.Helper()
	count := map[string]int{}
	total := 0
	for _, f := range two.new.Snapshot(two.login).Folders {
		for _, m := range f.Messages {
			count[m.Sum]++
			total++
		}
	}
	for name, f := range two.old.Snapshot(two.login).Folders {
		for _, m := range f.Messages {
			want := 1
			if slices.Contains(but, m.Sum) {
				want = 0
			}
			if got := count[m.Sum]; got != want {
				two.Errorf("%s UID %d is there %d times, want %d", name, m.UID, got, want)
			}
			total -= want
		}
	}
	if total != extra {
		two.Errorf("%d other messages on the new server, want %d", total, extra)
	}
}

// flag sets flags of messages of a folder.
func (two *twoDovecots) flag(s *lab.Dovecot, folder string, first, last imap.UID, flags ...imap.Flag) {
	two.Helper()
	c := s.Client(two.login)
	defer c.Close()
	if _, err := c.Select(folder, nil).Wait(); err != nil {
		two.Fatal(err)
	}
	set := imap.UIDSet{imap.UIDRange{Start: first, Stop: last}}
	if err := c.Store(set, &imap.StoreFlags{Op: imap.StoreFlagsSet, Flags: flags}, nil).Close(); err != nil {
		two.Fatal(err)
	}
}

// remove removes messages of a folder for good and returns what they were.
func (two *twoDovecots) remove(s *lab.Dovecot, folder string, first, last imap.UID) (gone []string) {
	two.Helper()
	for _, m := range s.Snapshot(two.login).Folders[folder].Messages {
		if m.UID >= first && m.UID <= last {
			gone = append(gone, m.Sum)
		}
	}
	two.flag(s, folder, first, last, imap.FlagDeleted)
	c := s.Client(two.login)
	defer c.Close()
	if _, err := c.Select(folder, nil).Wait(); err != nil {
		two.Fatal(err)
	}
	if err := c.Expunge().Close(); err != nil {
		two.Fatal(err)
	}
	return gone
}

// TestDovecotUIDsUsedAgain puts a real old server back to a backup, after which new mail gets the UIDs
// of messages that were copied.
func TestDovecotUIDsUsedAgain(t *testing.T) {
	for _, fresh := range []int{2, 3, 7} {
		t.Run(fmt.Sprint(fresh), func(t *testing.T) {
			two := startTwo(t)
			two.deliver(two.old, "INBOX", 1, 4)
			putBack := two.old.Keep(anna)
			two.deliver(two.old, "INBOX", 2, 3)
			two.copies(7)
			putBack()
			two.deliver(two.old, "INBOX", 3, fresh)
			two.copies(fresh)
			two.wantOnce(3)
			two.quiet()
		})
	}
}

// TestDovecotPutBack puts a real new server back to a backup: what it has lost is copied again,
// and flags go to no other messages.
func TestDovecotPutBack(t *testing.T) {
	for _, fresh := range []int{0, 5, 20, 25} {
		t.Run(fmt.Sprint(fresh), func(t *testing.T) {
			two := startTwo(t)
			two.deliver(two.old, "INBOX", 1, 20)
			two.copies(20)
			gone := two.remove(two.new, "INBOX", 4, 4)
			putBack := two.new.Keep(anna)
			two.deliver(two.old, "INBOX", 2, 20)
			two.copies(20)
			putBack()
			if fresh > 0 {
				two.deliver(two.new, "INBOX", 3, fresh)
			}
			two.flag(two.old, "INBOX", 21, 40, imap.FlagDeleted, imap.FlagSeen)
			two.pass()
			two.pass()
			two.wantOnce(fresh, gone...)
			marked := 0
			for _, m := range two.new.Snapshot(anna).Folders["INBOX"].Messages {
				if slices.Contains(m.Flags, imap.FlagDeleted) {
					marked++
				}
			}
			if marked != 20 {
				t.Errorf("%d messages are marked as deleted, want 20", marked)
			}
			two.quiet()
		})
	}
}

// TestDovecotLosesIndexes removes the old server's index files, after which it counts
// changes anew: flags that were changed meanwhile arrive.
func TestDovecotLosesIndexes(t *testing.T) {
	two := startTwo(t)
	two.deliver(two.old, "INBOX", 1, 20)
	for i := range 30 {
		two.flag(two.old, "INBOX", imap.UID(i%20+1), imap.UID(i%20+1), imap.FlagSeen)
	}
	two.copies(20)
	two.flag(two.old, "INBOX", 1, 10, imap.FlagFlagged)
	two.old.LoseIndexes(anna, "INBOX")
	if p := two.pass(); p.FlagChanges != 10 || p.Copied != 0 {
		t.Errorf("%+v", p)
	}
	two.wantOnce(0)
	if diff := lab.SameMail(two.old.Snapshot(anna), two.new.Snapshot(anna), nil); diff != "" {
		t.Error(diff)
	}
	two.quiet()
}

// TestDovecotStatePutBack puts the ledger back to an earlier state: nothing is copied twice, in
// folders that it knows and in those that it doesn't.
func TestDovecotStatePutBack(t *testing.T) {
	two := startTwo(t)
	two.deliver(two.old, "INBOX", 1, 20)
	two.copies(20)
	putBack := two.keepState()
	two.deliver(two.old, "INBOX", 2, 20)
	two.old.Create(anna, "Work")
	two.deliver(two.old, "Work", 3, 10)
	two.copies(30)
	two.deliver(two.new, "INBOX", 4, 2)
	if err := two.new.Client(anna).Rename("Work", "Projects", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	putBack()
	two.deliver(two.old, "INBOX", 5, 3)
	two.deliver(two.old, "Work", 6, 1)
	two.copies(4)
	if folders := two.new.Snapshot(anna).Folders; folders["Work"] != nil || len(folders["Projects"].Messages) != 11 {
		t.Errorf("Work %+v, Projects %+v", folders["Work"], folders["Projects"])
	}
	two.wantOnce(2)
	two.quiet()
}

// TestDovecotGivesOtherUIDs: a real old server whose list of UIDs was lost gives other ones under
// the same UIDVALIDITY. Nothing is copied again, and what its user has removed stays so.
func TestDovecotGivesOtherUIDs(t *testing.T) {
	for _, next := range []int{21, 1, 11} {
		t.Run(fmt.Sprint("from ", next), func(t *testing.T) {
			two := startTwo(t)
			two.deliver(two.old, "INBOX", 1, 20)
			two.copies(20)
			gone := two.remove(two.new, "INBOX", 3, 7)
			two.old.LoseUIDs(anna, "INBOX", next)
			first := two.old.Snapshot(anna).Folders["INBOX"].Messages[0].UID
			if int(first) != next {
				t.Fatalf("the first UID is %d", first)
			}
			two.copies(0)
			two.wantOnce(0, gone...)
			two.flag(two.old, "INBOX", first+10, first+19, imap.FlagFlagged)
			if p := two.pass(); p.FlagChanges != 10 || p.Copied != 0 {
				t.Errorf("%+v", p)
			}
			two.wantOnce(0, gone...)
			for i, m := range two.new.Snapshot(anna).Folders["INBOX"].Messages {
				if flagged := slices.Contains(m.Flags, imap.FlagFlagged); flagged != (i >= 5) {
					t.Errorf("the copy with UID %d has %v", m.UID, m.Flags)
				}
			}
			two.quiet()
		})
	}
}

// TestDovecotMovesMail: mail that is moved and folders that are renamed on a real old server are known
// by what they are, and nothing that was removed comes back.
func TestDovecotMovesMail(t *testing.T) {
	two := startTwo(t)
	two.deliver(two.old, "INBOX", 1, 20)
	two.old.Create(anna, "Tax", "Tax.2020")
	two.deliver(two.old, "Tax", 2, 10)
	two.deliver(two.old, "Tax.2020", 3, 10)
	two.copies(40)
	gone := slices.Concat(two.remove(two.new, "INBOX", 2, 4), two.remove(two.new, "Tax", 1, 2))
	c := two.old.Client(anna)
	defer c.Close()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.UIDSet{{Start: 1, Stop: 10}}, "Tax.2020").Wait(); err != nil {
		t.Fatal(err)
	}
	if err := c.Rename("Tax", "Finance", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	two.deliver(two.old, "Finance", 4, 3)
	two.copies(3)
	two.wantOnce(0, gone...)
	folders := two.new.Snapshot(anna).Folders
	if folders["Finance"] != nil || folders["Tax"] == nil || len(folders["Tax"].Messages) != 11 {
		t.Errorf("Finance %+v, Tax %+v", folders["Finance"], folders["Tax"])
	}
	two.quiet()
}

// TestNewServerPutBackBeforeRename: the new server is put back to a time before a folder was renamed
// there, and before all of it was copied: it goes on under its earlier name.
func TestNewServerPutBackBeforeRename(t *testing.T) {
	for name, tt := range map[string]struct{ before, since int }{
		"most of it was there":   {20, 10},
		"little of it was there": {5, 60},
	} {
		t.Run(name, func(t *testing.T) {
			two := startTwo(t)
			two.deliver(two.old, "INBOX", 1, 2)
			two.old.Create(anna, "Steuer")
			two.deliver(two.old, "Steuer", 2, tt.before)
			two.copies(2 + tt.before)
			putBack := two.new.Keep(anna)
			c := two.new.Client(anna)
			if err := c.Rename("Steuer", "Finanzamt", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			two.quiet()
			two.deliver(two.old, "Steuer", 3, tt.since)
			two.copies(tt.since)
			putBack()
			two.copies(tt.since)
			two.wantOnce(0)
			two.quiet()
		})
	}
}

// TestNewServerPutBackBeforeFolder: a folder that is gone because the new server was put back to a time before it was
// made wasn't deleted by its user: that all of its mail is gone with it is told, and a person can have it copied again.
func TestNewServerPutBackBeforeFolder(t *testing.T) {
	two := startTwo(t)
	two.deliver(two.old, "INBOX", 1, 8)
	two.copies(8)
	putBack := two.new.Keep(anna)
	two.old.Create(anna, "Work")
	two.deliver(two.old, "Work", 2, 5)
	two.deliver(two.old, "INBOX", 3, 2)
	two.copies(7)
	putBack()
	for range 2 { // it doesn't pass by itself
		r := two.try()
		if r.Problem == nil || r.Problem.Kind != store.MissingFolder || r.Problem.Folder != "Work" || r.Pass.Complete {
			t.Fatalf("pass: %+v, %+v", r.Pass, r.Problem)
		}
	}
	two.with(func(ctx context.Context, e *syncer.Engine, st store.Store) {
		rows, err := st.Folders(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			if row.Old != "Work" {
				continue
			}
			if err := e.DecideFolder(ctx, 1, row.ID, report.FolderRecreate); err != nil {
				t.Fatal(err)
			}
		}
	})
	two.copies(5)
	two.wantOnce(0)
	two.quiet()
}
