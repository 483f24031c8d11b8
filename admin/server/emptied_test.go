package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/admin/board"
	"postferry/report"
	"postferry/store"
)

// TestEmptiedOldMailbox: where the old server has fewer messages than were copied, as people empty their old mailboxes or delete a
// folder for good, that is no share over the whole, and makes up for nothing that another account lacks.
func TestEmptiedOldMailbox(t *testing.T) {
	p := startPage(t)
	ids := p.put("a.example", "anna@a.example", "bert@a.example")
	for i, x := range []struct{ copied, has int }{{5, 2}, {1, 4}} {
		folders, err := p.store.PutFolders(t.Context(), ids[i], []store.Folder{{Old: "INBOX", New: "INBOX", State: store.FolderPresent}, {Old: "Gone", New: "Gone", State: store.FolderDeleted}})
		if err != nil {
			t.Fatal(err)
		}
		b := store.Batch{Account: ids[i], Folder: folders[1].ID, Checkpoint: &store.Checkpoint{Messages: 3, Checked: time.Now()}}
		for n := range x.copied {
			b.Proofs = append(b.Proofs, store.Entry{Key: store.Key(fmt.Sprint(n)), UID: imap.UID(n + 1)})
		}
		if err := p.store.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := p.store.SetMessages(t.Context(), ids[i], uint64(x.has)); err != nil {
			t.Fatal(err)
		}
	}
	var sums board.Totals
	if p.program("a.example").want(200, "GET", aDomain+"/progress", nil, &sums); sums.Messages != 9 || sums.Copied != 6 {
		t.Errorf("%+v", sums)
	}
	p.ferry.FoldersOf[ids[0]] = []report.Folder{{Folder: store.Folder{ID: 2, Title: "Gone", State: store.FolderDeleted, Checkpoint: store.Checkpoint{Messages: 3, Checked: time.Now()}, Copied: 3}}}
	c := p.admin("anna", "a.example")
	shows(t, "the list", 200, 200, c.do("GET", "/d/a.example", nil).text, "5 / 5", "1 / 4", "6 of 9", "66 %")
	text := c.do("GET", fmt.Sprint("/d/a.example/a/", ids[0]), nil).text
	shows(t, "the account", 200, 200, text, "5 of 5", "Deleted at the new server")
	if strings.Contains(text, ">Copied<") {
		t.Error("a folder that was deleted is told as copied")
	}
}
