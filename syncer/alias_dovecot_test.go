package syncer_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer"
)

// oneUser makes anna@example.com, Anna and anna one user, whom anna*admin may be, too.
func oneUser(t *testing.T) *lab.Dovecot {
	d := lab.StartDovecot(t, lab.DovecotOptions{ExtraConfig: `
auth_username_format = %Ln
auth_master_user_separator = *
passdb {
  driver = static
  master = yes
  args = password=` + benchPassword + `
}
`})
	d.AddUser(lab.User{Login: "anna", Password: benchPassword}, lab.User{Login: "berta", Password: benchPassword})
	return d
}

// aliasServer is one of the lab's.
type aliasServer interface {
	Insecure() config.Server
	Snapshot(login string) *lab.Snapshot
}

// aliasBench is an engine between two such servers.
type aliasBench struct {
	*testing.T
	old        *lab.Dovecot
	new        aliasServer
	pop3       bool // that is how the old server is read
	background bool // passes are made by themselves
	store      store.Store
	engine     *syncer.Engine
}

func newAliasBench(t *testing.T) *aliasBench {
	t.Parallel()
	return newAliasBenchAt(t, oneUser(t))
}

// newAliasBenchAt is one with another new server.
func newAliasBenchAt(t *testing.T, new aliasServer) *aliasBench {
	b := &aliasBench{T: t, old: oneUser(t), new: new}
	st, err := bolt.Open(t.TempDir(), bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	b.store = st
	b.start()
	return b
}

// start starts an engine, in place of the one there was.
func (b *aliasBench) start() {
	b.Helper()
	cfg := config.Default()
	old := b.old.Insecure()
	if b.pop3 {
		old = b.old.InsecurePOP3()
	}
	cfg.Domains = []config.Domain{{Name: "example.com", Enrol: true, Old: old, New: b.new.Insecure()}}
	engine, err := syncer.New(&cfg, b.store, zerolog.New(zerolog.NewTestWriter(b)))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	background := b.background
	go func() { ended <- engine.Run(ctx, background) }()
	b.Cleanup(func() { cancel(); <-ended })
	b.engine = engine
}

func (b *aliasBench) fill(login string, seed uint64, n int) {
	b.Helper()
	b.old.Append(login, "INBOX", lab.Generate(seed, n, 900)...)
}

func aliasAccount(oldLogin, newLogin string) store.Account {
	return store.Account{Domain: "example.com", Login: newLogin, Origin: store.Imported, State: store.Active, OldOpens: true,
		Old: store.Credentials{Login: oldLogin, Password: benchPassword}, New: store.Credentials{Login: newLogin, Password: benchPassword}}
}

func (b *aliasBench) put(accounts ...store.Account) (ids []store.AccountID) {
	b.Helper()
	stored, _, err := b.store.PutAccounts(b.Context(), accounts)
	if err != nil {
		b.Fatal(err)
	}
	for _, a := range stored {
		ids = append(ids, a.ID)
	}
	return ids
}

func (b *aliasBench) sync(ids ...store.AccountID) []syncer.Result {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 2*time.Minute)
	defer cancel()
	results, err := b.engine.Sync(ctx, ids, nil)
	if err != nil {
		b.Fatal(err)
	}
	return results
}

// aliasOf is the account that one leads to; its own ID if to none.
func (b *aliasBench) aliasOf(id store.AccountID) store.AccountID {
	b.Helper()
	a, err := b.store.AccountByID(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	if a.Alias == 0 {
		return id
	}
	return a.Alias
}

func (b *aliasBench) inbox(login string) int {
	b.Helper()
	return len(b.new.Snapshot(login).Folders["INBOX"].Messages)
}

// TestOneMailboxManyLogins: several logins of one mailbox, all of them new in the same second,
// copy its mail once and share one ledger; another person's mail is left to that person.
func TestOneMailboxManyLogins(t *testing.T) {
	tests := []struct {
		name   string
		logins [][2]string // at the old and the new server
	}{
		{"with and without domain", [][2]string{{"anna", "anna"}, {"anna@example.com", "anna@example.com"}}},
		{"case", [][2]string{{"anna", "anna"}, {"anna", "Anna"}, {"ANNA", "ANNA"}}},
		{"one new login twice", [][2]string{{"anna", "anna"}, {"anna@example.com", "ANNA"}}},
		{"a master login", [][2]string{{"anna*admin", "anna*admin"}, {"anna", "anna"}}},
		{"all of them", [][2]string{{"anna", "anna"}, {"anna@example.com", "anna@example.com"}, {"anna", "anna*admin"}, {"anna*admin", "anna*other"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newAliasBench(t)
			b.fill("anna", 1, 30)
			b.fill("berta", 2, 20)
			var accounts []store.Account
			for _, l := range tt.logins {
				accounts = append(accounts, aliasAccount(l[0], l[1]))
			}
			ids := b.put(append(accounts, aliasAccount("berta", "berta"))...)
			for _, r := range b.sync(ids...) {
				if r.Problem != nil || !r.Pass.Complete {
					t.Errorf("%s: %+v, %+v", r.Account.Login, r.Pass, r.Problem)
				}
			}
			if n, m := b.inbox("anna"), b.inbox("berta"); n != 30 || m != 20 {
				t.Errorf("anna has %d messages, want 30, berta %d, want 20", n, m)
			}
			last := len(ids) - 1
			first := b.aliasOf(ids[0])
			for _, id := range ids[:last] {
				if of := b.aliasOf(id); of != first {
					t.Errorf("account %d leads to %d, want %d", id, of, first)
				}
			}
			if of := b.aliasOf(ids[last]); of != ids[last] {
				t.Errorf("berta leads to %d", of)
			}
			b.start() // knows it from the store
			for _, r := range b.sync(ids...) {
				if r.Problem != nil || !r.Pass.Complete || r.Pass.Copied > 0 {
					t.Errorf("again %s: %+v, %+v", r.Account.Login, r.Pass, r.Problem)
				}
			}
			b.wantSteered(ids[:last], first)
		})
	}
}

// wantSteered wants each of the logins to stop and begin all of them.
func (b *aliasBench) wantSteered(ids []store.AccountID, first store.AccountID) {
	b.Helper()
	for _, id := range ids {
		for _, want := range []store.State{store.Stopped, store.Active} {
			steer := b.engine.Begin
			if want == store.Stopped {
				steer = b.engine.Stop
			}
			changed, err := steer(b.Context(), []store.AccountID{id})
			if err != nil || fmt.Sprint(changed) != fmt.Sprint([]store.AccountID{id}) {
				b.Errorf("%s of %d: changed %v, %v", want, id, changed, err)
			}
			if a, err := b.store.AccountByID(b.Context(), first); err != nil || a.State != want {
				b.Errorf("%s of %d: the account that it leads to is %s (%v)", want, id, a.State, err)
			}
		}
	}
}

// TestTwoOldMailboxesIntoOne: a new mailbox that takes the mail of two old ones gets both.
func TestTwoOldMailboxesIntoOne(t *testing.T) {
	b := newAliasBench(t)
	b.fill("anna", 1, 30)
	b.fill("berta", 2, 20)
	for _, r := range b.sync(b.put(aliasAccount("anna", "anna"), aliasAccount("berta", "ANNA@example.com"))...) {
		if r.Problem != nil || !r.Pass.Complete {
			t.Errorf("%s: %+v, %+v", r.Account.Login, r.Pass, r.Problem)
		}
	}
	if n := b.inbox("anna"); n != 50 {
		t.Errorf("the new mailbox has %d messages, want 50", n)
	}
}

// TestTwoLedgersOfOneMailbox: where both logins have copied already, that is told, and nothing
// more is copied for the second until a person has said what they are.
func TestTwoLedgersOfOneMailbox(t *testing.T) {
	b := newAliasBench(t)
	b.fill("anna", 1, 30)
	first := b.put(aliasAccount("anna", "anna"))
	b.sync(first...)
	second := b.put(aliasAccount("anna", "anna@example.com"))
	if err := b.store.SetApart(t.Context(), second[0]); err != nil {
		t.Fatal(err)
	}
	b.sync(second...) // as a person wanted it
	change := store.CredentialChange{New: store.Credentials{Login: "ANNA", Password: benchPassword}}
	if _, err := b.store.SetCredentials(t.Context(), second[0], change); err != nil {
		t.Fatal(err)
	}
	b.start()
	r := b.sync(second...)
	if len(r) != 1 || r[0].Problem == nil || r[0].Problem.Kind != store.SameMailbox || r[0].Problem.Advice != store.NeedsFix {
		t.Fatalf("nothing is told: %+v", r)
	}
	if err := b.store.SetAlias(t.Context(), second[0], first[0]); err != nil {
		t.Fatal(err)
	}
	if err := b.engine.Updated(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if r := b.sync(second...); r[0].Problem != nil || !r[0].Pass.Complete || b.aliasOf(second[0]) != first[0] {
		t.Errorf("after the answer: %+v", r)
	}
}

// TestAliasLeavesItsAccountComplete: the pass that finds an alias is one over the account that it leads to, which
// is as complete afterwards as it was.
func TestAliasLeavesItsAccountComplete(t *testing.T) {
	b := newAliasBench(t)
	b.fill("anna", 1, 30)
	b.old.Append("anna", "Work", lab.Generate(2, 20, 900)...)
	b.background = true
	b.start()
	first := b.put(aliasAccount("anna", "anna"))[0]
	complete := func(id store.AccountID) func() bool {
		return func() bool {
			s, err := b.store.Summary(b.Context(), first)
			return err == nil && s.Complete && b.aliasOf(id) == first
		}
	}
	b.until("the first account", first, complete(first))
	second := b.put(aliasAccount("anna", "anna@example.com"))[0]
	b.until("its alias", second, complete(second))
	// Nothing is under way any more that could change it.
	if s, err := b.store.Summary(b.Context(), first); err != nil || !s.Complete || b.inbox("anna") != 30 {
		t.Errorf("%+v, %v, %d messages", s, err, b.inbox("anna"))
	}
}

// until begins an account and waits for something.
func (b *aliasBench) until(what string, id store.AccountID, ok func() bool) {
	b.Helper()
	if err := b.engine.Updated(b.Context(), []store.AccountID{id}); err != nil {
		b.Fatal(err)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			b.Fatalf("waited in vain for %s", what)
		}
	}
}
