package reader

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream"
)

// gapsMost is of how many UIDs those are asked for once more that a listing has not told.
const gapsMost = 200

// listGaps asks once more for what a listing of new messages lacks. That is nothing where somebody has removed them already; but a
// server may also leave one out, and in a folder of which something is known, its number of messages does not show that: others that are
// known may be gone.
func (r *Reader) listGaps(ctx context.Context, from, to imap.UID, seen map[imap.UID]bool, note func(upstream.Message) error) error {
	if r.First() && r.Known.Count() == 0 || !r.Selected.Traits.StableUIDs || to-from >= gapsMost {
		return nil
	}
	var gaps imap.UIDSet
	for uid := from; uid <= to; uid++ {
		if !seen[uid] {
			gaps.AddNum(uid)
		}
	}
	if len(gaps) == 0 {
		return nil
	}
	return r.Old.ListMessages(ctx, gaps, 0, note)
}
