package session

import (
	"github.com/emersion/go-imap/v2"

	"postferry/upstream"
)

// ListWindow is how many messages the first listing should bring, later ones a multiple:
// each costs a round trip in which nothing else comes. UIDs are sparse, so the range asked
// for grows and shrinks towards it.
const ListWindow = 2000

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
