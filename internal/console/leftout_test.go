package console

import (
	"testing"

	"postferry/internal/control"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// TestLeftOutTold: status and plan name the messages that are deliberately not copied, with the reason.
func TestLeftOutTold(t *testing.T) {
	skipped := report.FolderStatus{Title: "All", State: store.FolderSkipped, Note: reason.Said("a view"), LeftOut: 3}
	deleted := report.FolderStatus{Title: "Work", State: store.FolderDeleted, LeftOut: 1}
	whole := report.FolderStatus{Title: "Stars", State: store.FolderSkipped, Note: reason.Said("a view")}
	for _, tt := range []struct{ what, got, want string }{
		{"skipped", folderState(skipped), "skipped: a view, 3 messages left out"},
		{"deleted", folderState(deleted), "deleted on the new server, 1 message left out"},
		{"nothing of it", folderState(whole), "skipped: a view"},
		{"account", AccountState(&control.AccountStatus{Stored: store.Active, Complete: true, Progress: report.Progress{LeftOut: 4}, Pass: &report.Pass{}}), "complete, 4 messages left out"},
		{"account with all", AccountState(&control.AccountStatus{Stored: store.Active, Complete: true, Pass: &report.Pass{}}), "complete"},
		{"planned", folderPlan(report.FolderPlan{Action: report.FolderLeft, Reason: reason.Said("a view"), LeftOut: 3}), "skipped: a view, 3 messages left out"},
		{"planned, gone", folderPlan(report.FolderPlan{Action: report.FolderGone, LeftOut: 1}), "was deleted on the new server, stays so, 1 message left out"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}
