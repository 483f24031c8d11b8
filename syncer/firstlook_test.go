package syncer

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// TestOpenedBeforeTheFirstLook: an old server that takes longer to list a large mailbox than anybody
// waits for a silent one has let us in: who opens a folder meanwhile sees its mail.
func TestOpenedBeforeTheFirstLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.silent = true
		for i := range 20 {
			r.pair.old.deliver("INBOX", mail(i))
		}
		listing := make(chan struct{})
		r.dialOld = slowListing(r, listing)
		r.start(false)
		began := time.Now()
		time.AfterFunc(patience+time.Second, func() { close(listing) })
		shown, _ := r.visitOf("INBOX")
		if took := time.Since(began); took < patience || !slices.Equal(shown, mails(0, 20)) {
			t.Errorf("%d messages are shown after %v", len(shown), took)
		}
		r.end()
	})
}

// TestSlowServerIsWaitedForLonger: an old server that was slow to list its folders may be slow to
// open one; one that was quick and falls silent is waited for as ever.
func TestSlowServerIsWaitedForLonger(t *testing.T) {
	t.Parallel()
	for name, lists := range map[string]time.Duration{"slow": 1200 * time.Millisecond, "quick": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.silent = true
				for i := range 20 {
					r.pair.old.deliver("INBOX", mail(i))
				}
				r.pair.old.slow(func(op string) time.Duration {
					switch op {
					case "LIST":
						return lists
					case "EXAMINE":
						return patience + time.Second
					}
					return 0
				})
				r.start(false)
				shown, took := r.visitOf("INBOX")
				if waited := len(shown) == 20; waited != (lists > 0) {
					t.Errorf("%d messages are shown after %v", len(shown), took)
				}
				r.end()
			})
		})
	}
}

// TestFirstLookThatNeverEnds: the first who opens a folder waits for a bound, the next one doesn't.
func TestFirstLookThatNeverEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.silent = true
		listing := make(chan struct{})
		r.dialOld = slowListing(r, listing)
		r.start(false)
		began := time.Now()
		r.visitOf("INBOX")
		if took := time.Since(began); took > patience+firstLook+2*time.Second {
			t.Errorf("waited for %v", took)
		}
		began = time.Now()
		r.visitOf("INBOX")
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("the next one waited for %v", took)
		}
		close(listing)
		r.end()
	})
}

// slowLister is a session whose folders are listed only when a channel is closed.
type slowLister struct {
	*fakeSession
	until <-chan struct{}
}

func (s slowLister) Folders(ctx context.Context, withStatus bool) (upstream.Namespace, []upstream.Mailbox, error) {
	select {
	case <-s.until:
		return s.fakeSession.Folders(ctx, withStatus)
	case <-ctx.Done():
		return upstream.Namespace{}, nil, ctx.Err()
	}
}

// slowListing dials an old server that lists its folders only when a channel is closed.
func slowListing(r *rig, until <-chan struct{}) session.DialFunc[session.Source] {
	return func(_ context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		s, err := r.pair.dial(server, c, opt)
		return session.IMAPSource{IMAPReader: slowLister{s, until}}, err
	}
}
