package mailbox

import (
	"context"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// counted is a store of accounts that have all copied something, and a session with a new server
// whose INBOX is empty. Both count what they are asked.
type counted struct {
	store.Store
	reads int
	next  imap.UID // of the others' new INBOXes
}

func (c *counted) AccountByID(_ context.Context, id store.AccountID) (store.Account, error) {
	c.reads++
	return store.Account{ID: id}, nil
}

func (c *counted) Folders(context.Context, store.AccountID) ([]store.Folder, error) {
	cp := store.Checkpoint{UIDValidity: 1, UIDNext: 10, NewUIDValidity: 1, NewUIDNext: c.next}
	return []store.Folder{{Old: "INBOX", New: "INBOX", Checkpoint: cp}}, nil
}

type countedTarget struct {
	session.Target
	asked int
}

func (c *countedTarget) Status(context.Context, []string) (map[string]upstream.Status, error) {
	c.asked++
	return map[string]upstream.Status{"INBOX": {UIDValidity: 1, UIDNext: 1}}, nil
}

// TestManyAlike: of servers that give all INBOXes the same UIDVALIDITY, as Gmail and Exchange do, an
// account is not asked about, nor read, once for each other that there is.
func TestManyAlike(t *testing.T) {
	const n = 1000
	st, target := &counted{next: 5}, &countedTarget{}
	m := NewMailboxes()
	m.loaded = true
	of := sides{servers{"old:993", "new:993"}, 1}
	for id := range store.AccountID(n) {
		m.claim(id+1, claim{sides: of})
	}
	pair := &session.Pair{}
	pair.Old.End.Server.Protocol = config.POP3 // so that there is no INBOX to be asked for
	for i := range 3 {
		c := &claimant{ClaimRequest: &ClaimRequest{Account: n + 1, Mailboxes: m, Store: st}, pair: pair, session: target}
		if err := c.compareAll(t.Context(), m.others(n+1, of), nil); err != nil {
			t.Fatal(err)
		}
		if target.asked > 2*(i+1) || st.reads > n {
			t.Fatalf("claim %d: asked %d times, read %d times", i, target.asked, st.reads)
		}
	}
}

// TestReached: what is known of another mailbox tells it apart from one that hasn't got as far.
func TestReached(t *testing.T) {
	for _, tt := range []struct {
		had  reached
		has  upstream.Status
		want bool
	}{
		{reached{}, upstream.Status{}, false},
		{reached{1, 5}, upstream.Status{UIDValidity: 1, UIDNext: 4}, true},
		{reached{1, 5}, upstream.Status{UIDValidity: 1, UIDNext: 5}, false},
		{reached{1, 5}, upstream.Status{UIDValidity: 1}, false}, // it does not tell
		{reached{1, 5}, upstream.Status{UIDValidity: 2, UIDNext: 4}, false},
		{reached{0, 5}, upstream.Status{UIDNext: 4}, false},
	} {
		if got := tt.had.beyond(tt.has); got != tt.want {
			t.Errorf("%v, %v: %v", tt.had, tt.has, got)
		}
	}
}

// TestOtherMail: messages that have a known UID and are others prove that two old mailboxes are two.
func TestOtherMail(t *testing.T) {
	header := func(id string) []byte {
		return []byte("Message-ID: <" + id + ">\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\n\r\n")
	}
	entry := func(uid imap.UID, id string) store.Entry {
		return store.Entry{Key: message.IMAPKey(7, uid), Fingerprint: message.Fingerprint(header(id), 100), Size: 100}
	}
	known := knownMail{entries: []store.Entry{entry(3, "three"), entry(4, "four")}}
	seen := func(uid imap.UID, id string) session.MessageHeader {
		return session.MessageHeader{Message: upstream.Message{UID: uid, Size: 100}, Header: header(id)}
	}
	for _, tt := range []struct {
		name     string
		validity uint32
		found    session.MessageHeaders
		want     bool
	}{
		{"nothing", 7, nil, false},
		{"the same", 7, session.MessageHeaders{seen(3, "three"), seen(4, "four")}, false},
		{"another", 7, session.MessageHeaders{seen(4, "other")}, true},
		{"one the same", 7, session.MessageHeaders{seen(3, "other"), seen(4, "four")}, false},
		{"of other UIDs", 7, session.MessageHeaders{seen(5, "other")}, false},
		{"of another UIDVALIDITY", 8, session.MessageHeaders{seen(4, "other")}, false},
	} {
		if got := known.differs(tt.validity, tt.found); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// described is a refusal whose meaning somebody else has found out.
type described struct {
	error
	advice store.Advice
}

func (d described) Unwrap() error             { return d.error }
func (d described) Describe(p *store.Problem) { p.Advice = d.advice }

// TestWhyUnproved: what passes by itself is tried again; only what a person has to mend, or a server
// refuses, leaves open whether two mailboxes are one.
func TestWhyUnproved(t *testing.T) {
	refused := &link.Error{Class: link.Fix, Text: "no"}
	tests := map[string]struct {
		err    error
		person bool
	}{
		"none":                          {nil, false},
		"no way to prove it":            {&unprovedError{"nothing to go by"}, true},
		"the connection is lost":        {&link.Error{Class: link.Later}, false},
		"a wrong password":              {refused, true},
		"a command is refused":          {&link.Error{Class: link.Refused}, true},
		"a token that was taken back":   {described{refused, store.RetryLater}, false},
		"no permission for the mailbox": {described{refused, store.NeedsFix}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if why := whyUnproved(tt.err); (why != "") != tt.person {
				t.Errorf("a person is asked because of %q", why)
			}
		})
	}
}
