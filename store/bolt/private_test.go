package bolt

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// TestWrittenByOthers: a state that others may write is refused, whether it is the
// folder or a file in it, and left as it is.
func TestWrittenByOthers(t *testing.T) {
	tests := []struct {
		name string // "" for the folder
		mode fs.FileMode
	}{
		{"", 0o777}, {"", 0o775}, {"", 0o770}, {"", 0o757}, {"", 0o702}, {"", 0o777 | fs.ModeSticky},
		{statedir.DatabaseFile, 0o620}, {statedir.DatabaseFile, 0o602}, {statedir.DatabaseFile, 0o666}, {statedir.LockFile, 0o666}, {seal.KeyFile, 0o620},
	}
	for _, test := range tests {
		dir, _ := sealedState(t)
		path := filepath.Join(dir, test.name)
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, dir, path+" has mode", "others may write it", "chmod go-w "+path)
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(dir, link); err != nil {
			t.Fatal(err)
		}
		wantRefusal(t, link, "others may write it")
		if err := os.Chmod(path, test.mode&0o700); err != nil {
			t.Fatal(err)
		}
		wantPassword(t, dir)
	}
}

// TestReadByOthers: that others may look into the folder is told, as before.
func TestReadByOthers(t *testing.T) {
	for _, mode := range []fs.FileMode{0o755, 0o750, 0o711} {
		dir, _ := sealedState(t)
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		if log := openLogging(t, dir); !strings.Contains(log, "other users can look into the state directory") {
			t.Errorf("mode %04o: the log says %s", mode, log)
		}
	}
}

// TestParentWrittenByAnybody: who may rename the folder may replace it.
func TestParentWrittenByAnybody(t *testing.T) {
	for mode, want := range map[fs.FileMode]bool{0o777: true, 0o702: true, 0o777 | fs.ModeSticky: false, 0o775: false, 0o700: false} {
		parent := filepath.Join(t.TempDir(), "parent")
		dir := filepath.Join(parent, "between", "state")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(parent, mode); err != nil {
			t.Fatal(err)
		}
		if log := openLogging(t, dir); strings.Contains(log, "in place of this one") != want {
			t.Errorf("mode %04o: the log says %s", mode, log)
		}
	}
}

// openLogging opens and closes a state, and returns what was logged.
func openLogging(t *testing.T, dir string) string {
	t.Helper()
	var log bytes.Buffer
	b, err := Open(dir, Options{Command: "test", Log: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return log.String()
}

func TestCheckPrivateMissing(t *testing.T) {
	if err := statedir.CheckPrivate(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}
