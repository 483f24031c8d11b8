package syncer_test

import (
	"context"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer"
)

// inDoubt are the keys of messages that are told as lost or removed, nobody knows which.
func (two *twoDovecots) inDoubt(ctx context.Context, st store.Store) (folder store.FolderID, keys []store.Key) {
	two.Helper()
	rows, err := st.Folders(ctx, 1)
	if err != nil {
		two.Fatal(err)
	}
	for _, row := range rows {
		l, err := st.Ledger(ctx, 1, row.ID)
		if err != nil {
			two.Fatal(err)
		}
		for _, q := range l.Quarantine {
			if !strings.Contains(q.Reason.String(), "its user has removed it, or the server has lost it") {
				two.Errorf("in quarantine: %+v", q)
			}
			folder, keys = row.ID, append(keys, q.Key)
		}
	}
	return folder, keys
}

// wantDoubts wants so many messages to be told, and has them copied again if they are lost.
func (two *twoDovecots) wantDoubts(n int, lost bool) {
	two.Helper()
	two.with(func(ctx context.Context, e *syncer.Engine, st store.Store) {
		folder, keys := two.inDoubt(ctx, st)
		if len(keys) != n {
			two.Errorf("%d messages are in doubt, want %d", len(keys), n)
		}
		if !lost {
			return
		}
		if err := e.Retry(ctx, 1, folder, keys); err != nil {
			two.Fatal(err)
		}
	})
}

// TestPutBackAndNumberedAnew: a new server that was put back to a backup and gives its folders other UIDVALIDITYs shows no
// number that went back. What it has lost can't be told from what its user has removed last: it is told, and a person
// can have it copied again. What the user has moved, or removed before other copies that are there, is none of it.
func TestPutBackAndNumberedAnew(t *testing.T) {
	two := startTwo(t)
	two.deliver(two.old, "INBOX", 1, 8)
	two.copies(8)
	two.remove(two.new, "INBOX", 3, 3)
	putBack := two.new.Keep(anna)
	two.deliver(two.old, "INBOX", 2, 4)
	two.copies(4)
	putBack()
	two.new.NumberAnew(anna)
	two.copies(0)
	two.wantDoubts(4, false)
	two.flag(two.old, "INBOX", 10, 10, imap.FlagSeen) // makes none of it a copy
	two.copies(0)
	two.wantDoubts(4, true)
	two.copies(4)
	two.quiet()
	two.wantDoubts(0, false)

	two.new.Create(anna, "Trash")
	c := two.new.Client(anna)
	defer c.Close()
	if _, err := c.Select("INBOX", nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Move(imap.SeqSetNum(10, 11), "Trash").Wait(); err != nil {
		t.Fatal(err)
	}
	c.Close()
	two.new.NumberAnew(anna)
	two.copies(0)
	two.wantDoubts(0, false)
	if n := two.messages(anna); n != 11 {
		t.Errorf("%d messages on the new server, want 11", n)
	}
}
