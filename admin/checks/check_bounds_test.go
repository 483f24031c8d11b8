package checks

import (
	"postferry/report"
	"postferry/report/reason"
	"strings"
	"testing"
)

// What a check keeps has a bound in octets, too: names and notes may be long.
func TestCheckKeepsSomeFolders(t *testing.T) {
	long := strings.Repeat("x", 2000)
	var c checkResults
	for range 30 {
		r := &report.Check{AccountPlan: report.AccountPlan{Folders: make([]report.FolderPlan, 1000), Notes: make([]reason.Reason, 1000)}}
		for i := range r.Folders {
			r.Folders[i].Folder, r.Folders[i].NewFolder = long, long
			r.Notes[i] = reason.Said(long)
		}
		c.add(r)
	}
	octets, omitted := 0, 0
	for _, a := range c.accounts {
		omitted += a.FoldersOmitted
		for _, f := range a.Folders {
			octets += len(f.Title) + len(f.NewTitle)
		}
		for _, n := range a.Notes {
			octets += len(n)
		}
	}
	if kept := 30*1000 - omitted; octets > 2*maxCheckedFolders*checkedName || kept == 0 || omitted == 0 {
		t.Errorf("%d octets are kept, of %d folders; %d are not", octets, kept, omitted)
	}
}
