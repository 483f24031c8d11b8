package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/internal/backend"
	"postferry/internal/lab"
)

// archived are the files of a backup.
func archived(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	archive := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

// restore makes a state folder of a backup, as the documentation says.
func restore(t *testing.T, state string, files map[string][]byte) {
	t.Helper()
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(state, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackupAndRestore backs up the state of a daemon that goes on copying, and puts it back: what was copied since
// is not copied again, in folders that the backup knows and in those that it doesn't.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	p, d := moved(t, `interval = "1h"`, "INBOX", "INBOX.Work")
	dir := filepath.Dir(d.Config)
	target := filepath.Join(dir, "backup.tar")
	status, stdout, stderr := postferry(t, "", "backup", "-c", d.Config, target)
	if status != exitOK || stdout != "" || !strings.Contains(stderr, "and the key written") {
		t.Fatalf("%d %q %q", status, stdout, stderr)
	}
	if info, err := os.Stat(target); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	data, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	files := archived(t, data)
	if len(files) != 2 || len(files["state.db"]) == 0 || len(files["key"]) == 0 {
		t.Fatalf("%d files", len(files))
	}

	for i, folder := range []string{"INBOX", "INBOX.Work", "INBOX.Later"} {
		p.old.Append(anna, folder, lab.Generate(uint64(20+i), 7, 900)...)
	}
	syncAll(t, d.Config)
	p.sameMail(anna)
	d.Stop()
	restore(t, filepath.Join(dir, "state"), files)
	d.start()
	p.arrives("INBOX.Work", "after it was restored")
	syncAll(t, d.Config)
	p.sameMail(anna)
	before := p.new.Snapshot(anna)
	syncAll(t, d.Config)
	if diff := before.Diff(p.new.Snapshot(anna)); diff != "" {
		t.Errorf("another pass has changed something:\n%s", diff)
	}
}

// TestBackupCommand works with a daemon and without one, replaces what is there only by a whole backup, and says
// what has to be kept besides.
func TestBackupCommand(t *testing.T) {
	for _, running := range []bool{true, false} {
		path := writeConfig(t, `imap = ""`)
		dir := filepath.Join(filepath.Dir(path), "state")
		if status, _, stderr := postferry(t, "a@example.com s3cret\n", "import", "-c", path, "-"); status != exitOK {
			t.Fatal(stderr)
		}
		if running {
			st := openState(t, dir)
			startControl(t, dir, &backend.Local{Store: st}, zerolog.Nop())
		}
		key, err := os.ReadFile(filepath.Join(dir, "key"))
		if err != nil {
			t.Fatal(err)
		}
		status, stdout, stderr := postferry(t, "", "backup", "-c", path, "-")
		files := archived(t, []byte(stdout))
		if status != exitOK || !bytes.Equal(files["key"], key) || !strings.Contains(stderr, "can read all passwords") {
			t.Errorf("running %t: %d, %d files, %q", running, status, len(files), stderr)
		}
		status, stdout, stderr = postferry(t, "", "backup", "-c", path, "--without-key", "-")
		files = archived(t, []byte(stdout))
		if status != exitOK || len(files) != 1 || len(files["state.db"]) == 0 || !strings.Contains(stderr, "without the key") {
			t.Errorf("running %t: %d, %d files, %q", running, status, len(files), stderr)
		}
		if strings.Contains(stdout, "s3cret") || strings.Contains(stdout, string(bytes.TrimSpace(key))) {
			t.Errorf("running %t: a secret is in it", running)
		}
		status, _, stderr = postferry(t, "", "backup", "-c", path, filepath.Join(dir, "no", "such", "folder"))
		if status != exitFailed || !strings.Contains(stderr, "no such file") {
			t.Errorf("running %t: %d %q", running, status, stderr)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".part-*")); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	}
	if status, _, _ := postferry(t, "", "backup"); status != exitUsage {
		t.Errorf("without a target: %d", status)
	}
}
