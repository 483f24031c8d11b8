package syncer

import (
	"slices"
	"testing"

	"postferry/store"
)

// TestNamesInAnotherCase: a client that spells INBOX at the beginning of a name in its own way, as servers let it, has its folder
// filled as it opens or asks for it, and what it does to the folder is followed.
func TestNamesInAnotherCase(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		names := []string{"INBOX/opened", "INBOX/asked", "INBOX/other"}
		for i, name := range names {
			r.pair.old.add(name)
			r.pair.old.deliver(name, mail(i))
		}
		r.start(false)
		r.engine.Connected(t.Context(), r.account.ID)
		defer r.engine.Disconnected(r.account.ID)
		have := func() (filled []string) {
			for _, name := range names {
				if len(r.pair.new.bodies(name)) == 1 {
					filled = append(filled, name)
				}
			}
			return filled
		}
		r.engine.Visit(t.Context(), r.account.ID, "inbox/opened", nil)
		if got := have(); !slices.Equal(got, names[:1]) {
			t.Errorf("filled: %q", got)
		}
		r.engine.Asked(t.Context(), r.account.ID, "Inbox/asked")
		if got := have(); !slices.Equal(got, names[:2]) {
			t.Errorf("filled: %q", got)
		}
		for _, change := range [][]string{{"RENAME", "Inbox/opened", "Inbox/renamed"}, {"RENAME", "Inbox/other", "Inbox/other"}, {"DELETE", "inbox/asked", ""}} {
			if err := r.engine.Changed(t.Context(), r.account.ID, change[0], change[1], change[2]); err != nil {
				t.Error(err)
			}
		}
		if row := r.folderRow("INBOX/opened"); row.New != "INBOX/renamed" {
			t.Errorf("renamed to %q", row.New)
		}
		if row := r.folderRow("INBOX/other"); row.New != "INBOX/other" || row.State != store.FolderPresent {
			t.Errorf("%q, %s", row.New, row.State)
		}
		if row := r.folderRow("INBOX/asked"); row.State != store.FolderDeleted {
			t.Errorf("the deleted one is %s", row.State)
		}
	})
}
