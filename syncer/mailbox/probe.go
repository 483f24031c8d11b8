package mailbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// prober is what a session with a new server must be able to do for a probe.
type prober interface {
	Subscribe(ctx context.Context, names []string) error
	Unsubscribe(ctx context.Context, name string) error
	Subscribed(ctx context.Context, name string) (bool, error)
}

// endProbe puts right what a probe has left that was interrupted.
func (r *ClaimRequest) endProbe(ctx context.Context, s session.Target, left store.Probe) error {
	if left == store.NoProbe {
		return nil
	}
	p, ok := s.(prober)
	if !ok {
		return nil
	}
	if err := setSubscribed(ctx, p, left == store.ProbeSubscribed); err != nil && link.ClassOf(err) != link.Refused {
		return err
	}
	return r.Store.SetProbe(ctx, r.Account, store.NoProbe)
}

// probeWait bounds putting the subscription back as it was.
const probeWait = 5 * time.Second

// probeSteps is how often a probe looks.
const probeSteps = 16

// probe tells whether two sessions are in the same mailbox: the subscription of INBOX is taken
// away and given again by one of them, as chance will have it, and seen by the other. It is the
// one thing that all servers keep for each mailbox, that no client shows for INBOX, and that is
// afterwards as it was: a folder or a message made for it would be seen by people, and remain
// if we ended in between, and MAILBOXIDs (RFC 8474) are copied with mailboxes. How it was before is
// noted for as long as it may be otherwise.
func probe(ctx context.Context, mine, theirs prober, note func(store.Probe) error) (same bool, err error) {
	was, err := mine.Subscribed(ctx, "INBOX")
	if err != nil {
		return false, err
	}
	before := store.ProbeUnsubscribed
	if was {
		before = store.ProbeSubscribed
	}
	if err := note(before); err != nil {
		return false, err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeWait)
		defer cancel()
		restored := setSubscribed(ctx, mine, was)
		if restored == nil {
			restored = note(store.NoProbe)
		}
		err = errors.Join(err, restored)
	}()
	for i, want := range probePattern(was) {
		if err := setSubscribed(ctx, mine, want); err != nil {
			return false, err
		}
		seen, err := mine.Subscribed(ctx, "INBOX")
		if err != nil {
			return false, err
		}
		if seen != want {
			return false, &unprovedError{"the server doesn't keep the subscription of INBOX"}
		}
		seen, err = theirs.Subscribed(ctx, "INBOX")
		switch {
		case err != nil:
			return false, err
		case seen != want && i > probeSteps/2:
			return false, &unprovedError{"somebody else changed the subscription of INBOX meanwhile"}
		case seen != want:
			return false, nil
		}
	}
	return true, nil
}

// probePattern are the states of a probe. It begins with the opposite of what there is, and
// changes often enough for nothing else to look like it.
func probePattern(was bool) []bool {
	steps := make([]bool, probeSteps)
	for i := range steps {
		steps[i] = rand.N(2) == 0
		if i < 4 {
			steps[i] = (i%2 == 0) != was
		}
	}
	return steps
}

func setSubscribed(ctx context.Context, s prober, want bool) error {
	if want {
		return s.Subscribe(ctx, []string{"INBOX"})
	}
	return s.Unsubscribe(ctx, "INBOX")
}
