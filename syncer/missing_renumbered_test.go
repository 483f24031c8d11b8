package syncer

import (
	"testing"

	"postferry/store"
)

// TestMissingAfterRenumbering: the ledger has a line of a message that was removed at the old server before that numbered the folder anew. When the
// folder is missing, that line stands for nothing that has come since.
func TestMissingAfterRenumbering(t *testing.T) {
	t.Parallel()
	r := newRigIn(t, inMemory(t))
	r.silent = true
	r.pair.old.add("Work")
	for i := range 3 {
		r.pair.old.deliver("Work", mail(i))
	}
	r.start(false)
	r.copies(3)
	r.pair.old.remove("Work", mail(0))
	r.pair.old.renumber("Work")
	r.copies(0)
	r.pair.new.mu.Lock()
	delete(r.pair.new.folders, "Work")
	r.pair.new.mu.Unlock()
	r.pair.old.deliver("Work", mail(3))
	for range 2 {
		res := r.sync()
		if row := r.folderRow("Work"); res.Pass.Complete || row.State != store.FolderMissing || row.LeftOut != 1 {
			t.Fatalf("complete %t, %s, %d left out, want 1", res.Pass.Complete, row.State, row.LeftOut)
		}
	}
}
