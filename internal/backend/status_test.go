package backend

import (
	"testing"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// TestLeftOutDescribed: commands are told of the messages that are deliberately not copied, with the reason.
func TestLeftOutDescribed(t *testing.T) {
	for _, row := range []store.Folder{
		{Title: "All", State: store.FolderSkipped, Note: reason.Said("a view"), LeftOut: 3},
		{Title: "Work", State: store.FolderDeleted, LeftOut: 1},
		{Title: "Stars", State: store.FolderSkipped, Note: reason.Said("a view")},
	} {
		if s := report.FolderOf(&report.Folder{Folder: row}, nil); s.Title != row.Title || s.State != row.State || s.LeftOut != row.LeftOut || s.Note.String() != row.Note.String() {
			t.Errorf("commands are told %+v of %+v", s, row)
		}
	}
}
