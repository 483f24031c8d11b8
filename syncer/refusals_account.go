package syncer

import (
	"time"

	"postferry/store"
	"postferry/syncer/transfer"
)

// keepRefusals keeps in mind that the new server refused all messages of a folder, and since
// when, although somebody wants the account tried.
func (a *account) keepRefusals() {
	if was := a.row.Problem; was != nil && was.Kind == store.MessagesRefused {
		a.refusing = was
	}
}

// keepSince dates such a problem from when it began.
func (a *account) keepSince(p *store.Problem) {
	switch was := a.refusing; {
	case p == nil || p.Kind != store.MessagesRefused:
		a.refusing = nil
	case was != nil && was.Folder == p.Folder:
		p.Since = was.Since
	}
}

// refusedLong tells whether the new server has refused all messages of a folder for long.
func (a *account) refusedLong(f *tracked) bool {
	a.keepRefusals()
	was := a.refusing
	return was != nil && was.Folder == f.Title && time.Since(was.Since) > transfer.TroubleLasts
}
