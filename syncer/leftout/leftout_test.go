package leftout

import (
	"testing"
	"time"

	"postferry/store"
	"postferry/upstream"
)

// TestWithLeftOut: what is left out of a folder is counted anew by its status; if the connection broke at that, it stays as it was.
func TestWithLeftOut(t *testing.T) {
	cp := store.Checkpoint{UIDValidity: 1, UIDNext: 5, Checked: time.Unix(1, 0)}
	for name, tt := range map[string]struct {
		status map[string]upstream.Status
		want   uint64
	}{
		"more has come":     {map[string]upstream.Status{"Work": {UIDValidity: 1, UIDNext: 8, Messages: 7}}, 3},
		"it is gone":        {nil, 0},
		"nothing was told":  {map[string]upstream.Status{"Work": {}}, 2},
		"as it was":         {map[string]upstream.Status{"Work": {UIDValidity: 1, UIDNext: 7, Messages: 6}}, 2},
		"numbered anew":     {map[string]upstream.Status{"Work": {UIDValidity: 2, UIDNext: 7, Messages: 6}}, 2},
		"all of it removed": {map[string]upstream.Status{"Work": {UIDValidity: 1, UIDNext: 8}}, 0},
	} {
		row := store.Folder{ID: 1, Old: "Work", State: store.FolderDeleted, Checkpoint: cp, Copied: 4, LeftOut: 2}
		got := row.LeftOut
		for _, changed := range WithLeftOut([]store.Folder{row}, nil, tt.status, nil) {
			got = changed.LeftOut
		}
		if got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}
