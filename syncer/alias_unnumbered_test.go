package syncer

import (
	"context"
	"sync"
	"testing"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// unnumbered is a session with a mailbox that nobody has opened before: of several that are the first each is told
// a UIDVALIDITY of its own for INBOX, of which one is the mailbox's from then on.
type unnumbered struct {
	session.Source
	told  uint32
	ready *sync.WaitGroup // until each of them has been told
	once  *sync.Once
}

func (s unnumbered) Tree(ctx context.Context, withStatus bool, known []store.Folder) (foldertree.Tree, map[string]upstream.Status, error) {
	tree, status, err := s.Source.Tree(ctx, withStatus, known)
	s.once.Do(func() {
		st := status["INBOX"]
		st.UIDValidity = s.told
		status["INBOX"] = st
		s.ready.Done()
		s.ready.Wait()
	})
	return tree, status, err
}

// untold is a session with an old server that does not tell the status of INBOX at its first look.
type untold struct {
	session.Source
	looked *bool
}

func (s untold) Tree(ctx context.Context, withStatus bool, known []store.Folder) (foldertree.Tree, map[string]upstream.Status, error) {
	tree, status, err := s.Source.Tree(ctx, withStatus, known)
	if !*s.looked {
		*s.looked = true
		delete(status, "INBOX")
	}
	return tree, status, err
}

// TestMailboxWhoseStatusIsRefused: a second login of a mailbox is known for what it is also if INBOX's status
// is not told when it is first looked at, or the first login's not when it comes again.
func TestMailboxWhoseStatusIsRefused(t *testing.T) {
	for name, refuseAtFirst := range map[string]bool{"of the second login": false, "of the first, later": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			for i := range 20 {
				r.pair.old.deliver("INBOX", mail(i))
			}
			r.start(false)
			r.sync()
			r.stop()
			looked := false
			dial := r.pair.dialers().Old
			r.dialOld = func(ctx context.Context, server config.Server, c store.Credentials, o link.Options) (session.Source, error) {
				s, err := dial(ctx, server, c, o)
				if err != nil || (c.Login == "anna") == refuseAtFirst {
					return s, err
				}
				return untold{s, &looked}, nil
			}
			second := r.second("anna", annasPassword)
			r.start(false)
			for _, ids := range [][]store.AccountID{{r.account.ID}, {second}} {
				for _, res := range r.syncAll(ids...) {
					if res.Problem != nil || !res.Pass.Complete {
						t.Errorf("%s: %+v, %+v", res.Account.Login, res.Pass, res.Problem)
					}
				}
			}
			if !looked {
				t.Error("no status was refused")
			}
			r.has("INBOX", mails(0, 20)...)
			if of := r.rowOf(second).Alias; of != r.account.ID {
				t.Errorf("the second login leads to %d", of)
			}
		})
	}
}

// TestUnnumberedMailbox: two logins that are the first to open their old mailbox, at the same moment, are told
// different UIDVALIDITYs; its mail is copied once all the same.
func TestUnnumberedMailbox(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i := range 2 * 10 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	var mu sync.Mutex
	var ready sync.WaitGroup
	ready.Add(2)
	first := map[string]*sync.Once{}
	dial := r.pair.dialers().Old
	r.dialOld = func(ctx context.Context, server config.Server, c store.Credentials, o link.Options) (session.Source, error) {
		s, err := dial(ctx, server, c, o)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if first[c.Login] == nil {
			first[c.Login] = &sync.Once{}
		}
		return unnumbered{s, r.pair.old.folders["INBOX"].validity + uint32(len(first)) - 1, &ready, first[c.Login]}, nil
	}
	second := r.second("anna", annasPassword)
	r.start(false)
	for _, res := range r.syncAll(r.account.ID, second) {
		if res.Problem != nil || !res.Pass.Complete {
			t.Errorf("%s: %+v, %+v", res.Account.Login, res.Pass, res.Problem)
		}
	}
	r.has("INBOX", mails(0, 20)...)
	if a, b := r.rowOf(r.account.ID).Alias, r.rowOf(second).Alias; (a == 0) == (b == 0) {
		t.Errorf("the accounts lead to %d and %d", a, b)
	}
}
