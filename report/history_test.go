package report

import (
	"testing"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

// TestFolderOf: a folder is shown by what is stored of it and what goes on with it.
func TestFolderOf(t *testing.T) {
	now := time.Now()
	view := reason.Of(reason.LeftView, `\All`)
	for name, tt := range map[string]struct {
		folder Folder
		want   FolderStatus
	}{
		"left alone": {Folder{Folder: store.Folder{ID: 1, Title: "All", New: "All", State: store.FolderSkipped, Note: view, LeftOut: 3}},
			FolderStatus{ID: 1, Title: "All", State: store.FolderSkipped, LeftOut: 3, Name: "All", Note: view, Reason: view}},
		"being filled": {Folder{Folder: store.Folder{Title: "Entwürfe", New: "Entw&APw-rfe", State: store.FolderPresent, Note: reason.Of(reason.NotMapped, "x"), Copied: 2, Checkpoint: store.Checkpoint{Messages: 3}},
			FolderProgress: FolderProgress{Running: true, Total: 5, OctetsDone: 7, OctetsTotal: 9}},
			FolderStatus{Title: "Entwürfe", NewTitle: "Entwürfe", Name: "Entwürfe", Note: reason.Of(reason.NotMapped, "x"), State: store.FolderPresent, Running: true, Messages: 5, Copied: 2, Octets: 7, OctetsTotal: 9}},
		"missing": {Folder{Folder: store.Folder{Title: "a", New: "b", State: store.FolderMissing, Missing: store.Missing{Since: now}, Checkpoint: store.Checkpoint{Messages: 3, Checked: now}}},
			FolderStatus{Title: "a", NewTitle: "b", Name: "b", State: store.FolderMissing, Complete: true, Messages: 3, Missing: &now, Checked: &now}},
	} {
		got := FolderOf(&tt.folder, nil)
		if (got.Missing == nil) != (tt.want.Missing == nil) || (got.Checked == nil) != (tt.want.Checked == nil) {
			t.Errorf("%s: %+v", name, got)
		}
		got.Missing, got.Checked = tt.want.Missing, tt.want.Checked
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
