package job

import (
	"sync/atomic"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/leftout"
	"postferry/syncer/session"
)

// Of a folder with all mail only what lies in no other folder is copied. What the ledgers of the
// others know lies, or lay, there; if its user has removed that copy since, it doesn't come back this
// way. What they don't know yet is looked for in the old folders themselves, those that are left
// alone included: there it is counted. No line is written for what lies elsewhere, as the
// checkpoint says that it was looked at.

// Archive is what a folder with all mail is pulled with.
type Archive struct {
	// Bound is the folder's UIDNEXT as told before the other folders were looked at: what has
	// come since may be in one of them that was looked at too early. 0 if it was not told.
	Bound imap.UID
	whole bool // nothing has come since
	judge *leftout.ArchiveJudge
	// waiting is the lowest UID of a message that is still to be copied from another folder: the checkpoint does not go beyond it. 0 for none.
	waiting imap.UID
	listed  int          // messages
	lone    atomic.Int64 // of them those that are to be copied
}

// Limit leaves out of an opened folder what came too late to be judged.
func (a *Archive) Limit(sel *session.SourceFolder) {
	if a == nil {
		return
	}
	if a.whole = a.Bound == 0 || sel.UIDNext != 0 && sel.UIDNext <= a.Bound; !a.whole {
		sel.UIDNext = a.Bound
	}
}

// begin prepares for an attempt.
func (a *Archive) begin() {
	if a != nil {
		a.judge, a.listed, a.waiting = nil, 0, 0
		a.lone.Store(0)
	}
}

// Count counts messages that were listed.
func (a *Archive) Count(listed int) {
	if a != nil {
		a.listed += listed
	}
}
