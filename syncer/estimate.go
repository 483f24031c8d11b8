package syncer

import (
	"context"
	"time"

	"postferry/upstream"
)

// slowTree is after what time a first look at the trees counts as slow: Dovecot reads
// through a maildir of half a million messages to answer it, but may tell sooner how
// many there are in one folder.
const slowTree = 200 * time.Millisecond

// expectSlow sees to it that something can be shown even if the account's first look at
// the trees takes long.
func (a *account) expectSlow() {
	if len(a.folders) > 0 || a.pass == nil || !a.front.Traits().Folders {
		return
	}
	a.tree.slow = time.AfterFunc(slowTree, func() {
		select {
		case a.events <- a.foretell:
		case <-a.gone:
		}
	})
}

// foretell asks how many messages INBOX has, on a session that has nothing else to do.
func (a *account) foretell() {
	l := a.backs[1]
	if !a.tree.running || a.pass == nil || a.busy[l] || !l.Old.There {
		return
	}
	var inbox upstream.Status
	a.start(l, nil, func(ctx context.Context) {
		var err error
		if inbox, err = l.Old.Session.Inbox(ctx); err != nil {
			l.Drop() // it shows again when the pair is needed
		}
	}, func() {
		a.tree.foretold = uint64(inbox.Messages)
		a.followed(l)
	})
}
