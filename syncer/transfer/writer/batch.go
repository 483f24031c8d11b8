package writer

// Batch is what has gathered to be sent next.
//
// A small folder's only batch may be held back for those of the folders that come next, so that they share a commit, as
// long as the new server is busy with what was sent before and their messages are on their way.
type Batch struct {
	ledger *Ledger
	events events
	octets int64
	held   bool
}

// take empties the batch, and returns what was in it.
func (b *Batch) take() events {
	all := b.events
	b.events, b.octets, b.held = nil, 0, false
	return all
}

// Held tells whether the batch is held back.
func (b *Batch) Held() bool { return b.held }

// HeldMessages and HeldOctets are how much that is.
func (b *Batch) HeldMessages() int {
	if !b.held {
		return 0
	}
	return len(b.events)
}

func (b *Batch) HeldOctets() int64 {
	if !b.held {
		return 0
	}
	return b.octets
}

// Intend has the batch be written down with what is committed next.
func (b *Batch) Intend() { b.ledger.intend(b.events.messages()...) }

// Keep leaves what is held back unsent: the pull ends with an error.
func (b *Batch) Keep() { b.held = false }
