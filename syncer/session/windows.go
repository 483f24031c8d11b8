package session

import (
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream"
)

// ListWindow is how many messages the first listing should bring, later ones a multiple:
// each costs a round trip in which nothing else comes. UIDs are sparse, so the range asked
// for grows and shrinks towards it.
const ListWindow = 2000

// Without is a bounded set without some UIDs, which it sorts. It takes no longer because a range is wide.
func Without(set imap.UIDSet, uids []imap.UID) (rest imap.UIDSet) {
	slices.Sort(uids)
	for _, r := range set {
		from := uint64(r.Start)
		at, _ := slices.BinarySearch(uids, r.Start)
		for _, uid := range uids[at:] {
			if uid > r.Stop {
				break
			}
			if uint64(uid) > from {
				rest.AddRange(imap.UID(from), uid-1)
			}
			from = uint64(uid) + 1
		}
		if from <= uint64(r.Stop) {
			rest.AddRange(imap.UID(from), r.Stop)
		}
	}
	return rest
}

// Chunks splits a set into sets of at most n messages.
func Chunks(set imap.UIDSet, n int) []imap.UIDSet {
	var out []imap.UIDSet
	var cur imap.UIDSet
	room := n
	for _, r := range set {
		for start := r.Start; ; {
			stop := r.Stop
			if int64(stop)-int64(start) >= int64(room) {
				stop = start + imap.UID(room) - 1
			}
			cur.AddRange(start, stop)
			room -= int(stop-start) + 1
			if room == 0 {
				out, cur, room = append(out, cur), nil, n
			}
			if stop == r.Stop {
				break
			}
			start = stop + 1
		}
	}
	if len(cur) > 0 {
		out = append(out, cur)
	}
	return out
}

func SetOfMessages(msgs []upstream.Message) (set imap.UIDSet) {
	for _, m := range msgs {
		set.AddNum(m.UID)
	}
	return set
}
