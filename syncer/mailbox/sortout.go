package mailbox

import (
	"context"
	"errors"
	"maps"
	"slices"

	"postferry/store"
)

// compareNamesakes compares the claimant's mailbox with those of accounts whose logins name the same person, but for those that are compared
// anyway. What can't be proved of them is what their numbers say: another mailbox. Once something has been copied for the claimant, its numbers
// have been seen.
func (c *claimant) compareNamesakes(ctx context.Context, ids []store.AccountID, left []candidate) error {
	for _, id := range ids {
		if c.begun || slices.ContainsFunc(left, func(other candidate) bool { return other.ID == id }) {
			continue
		}
		other, err := c.candidate(ctx, id)
		if err != nil {
			return err
		}
		if other == nil {
			continue
		}
		err = c.compare(ctx, *other)
		if _, unsure := errors.AsType[*doubtError](err); !unsure && err != nil {
			return err
		}
	}
	return nil
}

// fewAlike is how many mailboxes may look alike for those that their numbers tell apart to be looked at all the same: a server that was
// put back to an earlier state has other numbers. Where there are more, it numbers all the same way.
const fewAlike = 16

// sortOut sorts out which of others may be the claimant's, as far as their numbers tell; of those that they contradict it returns
// only a few. An account may copy at any time: what its row says is compared with what the claimant's INBOXes
// have when they are looked at after it was read, and only then believed to contradict.
func (c *claimant) sortOut(ctx context.Context, others map[store.AccountID]claim) (left, contradicted []candidate, err error) {
	var some []candidate
	few, again := len(others) <= fewAlike, false
	for _, id := range slices.Sorted(maps.Keys(others)) {
		apart := c.toldApart(others[id])
		if apart && !few {
			continue
		}
		other, err := c.candidate(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if other == nil {
			continue
		}
		if apart {
			contradicted = append(contradicted, *other)
			continue
		}
		some = append(some, *other)
		again = again || c.contradicts(other.rows)
	}
	if !again {
		return some, contradicted, nil
	}
	if err := c.lookAtBoth(ctx); err != nil {
		return nil, nil, err
	}
	for _, other := range some {
		if !c.contradicts(other.rows) {
			left = append(left, other)
		} else if few {
			contradicted = append(contradicted, other)
		}
	}
	return left, contradicted, nil
}
