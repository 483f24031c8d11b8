package transfer

import (
	"context"
	"slices"

	"postferry/syncer/session"
)

// A small folder, all of whose messages are one batch, does not have a commit of its own as long as the new server is
// busy with folders before it: the batch is held back until as much has gathered as makes a full one, no more
// comes soon, or the next answer is waited for. Then the intents of all that is held back are committed
// together, and it is sent in the order of the folders.

const (
	// So many messages and octets may be held back together: as much as a batch has to begin with.
	heldMessages = 100
	heldOctets   = 1 << 20
)

// held are the pulls that hold their batch back, in their order.
func (o *Outstanding) held() (held []*pull) {
	for _, p := range o.pulls {
		if p.writer.Batch.Held() {
			held = append(held, p)
		}
	}
	return held
}

// Holds tells whether anything is held back.
func (o *Outstanding) Holds() bool {
	return o != nil && slices.ContainsFunc(o.pulls, func(p *pull) bool { return p.writer.Batch.Held() })
}

// Joins tells whether so much may be held back, too: the new server owes an answer, and it does not get too much.
func (o *Outstanding) Joins(messages int, octets int64) bool {
	if _, owed := o.Oldest(); !owed {
		return false
	}
	for _, p := range o.held() {
		messages, octets = messages+p.writer.Batch.HeldMessages(), octets+p.writer.Batch.HeldOctets()
	}
	return messages <= heldMessages && octets <= heldOctets
}

// sendHeld sends what pulls have held back; committed is what became of their intents. What is not sent is left to
// the pulls. It returns the error that the session was lost with.
func sendHeld(ctx context.Context, held []*pull, committed error) error {
	err := committed
	for _, p := range held {
		if committed == nil {
			p.writer.Ledger.Committed()
		}
		if err != nil {
			p.writer.Batch.Keep()
			p.unsent = err
			continue
		}
		if p.unsent = p.writer.SendHeld(ctx); ctx.Err() != nil || session.BreaksConnection(p.unsent) {
			err = p.unsent
		}
	}
	return err
}
