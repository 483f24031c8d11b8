package syncer

import (
	"time"

	"postferry/store"
	"postferry/syncer/transfer"
)

// keepRefusals keeps in mind that the new server refused all messages of a folder, and since
// when, although somebody wants the account tried.
func (t *troubles) keepRefusals(was *store.Problem) {
	if was != nil && was.Kind == store.MessagesRefused {
		t.refusing = was
	}
}

// keepSince dates such a problem from when it began.
func (t *troubles) keepSince(p *store.Problem) {
	switch was := t.refusing; {
	case p == nil || p.Kind != store.MessagesRefused:
		t.refusing = nil
	case was != nil && was.Folder == p.Folder:
		p.Since = was.Since
	}
}

// refusedLong tells whether the new server has refused all messages of a folder for long.
func (t *troubles) refusedLong(f *tracked, known *store.Problem) bool {
	t.keepRefusals(known)
	was := t.refusing
	return was != nil && was.Folder == f.Title && time.Since(was.Since) > transfer.TroubleLasts
}
