package reader

import (
	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

// oddLengths are messages that came with another length than listed.
type oddLengths struct {
	job *job.Job
	odd map[imap.UID]int64 // that length
}

// listed are those of the old server.
func (o *oddLengths) listed() *session.ListedSizes { return &o.job.Pair.Old.End.Pool.ListedSizes }

// doubts tells whether a body has to be asked for by itself, and notes that it has. Where
// listed sizes may be anything, upstream sees to that.
func (o *oddLengths) doubts(m upstream.Message, size int64) bool {
	switch {
	case !o.job.Selected.Traits.ListedSizes || m.Size < 0:
		return false
	case m.Size == size:
		o.listed().Agrees()
		return false
	case o.listed().WrongOften():
		return false
	}
	if o.odd == nil {
		o.odd = map[imap.UID]int64{}
	}
	o.odd[m.UID] = size
	return true
}

// settles tells whether a body that came when it was asked for by itself is to be taken: it
// has the listed length, or again that with which it came with others. Otherwise it has to
// be asked for once more.
func (o *oddLengths) settles(m upstream.Message, size int64) bool {
	before, odd := o.odd[m.UID]
	if !odd {
		return !o.doubts(m, size)
	}
	switch size {
	case m.Size:
		o.listed().Agrees()
	case before:
		o.listed().Contradicts()
		o.job.Log.Warn().Str("key", message.KeyText(o.job.Selected.Keys.Key(m.UID))).Int64("listed", m.Size).Int64("message", size).
			Msg("the old server lists another size than this message has")
	default:
		o.odd[m.UID] = size
		return false
	}
	delete(o.odd, m.UID)
	return true
}

// doubtful takes those out of messages to be asked for that have come with another length
// than listed: as many as tell whether the server's list is wrong. Once that is known of
// the server, none have to be asked for by themselves.
func (o *oddLengths) doubtful(missing []upstream.Message) (alone, rest []upstream.Message) {
	if len(o.odd) == 0 || o.listed().WrongOften() {
		return nil, missing
	}
	for _, m := range missing {
		if _, odd := o.odd[m.UID]; odd && len(alone) < session.LengthsTried {
			alone = append(alone, m)
		} else {
			rest = append(rest, m)
		}
	}
	return alone, rest
}
