package console

import (
	"bytes"
	"testing"

	"postferry/config"
	"postferry/internal/control"
	"postferry/report"
	"postferry/report/reason"
)

func TestPlanPrinter(t *testing.T) {
	var out bytes.Buffer
	known := config.NewDirectory([]config.Domain{{Name: "example.com", Old: config.Server{Host: "imap.mail.yahoo.com"}}})
	p := PlanPrinter{w: &out, domains: known, told: map[string]bool{}}
	records := []control.PlanRecord{
		{Pace: &report.Pace{Messages: 100, Bytes: 4e6, Accounts: 6}},
		{Account: &report.AccountPlan{
			Login: "anna@example.com", Copy: 12000, Bytes: 480e6, TooLarge: 2, Limit: 50e6, Lacks: "468750 KB are needed at most, the quota has room for 100 KB",
			Subscribe: []string{"Projekte/Übersicht"}, Notes: []reason.Reason{reason.Of(reason.NoteSpecialUse, "Gesendet", "Sent", `\Sent`)},
			Folders: []report.FolderPlan{
				{Folder: "INBOX", NewFolder: "INBOX", Action: report.FolderFilled, Messages: 10000, Copy: 9000, Bytes: 400e6, Unknown: 3},
				{Folder: "Gesendet", NewFolder: "Sent", Action: report.FolderFilled, Messages: 10, Copy: 10, Bytes: 4000},
				{Folder: "Projekte/Übersicht", NewFolder: "Projekte/Übersicht", Action: report.FolderCreated, Messages: 2990, Copy: 2990, Bytes: 80e6},
				{Folder: "Done", NewFolder: "Done", Action: report.FolderFilled, Messages: 7},
				{Folder: "Gone", NewFolder: "Gone", Action: report.FolderGone, Messages: 3},
				{Folder: "All", Action: report.FolderLeft, Messages: 13000},
				{Folder: "Locked", NewFolder: "Locked", Action: report.FolderFilled, Problem: reason.Said("refused")},
			},
		}},
		{Account: &report.AccountPlan{Login: "bert@example.com", Problem: "The old server refused the password of this account."}},
		{Account: &report.AccountPlan{Login: "carla@example.com", Copy: 1, Bytes: 1}},
	}
	for _, r := range records {
		if err := p.Take(r); err != nil {
			t.Fatal(err)
		}
	}
	if p.End() {
		t.Error("all is said to fit")
	}
	golden(t, "plan.txt", out.Bytes())
}
