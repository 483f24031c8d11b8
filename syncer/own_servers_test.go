package syncer_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer"
	"postferry/syncer/verify"
)

// other is somebody else on both servers.
func (two *twoDovecots) other() string { return "other-" + two.login }

// swap lets each of both logins lead to the other's mailbox at a server.
func (two *twoDovecots) swap(s *lab.Dovecot) {
	two.Helper()
	mine, others := mailOf(s, two.login), mailOf(s, two.other())
	two.rename(mine, mine+".aside")
	two.rename(others, mine)
	two.rename(mine+".aside", others)
}

// empty sets a server up anew: the account is there, its mail isn't. INBOX gets the second in which that is
// seen as its UIDVALIDITY.
func (two *twoDovecots) empty(s *lab.Dovecot) (putBack func()) {
	two.Helper()
	mine := mailOf(s, two.login)
	was := s.Snapshot(two.login).Folders["INBOX"].UIDValidity
	two.rename(mine, mine+".aside")
	for s.Snapshot(two.login).Folders["INBOX"].UIDValidity == was {
		if err := os.RemoveAll(mine); err != nil {
			two.Fatal(err)
		}
	}
	return func() {
		two.Helper()
		two.rename(mine, mine+".anew")
		two.rename(mine+".aside", mine)
	}
}

func mailOf(s *lab.Dovecot, login string) string { return filepath.Join(s.UserDir(login), "mail") }

func (two *twoDovecots) rename(from, to string) {
	two.Helper()
	if err := os.Rename(from, to); err != nil {
		two.Fatal(err)
	}
}

// asks makes a pass that must end with a question and change nothing on the new server.
func (two *twoDovecots) asks(kind store.ProblemKind, server store.Side) {
	two.Helper()
	before := map[string]int{two.login: two.messages(two.login), two.other(): two.messages(two.other())}
	r := two.try()
	if r.Problem == nil || r.Problem.Kind != kind || r.Problem.Server != server || r.Pass.Complete {
		two.Fatalf("pass: %+v, %+v, want %s of the %s server", r.Pass, r.Problem, kind, server)
	}
	for login, n := range before {
		if now := two.messages(login); now != n {
			two.Errorf("%s has %d messages on the new server, had %d", login, now, n)
		}
	}
}

func (two *twoDovecots) messages(login string) (n int) {
	two.Helper()
	for _, f := range two.new.Snapshot(login).Folders {
		n += len(f.Messages)
	}
	return n
}

// verified is what a verification says of the account.
func (two *twoDovecots) verified() (said report.VerifiedAccount) {
	two.Helper()
	two.with(func(ctx context.Context, _ *syncer.Engine, st store.Store) {
		cfg := config.Default()
		cfg.Domains = []config.Domain{{Name: "example.com", Old: two.old.Insecure(), New: two.new.Insecure()}}
		v := verify.Verification{Config: &cfg, Store: st, Log: zerolog.Nop(), Tell: func(e report.VerifyEvent) error {
			if e.Account != nil {
				said = *e.Account
			}
			return nil
		}}
		if err := v.Run(ctx, nil); err != nil {
			two.Fatal(err)
		}
	})
	return said
}

// decides says what a mailbox is.
func (two *twoDovecots) decides(v report.MailboxVerdict) {
	two.Helper()
	two.with(func(ctx context.Context, e *syncer.Engine, _ store.Store) {
		if err := e.DecideMailbox(ctx, 1, v); err != nil {
			two.Fatal(err)
		}
	})
}

// TestLoginLeadsElsewhere: a login leads to another mailbox than it did, at either server, or to one
// without mail. Two people's mail is never mixed, nothing counts as deleted, and when it is
// put right everything goes on as if nothing had been.
func TestLoginLeadsElsewhere(t *testing.T) {
	tests := []struct {
		name   string
		happen func(two *twoDovecots)
	}{
		{"old: another person's", func(two *twoDovecots) {
			two.swap(two.old)
			two.asks(store.OtherMailbox, store.OldSide)
			two.swap(two.old)
			two.deliver(two.old, "Work", 9, 4)
			two.copies(4)
		}},
		{"old: set up anew", func(two *twoDovecots) {
			putBack := two.empty(two.old)
			two.asks(store.EmptiedMailbox, store.OldSide)
			if v := two.verified(); v.Problem.Code() != reason.OldEmptied {
				two.Errorf("verified: %+v", v)
			}
			putBack()
			two.deliver(two.old, "INBOX", 9, 4)
			two.copies(4)
			if v := two.verified(); v.Problem != "" || v.Worst != report.Harmless || v.Same != 12+5+4 {
				two.Errorf("verified: %+v", v)
			}
		}},
		{"old: set up anew, and used", func(two *twoDovecots) {
			putBack := two.empty(two.old)
			two.deliver(two.old, "INBOX", 9, 4)
			two.asks(store.OtherMailbox, store.OldSide)
			two.decides(report.MailboxAccept)
			two.copies(4)
			two.quiet()
			if n := two.messages(two.login); n != 12+5+4 {
				two.Errorf("%d messages on the new server", n)
			}
			putBack() // a person finds the former mailbox: nothing comes twice
			two.copies(0)
		}},
		{"new: another person's", func(two *twoDovecots) {
			two.deliver(two.old, "Work", 9, 4)
			two.swap(two.new)
			two.asks(store.OtherMailbox, store.NewSide)
			two.swap(two.new)
			two.copies(4)
		}},
		{"new: set up anew", func(two *twoDovecots) {
			two.empty(two.new)
			two.asks(store.OtherMailbox, store.NewSide)
			two.decides(report.MailboxAgain)
			two.copies(12 + 5)
		}},
		{"new: emptied by its user", func(two *twoDovecots) {
			two.empty(two.new)
			two.asks(store.OtherMailbox, store.NewSide)
			two.decides(report.MailboxAccept)
			two.deliver(two.old, "INBOX", 9, 4)
			two.copies(4)
		}},
		{"numbered anew", func(two *twoDovecots) {
			for _, s := range []*lab.Dovecot{two.old, two.new} {
				s.NumberAnew(two.login)
			}
			two.deliver(two.old, "INBOX", 9, 4)
			two.copies(4)
		}},
	}
	two := startTwo(t)
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			two := &twoDovecots{T: t, old: two.old, new: two.new, login: fmt.Sprintf("anna%d@example.com", i), state: t.TempDir()}
			for i, s := range []*lab.Dovecot{two.old, two.new} {
				s.AddUser(lab.User{Login: two.login, Password: benchPassword}, lab.User{Login: two.other(), Password: benchPassword})
				s.Append(two.other(), "INBOX", lab.Generate(uint64(5+i), 11, 900)...)
			}
			two.deliver(two.old, "INBOX", 1, 12)
			two.deliver(two.old, "Work", 2, 5)
			two.copies(12 + 5)
			tt.happen(two)
		})
	}
}
