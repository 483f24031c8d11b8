package syncer_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/syncer"
)

// complete wants passes to have ended well, and returns how many messages they have copied.
func (b *aliasBench) complete(results []syncer.Result) (copied uint64) {
	b.Helper()
	for _, r := range results {
		if r.Problem != nil || !r.Pass.Complete {
			b.Errorf("%s: %+v, %+v", r.Account.Login, r.Pass, r.Problem)
		}
		copied += r.Pass.Copied
	}
	return copied
}

// asked wants a pass to have ended with the question whether two logins are one mailbox.
func (b *aliasBench) asked(id store.AccountID) {
	b.Helper()
	r := b.sync(id)
	if len(r) != 1 || r[0].Problem == nil || r[0].Problem.Kind != store.SameMailbox || r[0].Pass.Copied > 0 {
		b.Errorf("nothing is asked: %+v", r)
	}
}

// TestAliasByEnrolment: who enrols by logging in with another login of a mailbox that is copied already
// becomes an alias, and sees the folder that they open filled.
func TestAliasByEnrolment(t *testing.T) {
	for _, login := range []string{"anna@example.com", "ANNA", "anna*admin"} {
		t.Run(login, func(t *testing.T) {
			b := newAliasBench(t)
			b.fill("anna", 1, 30)
			first := b.put(aliasAccount("anna", "anna"))[0]
			if n := b.complete(b.sync(first)); n != 30 {
				t.Errorf("copied %d", n)
			}
			a := aliasAccount(login, login)
			a.Origin = store.Enrolled
			enrolled, err := b.engine.Enrol(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			b.old.Append("anna", "INBOX", lab.Generate(9, 5, 900)...)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			b.engine.Connected(ctx, enrolled.ID)
			defer b.engine.Disconnected(enrolled.ID)
			b.engine.Visit(ctx, enrolled.ID, "INBOX", nil)
			b.complete(b.sync(enrolled.ID))
			if of, n := b.aliasOf(enrolled.ID), b.inbox("anna"); of != first || n != 35 {
				t.Errorf("it leads to %d, want %d; there are %d messages, want 35", of, first, n)
			}
		})
	}
}

// TestAliasIsVisited: a folder that is opened by an alias is filled as one that is opened by its account.
func TestAliasIsVisited(t *testing.T) {
	b := newAliasBench(t)
	b.fill("anna", 1, 37)
	ids := b.put(aliasAccount("anna", "anna"), aliasAccount("anna", "anna@example.com"))
	if err := b.store.SetAlias(t.Context(), ids[1], ids[0]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b.engine.Connected(ctx, ids[1])
	b.engine.Visit(ctx, ids[1], "INBOX", nil)
	b.engine.Disconnected(ids[1])
	if n := b.inbox("anna"); n != 37 {
		t.Errorf("there are %d messages, want 37", n)
	}
	b.complete(b.sync(ids...))
	if n := b.inbox("anna"); n != 37 {
		t.Errorf("there are %d messages after a pass, want 37", n)
	}
}

// TestAlikeMailboxes: two people whose mailboxes were made together, and hold as much mail, or even the
// same, are never taken for one.
func TestAlikeMailboxes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		seeds [2]uint64
		n     int
	}{
		{"as much mail", [2]uint64{1, 2}, 30},
		{"the same few messages", [2]uint64{1, 1}, 3},
		{"the same mail", [2]uint64{1, 1}, 30},
		{"none", [2]uint64{1, 1}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newAliasBench(t)
			for i, login := range []string{"anna", "berta"} {
				if tt.n > 0 {
					b.fill(login, tt.seeds[i], tt.n)
				}
			}
			ids := b.put(aliasAccount("anna", "anna"), aliasAccount("berta", "berta"))
			b.complete(b.sync(ids...))
			for i, login := range []string{"anna", "berta"} {
				if n, of := b.inbox(login), b.aliasOf(ids[i]); n != tt.n || of != ids[i] {
					t.Errorf("%s has %d messages, want %d, and leads to %d", login, n, tt.n, of)
				}
			}
		})
	}
}

// TestAliasByPOP3: by POP3 nothing tells two logins of one old mailbox from two mailboxes, so a person is asked;
// the same old login twice is one.
func TestAliasByPOP3(t *testing.T) {
	start := func(t *testing.T) *aliasBench {
		b := newAliasBench(t)
		b.pop3 = true
		b.start()
		b.fill("anna", 1, 30)
		return b
	}
	t.Run("one old login", func(t *testing.T) {
		b := start(t)
		ids := b.put(aliasAccount("anna", "anna"), aliasAccount("anna", "anna@example.com"))
		b.complete(b.sync(ids[0]))
		b.complete(b.sync(ids[1]))
		if of, n := b.aliasOf(ids[1]), b.inbox("anna"); of != ids[0] || n != 30 {
			t.Errorf("it leads to %d, want %d; there are %d messages", of, ids[0], n)
		}
	})
	for _, same := range []bool{true, false} {
		t.Run("two old logins", func(t *testing.T) {
			b := start(t)
			ids := b.put(aliasAccount("anna", "anna"), aliasAccount("anna@example.com", "anna@example.com"))
			b.complete(b.sync(ids[0]))
			b.asked(ids[1])
			b.asked(ids[1])
			answer := func() error { return b.store.SetApart(t.Context(), ids[1]) } // and finds what the first has copied
			if same {
				answer = func() error { return b.store.SetAlias(t.Context(), ids[1], ids[0]) }
			}
			if err := answer(); err != nil {
				t.Fatal(err)
			}
			if err := b.engine.Updated(t.Context(), ids[1:]); err != nil {
				t.Fatal(err)
			}
			b.complete(b.sync(ids[1]))
			if n := b.inbox("anna"); n != 30 {
				t.Errorf("one mailbox %v: there are %d messages, want 30", same, n)
			}
		})
	}
	t.Run("two people", func(t *testing.T) {
		b := start(t)
		b.fill("berta", 2, 30)
		b.complete(b.sync(b.put(aliasAccount("anna", "anna"), aliasAccount("berta", "berta"))...))
		if n, m := b.inbox("anna"), b.inbox("berta"); n != 30 || m != 30 {
			t.Errorf("%d and %d messages", n, m)
		}
	})
}

// TestAliasElsewhere: the logins of one mailbox are recognised at other new servers as well.
func TestAliasElsewhere(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server func(t *testing.T) aliasServer
		logins [2]string
		other  string
	}{
		{"Cyrus", func(t *testing.T) aliasServer {
			return lab.StartCyrus(t, lab.CyrusOptions{AltNamespace: true, Users: []lab.User{
				{Login: "anna@example.com", Password: benchPassword}, {Login: "berta@example.com", Password: benchPassword}}})
		}, [2]string{"anna@example.com", "ANNA@example.com"}, "berta@example.com"},
		{"Courier", func(t *testing.T) aliasServer {
			s := lab.StartCourier(t, lab.User{Login: "anna@example.com", Password: benchPassword}, lab.User{Login: "berta", Password: benchPassword})
			if err := os.Symlink("anna@example.com", filepath.Join(s.Dir, "home", "anna")); err != nil {
				t.Fatal(err)
			}
			s.AddUser(lab.User{Login: "anna", Password: benchPassword})
			return s
		}, [2]string{"anna@example.com", "anna"}, "berta"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newAliasBenchAt(t, tt.server(t))
			b.fill("anna", 1, 30)
			b.fill("berta", 2, 30)
			ids := b.put(aliasAccount("anna", tt.logins[0]), aliasAccount("anna@example.com", tt.logins[1]), aliasAccount("berta", tt.other))
			b.complete(b.sync(ids...))
			if one, two := b.aliasOf(ids[0]), b.aliasOf(ids[1]); one != two {
				t.Errorf("the logins lead to %d and %d", one, two)
			}
			if of := b.aliasOf(ids[2]); of != ids[2] {
				t.Errorf("another person leads to %d", of)
			}
			for _, login := range []string{tt.logins[0], tt.other} {
				if n := b.inbox(login); n != 30 {
					t.Errorf("%s has %d messages, want 30", login, n)
				}
			}
		})
	}
}
