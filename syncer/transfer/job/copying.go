package job

import (
	"context"

	"postferry/store"
	"postferry/upstream"
)

// Copying are messages that are copied from other folders of the new server, where they have been copied to from
// other folders of the old one. All that was handed over before has been dealt with by then.
type Copying struct {
	From []CopyFrom
	Left []upstream.Message // of those messages that could not be copied, once it is done
	done chan error
}

// CopyFrom is a folder that messages are copied from.
type CopyFrom struct {
	Name     string // its raw name on the new server
	Messages []CopyOf
}

// CopyOf is a message to be copied.
type CopyOf struct {
	Msg  upstream.Message // as the old folder tells it
	Key  store.Key        // there
	Line store.Entry      // of the other folder's ledger: where the copy is that is copied
}

func (*Copying) isEvent() {}

// End tells the reader that what could be copied has been; or err, why it goes no further.
func (c *Copying) End(err error) { c.done <- err }

// Copy has the writer copy messages, and returns those that have to be brought.
func (h *Handover) Copy(ctx context.Context, from []CopyFrom) (left []upstream.Message, err error) {
	c := &Copying{From: from, done: make(chan error, 1)}
	if err := h.Hand(ctx, c); err != nil {
		return nil, err
	}
	select {
	case err := <-c.done:
		return c.Left, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// refusedMost is how many COPYs the new server may refuse in a pull before it is not asked for more of them.
const refusedMost = 2

// CopyTrouble is what has gone wrong with copying from folder to folder on the new server, in all attempts of a
// pull. It is the writer's; the reader looks at it while the writer does not copy.
type CopyTrouble struct {
	off     bool
	refused int
}

// GiveUp has nothing more be copied in the pull: a connection broke at it, or its answer can't be trusted.
func (t *CopyTrouble) GiveUp() { t.off = true }

// Refused notes that the new server has refused it.
func (t *CopyTrouble) Refused() {
	if t.refused++; t.refused >= refusedMost {
		t.off = true
	}
}

// Off tells whether messages are downloaded for each of their folders.
func (t *CopyTrouble) Off() bool { return t.off }
