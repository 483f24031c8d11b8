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
// known may be gone. Of all mail that number never shows it once a part has been looked through: most of its messages have no line.
func (r *Reader) listGaps(ctx context.Context, from, to imap.UID, seen map[imap.UID]bool, note func(upstream.Message) error) (err error) {
	var gaps imap.UIDSet
	switch {
	case !r.Selected.Traits.StableUIDs:
	case to-from < gapsMost && !(r.First() && r.Known.Count() == 0 && r.Archive == nil):
		gaps = untold(from, to, seen)
	case r.Archive != nil:
		gaps, err = r.toldOtherwise(ctx, from, to, seen)
	}
	if err != nil || len(gaps) == 0 {
		return err
	}
	return r.Old.ListMessages(ctx, gaps, 0, note)
}

// untold are the UIDs of a range that have not been seen.
func untold(from, to imap.UID, seen map[imap.UID]bool) (gaps imap.UIDSet) {
	for uid := from; uid <= to; uid++ {
		if !seen[uid] {
			gaps.AddNum(uid)
		}
	}
	return gaps
}

// toldOtherwise are the UIDs of a range that have not been seen, and that another answer tells of: there may be too many UIDs to ask for
// each.
func (r *Reader) toldOtherwise(ctx context.Context, from, to imap.UID, seen map[imap.UID]bool) (gaps imap.UIDSet, err error) {
	err = r.Old.ListFlags(ctx, imap.UIDSet{imap.UIDRange{Start: from, Stop: to}}, func(m upstream.Message) error {
		if from <= m.UID && m.UID <= to && !seen[m.UID] {
			gaps.AddNum(m.UID)
		}
		return nil
	})
	return gaps, err
}
