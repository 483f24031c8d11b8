package syncer_test

import (
	"strings"
	"testing"

	"postferry/internal/lab"
)

// TestServersRefuseNames: a folder whose name the new server won't have gets
// another one, with all below it, and stays the same folder afterwards.
func TestServersRefuseNames(t *testing.T) {
	for _, to := range []kind{cyrusPlain, cyrusUnix, courierIMAP} {
		t.Run(to.name, func(t *testing.T) {
			t.Parallel()
			m := startRelocation(t, sdbox, to)
			c := m.old.Client(anna)
			// "50_" is what "50%" would become: it has its name already.
			for i, name := range []string{"50%", "50%/Kind|er", "50_", "😀 `neu`", "a\\b;c"} {
				lab.Create(t, c, name)
				lab.Subscribe(t, c, name)
				if err := lab.Append(c, name, lab.Generate(uint64(i), 1, 600)[0]); err != nil {
					t.Fatal(err)
				}
			}
			if p := m.pass(); p.Copied != 5 || !p.Complete {
				t.Errorf("first pass: %+v", p)
			}
			// Courier keeps a UIDVALIDITY only once a folder was selected.
			n := m.new.Client(anna)
			if _, err := n.Select("INBOX", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			if err := n.Logout().Wait(); err != nil {
				t.Fatal(err)
			}
			m.after = m.new.Snapshot(anna)
			for name, f := range m.after.Folders {
				if len(f.Messages) > 1 {
					t.Errorf("%d messages in %q", len(f.Messages), name)
				}
			}
			if n := count(m.after); n != 5 || len(m.after.Subscribed) < 5 {
				t.Errorf("%d messages, subscribed %q", n, m.after.Subscribed)
			}
			m.before = m.old.Snapshot(anna)
			m.checkSecondPass()
		})
	}
}

// TestDotsInNames: a new Dovecot with maildir and "/" between names refuses every name with a dot.
func TestDotsInNames(t *testing.T) {
	t.Parallel()
	m := startRelocation(t, sdbox, dovecot("maildir", "/", ""))
	c := m.old.Client(anna)
	for i, name := range []string{"v2.0", "v2.0/beta.1", "v2.0/notes", "v2_0", "..x", "a.b & c, d+e", "Büro.alt", "empty.parent/child"} {
		lab.Create(t, c, name)
		if err := lab.Append(c, name, lab.Generate(uint64(i), 1, 600)[0]); err != nil {
			t.Fatal(err)
		}
	}
	if p := m.pass(); p.Copied != 8 || !p.Complete {
		t.Errorf("first pass: %+v", p)
	}
	m.after = m.new.Snapshot(anna)
	for name, f := range m.after.Folders {
		if len(f.Messages) > 1 || strings.Contains(name, ".") {
			t.Errorf("%d messages in %q", len(f.Messages), name)
		}
	}
	if len(m.after.Folders["v2_0"].Messages) != 1 {
		t.Error("v2_0 has not kept its name")
	}
	if n := count(m.after); n != 8 {
		t.Errorf("%d messages", n)
	}
	m.before = m.old.Snapshot(anna)
	m.checkSecondPass()
}
