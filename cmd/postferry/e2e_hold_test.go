package main

import (
	"testing"

	"postferry/internal/lab"
)

// TestChangedWhileItIsFilled: a client renames a folder, and makes another of its name, or
// deletes it, while it is being filled: the messages go where the folder is, and a deletion
// isn't refused.
func TestChangedWhileItIsFilled(t *testing.T) {
	t.Parallel()
	const n = 3000 // more than are copied before the commands come
	p := startPair(t, anna)
	for i, folder := range []string{"INBOX.Ferien", "INBOX.Weg"} {
		p.old.FillMaildir(anna, folder, lab.Generate(uint64(i+1), n, 1000))
	}
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	c := p.login(d, anna)
	direct := p.new.Client(anna)
	for _, folder := range []string{"Ferien", "Weg"} {
		eventually(t, "the first messages in "+folder, func() bool { return messages(t, direct, folder) > 0 })
	}
	if messages(t, direct, "Ferien") == n {
		t.Fatal("the folder was filled before anything happened to it")
	}
	rename, create, remove := c.Rename("Ferien", "Urlaub", nil), c.Create("Ferien", nil), c.Delete("Weg")
	if err := rename.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := create.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := remove.Wait(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all messages in the renamed folder", func() bool { return messages(t, direct, "Urlaub") == n })
	got := p.new.Snapshot(anna)
	if in, there := len(got.Folders["Urlaub"].Messages), len(got.Folders["Ferien"].Messages); in != n || there != 0 {
		t.Errorf("%d messages in the renamed folder, %d in the new one of its name", in, there)
	}
	if got.Folders["Weg"] != nil {
		t.Error("the deleted folder is there again")
	}
}
