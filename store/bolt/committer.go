package bolt

import (
	"context"
	"slices"

	"go.etcd.io/bbolt"
)

// maxGroup bounds how many rows are changed in one transaction, which bbolt
// keeps in memory until it is written.
const maxGroup = 5_000

// change is what one call wants to be written.
type change struct {
	ctx context.Context
	// apply may run more than once, each time in another transaction.
	apply func(*bbolt.Tx) error
	rows  int // about how many rows it writes
	done  chan error
}

// update hands a change to the committer and returns its fate. A call whose
// context ends while it waits for its turn returns the context's error and
// changes nothing; once it is its turn, it waits for the disk.
func (b *database) update(ctx context.Context, rows int, apply func(*bbolt.Tx) error) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	c := &change{ctx: ctx, apply: apply, rows: rows, done: make(chan error, 1)}
	select {
	case b.changes <- c:
	case <-ctx.Done():
		return ctx.Err()
	case <-b.lost:
		return b.lostErr
	}
	select {
	case err := <-c.done:
		return err
	case <-b.lost: // the committer may never answer
		return b.lostErr
	}
}

// commitLoop is the only writer. While one transaction is on its way to the
// disk, the calls of others queue up; they then share the next one. Nobody
// waits for company.
func (b *database) commitLoop() {
	defer close(b.stopped)
	for {
		select {
		case c, ok := <-b.changes:
			if !ok {
				return
			}
			b.commitGroup(b.collect(c))
		case <-b.lost:
			return
		}
	}
}

// collect takes what is waiting.
func (b *database) collect(first *change) []*change {
	group := []*change{first}
	for rows := first.rows; rows < maxGroup; {
		select {
		case c, ok := <-b.changes:
			if !ok {
				return group
			}
			group = append(group, c)
			rows += c.rows
		default:
			return group
		}
	}
	return group
}

// commitGroup applies all changes in one transaction. If one of them fails,
// the transaction is undone and the others are applied without it.
func (b *database) commitGroup(group []*change) {
	for len(group) > 0 {
		failed := -1
		err := b.guard(func() error {
			return b.db.Update(func(tx *bbolt.Tx) error {
				for i, c := range group {
					if err := c.run(tx); err != nil {
						failed = i
						return err
					}
				}
				return nil
			})
		})
		if failed < 0 {
			for _, c := range group {
				c.done <- err
			}
			return
		}
		group[failed].done <- b.rowsDamaged(err)
		group = slices.Delete(group, failed, failed+1)
	}
}

func (c *change) run(tx *bbolt.Tx) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	return c.apply(tx)
}
