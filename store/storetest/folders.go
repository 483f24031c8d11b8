package storetest

import (
	"testing"

	"postferry/report/reason"
	"postferry/store"
)

func testPutFoldersAdds(t *testing.T, f *fixture) {
	a, b := f.put(account("a@example.com"))[0].ID, f.put(account("b@example.com"))[0].ID
	none, err := f.Folders(t.Context(), a)
	must(t, err)
	wantEqual(t, "folders of a new account", len(none), 0)

	want := []store.Folder{
		{Old: "INBOX", New: "INBOX", Title: "INBOX", State: store.FolderPresent, Subscribed: true},
		{Old: "INBOX.Entw&APw-rfe", New: "Drafts", Title: "INBOX/Entwürfe", State: store.FolderPlanned},
		{Old: "INBOX.All", Title: "INBOX/All", State: store.FolderSkipped, Note: reason.Of(reason.LeftView, `\All`), LeftOut: 3},
		{Old: "INBOX.Lost", New: "Lost", Title: "INBOX/Lost", State: store.FolderMissing, NewUIDValidity: 7,
			Missing: store.Missing{Since: at(1), Looks: 2, Last: at(3), PutBack: true}},
	}
	stored, err := f.PutFolders(t.Context(), a, want)
	must(t, err)
	for i := range want {
		want[i].ID = stored[i].ID
		if want[i].ID == 0 || i > 0 && want[i].ID <= want[i-1].ID {
			t.Errorf("folder %d has ID %d", i, want[i].ID)
		}
	}
	wantEqual(t, "stored", stored, want)
	got, err := f.Folders(t.Context(), a)
	must(t, err)
	wantEqual(t, "read", got, want)
	others, err := f.Folders(t.Context(), b)
	must(t, err)
	wantEqual(t, "folders of the other account", len(others), 0)
}

func testPutFoldersUpdates(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	checkpoint := store.Checkpoint{UIDValidity: 9, UIDNext: 10, HighestModSeq: 11, Messages: 12, Checked: at(13),
		NewUIDValidity: 14, NewUIDNext: 15, NewHighestModSeq: 16}
	f.commit(store.Batch{Account: id, Folder: folder, Checkpoint: &checkpoint, Order: &store.Order{State: store.OrderNewest},
		Proofs: []store.Entry{entry("1")}, Quarantine: []store.Quarantined{quarantined("2")}})

	given := store.Folder{ID: folder, Old: "Renamed", New: "New", Title: "Title", State: store.FolderDeleted, Subscribed: true,
		Checkpoint: store.Checkpoint{UIDNext: 99}, Order: store.Order{State: store.OrderKept}, Copied: 98, Quarantined: 97, Again: 96, Lost: 95}
	added := store.Folder{Old: "Added", State: store.FolderPlanned, Checkpoint: store.Checkpoint{UIDNext: 99}, Copied: 98, Quarantined: 97, Again: 96}
	stored, err := f.PutFolders(t.Context(), id, []store.Folder{added, given})
	must(t, err)

	given.Order = store.Order{State: store.OrderNewest}
	given.Checkpoint, given.Copied, given.Quarantined, given.Again, given.Lost = checkpoint, 1, 1, 0, 0
	added.ID, added.Checkpoint, added.Copied, added.Quarantined, added.Again = stored[0].ID, store.Checkpoint{}, 0, 0, 0
	wantEqual(t, "stored", stored, []store.Folder{added, given})
	got, err := f.Folders(t.Context(), id)
	must(t, err)
	wantEqual(t, "read", got, []store.Folder{given, added})
	wantEqual(t, "entries", len(f.ledger(id, folder).Entries), 1)
}

func testPutFoldersFails(t *testing.T, f *fixture) {
	id, folder := f.folder("a@example.com")
	before, err := f.Folders(t.Context(), id)
	must(t, err)
	good := store.Folder{ID: folder, Old: "Changed", State: store.FolderPresent}

	_, err = f.PutFolders(t.Context(), id, []store.Folder{good, {ID: 999, State: store.FolderPresent}})
	wantError(t, "unknown folder", err, store.ErrNotFound)
	_, err = f.PutFolders(t.Context(), id, []store.Folder{good, {State: "lost"}})
	wantError(t, "unknown state", err, store.ErrInvalid)
	_, err = f.PutFolders(t.Context(), 999, []store.Folder{{State: store.FolderPresent}})
	wantError(t, "unknown account", err, store.ErrNotFound)
	_, err = f.Folders(t.Context(), 999)
	wantError(t, "folders of an unknown account", err, store.ErrNotFound)

	after, err := f.Folders(t.Context(), id)
	must(t, err)
	wantEqual(t, "folders after failures", after, before)
}

func testFolderNamesAreBytes(t *testing.T, f *fixture) {
	id := f.put(account("a@example.com"))[0].ID
	want := store.Folder{Old: "M\xfcll \"\\ \x00\r\n", New: "\xff\xfe", Title: "a/b", State: store.FolderPlanned}
	stored, err := f.PutFolders(t.Context(), id, []store.Folder{want})
	must(t, err)
	want.ID = stored[0].ID
	got, err := f.Folders(t.Context(), id)
	must(t, err)
	wantEqual(t, "folders", got, []store.Folder{want})
}
