package syncer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

// withRights is a server whose administrator takes rights (RFC 4314) on folders away, by a file.
func withRights(t *testing.T) (options lab.DovecotOptions, rights func(lines ...string)) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // the server's user reads it
		t.Fatal(err)
	}
	file := filepath.Join(dir, "rights")
	rights = func(lines ...string) {
		if err := os.WriteFile(file, []byte(strings.Join(append(lines, ""), "\n")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rights()
	return lab.DovecotOptions{ExtraConfig: fmt.Sprintf("mail_plugins = acl\nplugin {\n  acl = vfile:%s:cache_secs=0\n}\n", file)}, rights
}

// TestRightsTakenAway: in the middle of a move rights on folders are taken away, on either server. What they keep from being
// copied is told, nothing else waits for it, and when they are given back all of it comes, once, with flags that have changed meanwhile.
func TestRightsTakenAway(t *testing.T) {
	t.Parallel()
	oldOptions, oldRights := withRights(t)
	newOptions, newRights := withRights(t)
	two := &twoDovecots{T: t, old: lab.StartDovecot(t, oldOptions), new: lab.StartDovecot(t, newOptions), login: anna, state: t.TempDir()}
	for _, s := range []*lab.Dovecot{two.old, two.new} {
		s.AddUser(lab.User{Login: anna, Password: benchPassword})
	}
	folders := []string{"INBOX", "Unread", "Unlisted", "NoInsert", "NewUnlisted", "NewClosed", "NoFlags"}
	two.old.Create(anna, folders[1:]...)
	for n, name := range folders {
		two.deliver(two.old, name, uint64(n+1), 3)
	}
	two.copies(3 * len(folders))
	for n, tt := range []struct {
		name     string
		old, new []string
		folder   string // that is told of
		waits    bool
	}{
		{"not to be opened on the old server", []string{"Unread owner l"}, nil, "Unread", true},
		{"not listed on the old server", []string{"Unlisted owner"}, nil, "", true},
		{"nothing to be put into it", nil, []string{"NoInsert owner lrwste"}, "", true}, // few are refused: they are in quarantine, and tried again
		{"not listed on the new server", nil, []string{"NewUnlisted owner"}, "NewUnlisted", true},
		{"not to be opened on the new server", nil, []string{"NewClosed owner l"}, "NewClosed", true},
		{"no flags to be changed", nil, []string{"NoFlags owner lri"}, "NoFlags", false},
	} {
		name := strings.Fields(append(tt.old, tt.new...)[0])[0]
		two.deliver(two.old, name, uint64(100+n), 2)
		two.deliver(two.old, "INBOX", uint64(200+n), 1)
		two.flag(two.old, name, 1, 3, imap.FlagFlagged)
		oldRights(tt.old...)
		newRights(tt.new...)
		r := two.try()
		if complete := tt.folder == ""; r.Pass.Complete != complete || complete != (r.Problem == nil) || r.Problem != nil && r.Problem.Folder != tt.folder {
			t.Errorf("%s: %+v, problem %+v", tt.name, r.Pass, r.Problem)
		}
		if refused := name == "NoInsert"; refused != (r.Pass.Quarantined == 2) {
			t.Errorf("%s: %d in quarantine", tt.name, r.Pass.Quarantined)
		}
		first := r.Pass.Copied
		if want := uint64(1); tt.waits && first != want || !tt.waits && first != 3 {
			t.Errorf("%s: copied %d", tt.name, first)
		}
		oldRights()
		newRights()
		if p := two.pass(); p.Copied+first != 3 {
			t.Errorf("%s: afterwards %+v", tt.name, p)
		}
		for at, m := range two.new.Snapshot(anna).Folders[name].Messages {
			if at < 3 != slices.Contains(m.Flags, imap.FlagFlagged) {
				t.Errorf("%s: message %d has %v", tt.name, at+1, m.Flags)
			}
		}
	}
	two.quiet()
	two.wantOnce(0)
}
