package writer

import "postferry/store"

// checkpoints are entered once all before them is settled. It is always the last one that counts.
type checkpoints struct {
	ledger   *Ledger
	refusals *refusals
	odd      *oddCopies
	pipeline *Pipeline
	review   *review
	later    *store.Checkpoint // once no repeated batch is under way any more
}

// reach takes over a checkpoint, or keeps it until repeated batches are settled.
func (c *checkpoints) reach(cp *store.Checkpoint) {
	switch {
	case cp == nil:
	case c.behind():
		c.later = cp
	default:
		c.ledger.Pending.Checkpoint, c.later = cp, nil
	}
}

// reachLooked takes over a checkpoint once the copies before it have been looked at.
func (c *checkpoints) reachLooked(cp *store.Checkpoint) {
	l := c.pipeline.lastLook()
	switch {
	case cp == nil:
	case len(c.review.waiting) > 0:
		c.review.reached = cp
	case l != nil:
		l.checkpoint = cp
	default:
		c.reach(cp)
	}
}

// catchUp lets a checkpoint advance that had to wait.
func (c *checkpoints) catchUp() {
	if c.later != nil && !c.behind() && c.ledger.unentered == 0 {
		c.ledger.Pending.Checkpoint, c.later = c.later, nil
	}
}

// behind tells whether messages before those dealt with last are still to be settled.
func (c *checkpoints) behind() bool {
	return c.pipeline.again > 0 || len(c.odd.copies) > 0 || c.refusals.open()
}

// untroubled tells whether nothing has gone wrong that is still to be dealt with.
func (c *checkpoints) untroubled() bool {
	return !c.behind() && len(c.ledger.bare)+len(c.ledger.unproven) == 0
}
