package syncer

import (
	"context"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream"
)

// Of a folder with all mail only what lies in no other folder is copied. What the ledgers of the
// others know lies, or lay, there; if its user has removed that copy since, it doesn't come back this
// way. What they don't know yet is looked for in the old folders themselves, those that are left
// alone included: there it is counted. No line is written for what lies elsewhere, as the
// checkpoint says that it was looked at.

// archive is what a folder with all mail is pulled with.
type archive struct {
	// bound is the folder's UIDNEXT as told before the other folders were looked at: what has
	// come since may be in one of them that was looked at too early. 0 if it was not told.
	bound  imap.UID
	whole  bool // nothing has come since
	judge  *archiveJudge
	listed int          // messages
	lone   atomic.Int64 // of them those that are to be copied
}

// limit leaves out of an opened folder what came too late to be judged.
func (a *archive) limit(sel *oldFolder) {
	if a == nil {
		return
	}
	if a.whole = a.bound == 0 || sel.UIDNext != 0 && sel.UIDNext <= a.bound; !a.whole {
		sel.UIDNext = a.bound
	}
}

// begin prepares for an attempt.
func (a *archive) begin() {
	if a != nil {
		a.judge, a.listed = nil, 0
		a.lone.Store(0)
	}
}

// count counts messages that were listed.
func (a *archive) count(listed int) {
	if a != nil {
		a.listed += listed
	}
}

// toCopy is how many messages of the folder are copied, or are to be, as far as is known.
func (p *pull) toCopy() uint32 {
	if p.archive == nil {
		return p.selected.Messages
	}
	k := p.known
	return uint32(len(k.entries) + k.before + len(k.refused) + int(p.archive.lone.Load()))
}

// seen is how many messages of the folder have been seen, and announced how many there should
// be. Of all mail that says something only when it is listed from its beginning to its end.
func (p *pull) seen() int {
	if p.archive == nil {
		return p.known.count()
	}
	return p.archive.listed
}

func (p *pull) announced() int {
	if p.archive != nil && (!p.archive.whole || p.base.UIDNext > 1) {
		return 0
	}
	return int(p.selected.Messages)
}

// archived are those of missing that lie in no other folder, if the folder shows all mail.
func (r *reader) archived(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
	a := r.archive
	if a == nil {
		return missing, nil
	}
	if len(missing) == 0 {
		return nil, nil
	}
	if a.judge == nil {
		a.judge = &archiveJudge{store: r.store, account: r.account, folder: r.folder.ID, old: r.folder.Old, session: r.old}
	}
	lone, err := a.judge.only(ctx, missing)
	if err != nil {
		return nil, err
	}
	if a.judge.left {
		a.judge.left = false
		if err := r.openAgain(ctx); err != nil {
			return nil, err
		}
	}
	a.lone.Add(int64(len(lone)))
	return lone, nil
}
