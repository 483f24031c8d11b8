package syncer_test

import (
	"testing"

	"postferry/internal/lab"
)

// TestRenamedInWebmail: a folder that its user renamed on a real new server, not by
// way of the relay, goes on under its new name, if the server keeps its UIDVALIDITY.
func TestRenamedInWebmail(t *testing.T) {
	for _, to := range []kind{sdbox, maildir, cyrusUnix} {
		t.Run(to.name, func(t *testing.T) {
			t.Parallel()
			renameInWebmail(startRelocation(t, maildir, to))
		})
	}
}

func renameInWebmail(m *relocation) {
	t := m.T
	old := m.old.Client(anna)
	lab.Create(t, old, "INBOX.Work")
	lab.Create(t, old, "INBOX.Other")
	for _, folder := range []string{"INBOX.Work", "INBOX.Other"} {
		if err := lab.Append(old, folder, lab.Generate(1, 1, 2_000)[0]); err != nil {
			t.Fatal(err)
		}
	}
	m.pass()
	to := m.to.prefix + "Projects"
	if err := m.new.Client(anna).Rename(m.to.prefix+"Work", to, nil).Wait(); err != nil {
		t.Fatal(err)
	}
	if err := lab.Append(old, "INBOX.Work", lab.Generate(2, 1, 2_000)[0]); err != nil {
		t.Fatal(err)
	}
	m.pass()
	now := m.new.Snapshot(anna).Folders
	for name, want := range map[string]int{to: 2, m.to.prefix + "Other": 1} {
		if f := now[name]; f == nil || len(f.Messages) != want {
			t.Errorf("%s: %+v, want %d messages", name, f, want)
		}
	}
	if now[m.to.prefix+"Work"] != nil {
		t.Error("Work was made again")
	}
}
