package transfer

import (
	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// lengths are those of the old server.
func (r *reader) lengths() *session.ListedSizes { return &r.Pair.Old.End.Pool.ListedSizes }

// doubts tells whether a body has to be asked for by itself, and notes that it has. Where
// listed sizes may be anything, upstream sees to that.
func (r *reader) doubts(m upstream.Message, size int64) bool {
	switch {
	case !r.Selected.Traits.ListedSizes || m.Size < 0:
		return false
	case m.Size == size:
		r.lengths().Agrees()
		return false
	case r.lengths().WrongOften():
		return false
	}
	if r.odd == nil {
		r.odd = map[imap.UID]int64{}
	}
	r.odd[m.UID] = size
	return true
}

// settles tells whether a body that came when it was asked for by itself is to be taken: it
// has the listed length, or again that with which it came with others. Otherwise it has to
// be asked for once more.
func (r *reader) settles(m upstream.Message, size int64) bool {
	before, odd := r.odd[m.UID]
	if !odd {
		return !r.doubts(m, size)
	}
	switch size {
	case m.Size:
		r.lengths().Agrees()
	case before:
		r.lengths().Contradicts()
		r.Log.Warn().Str("key", message.KeyText(r.Selected.Keys.Key(m.UID))).Int64("listed", m.Size).Int64("message", size).
			Msg("the old server lists another size than this message has")
	default:
		r.odd[m.UID] = size
		return false
	}
	delete(r.odd, m.UID)
	return true
}

// doubtful takes those out of messages to be asked for that have come with another length
// than listed: as many as tell whether the server's list is wrong. Once that is known of
// the server, none have to be asked for by themselves.
func (r *reader) doubtful(missing []upstream.Message) (alone, rest []upstream.Message) {
	if len(r.odd) == 0 || r.lengths().WrongOften() {
		return nil, missing
	}
	for _, m := range missing {
		if _, odd := r.odd[m.UID]; odd && len(alone) < session.LengthsTried {
			alone = append(alone, m)
		} else {
			rest = append(rest, m)
		}
	}
	return alone, rest
}
