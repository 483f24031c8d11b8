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
	skipped := control.FolderStatus{Title: "All", State: store.FolderSkipped, Note: reason.Said("a view"), LeftOut: 3}
	deleted := control.FolderStatus{Title: "Work", State: store.FolderDeleted, LeftOut: 1}
	whole := control.FolderStatus{Title: "Stars", State: store.FolderSkipped, Note: reason.Said("a view")}
	for _, tt := range []struct{ what, got, want string }{
		{"skipped", folderState(skipped), "skipped: a view, 3 messages left out"},
		{"deleted", folderState(deleted), "deleted on the new server, 1 message left out"},
		{"nothing of it", folderState(whole), "skipped: a view"},
		{"account", AccountState(&control.AccountStatus{State: store.Active, Complete: true, LeftOut: 4, LastPass: &control.PassStatus{}}), "complete, 4 messages left out"},
		{"account with all", AccountState(&control.AccountStatus{State: store.Active, Complete: true, LastPass: &control.PassStatus{}}), "complete"},
		{"planned", folderPlan(report.FolderPlan{Action: report.FolderLeft, Reason: reason.Said("a view"), LeftOut: 3}), "skipped: a view, 3 messages left out"},
		{"planned, gone", folderPlan(report.FolderPlan{Action: report.FolderGone, LeftOut: 1}), "was deleted on the new server, stays so, 1 message left out"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, tt.got, tt.want)
		}
	}
}
