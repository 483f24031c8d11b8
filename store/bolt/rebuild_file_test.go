package bolt

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"

	"postferry/internal/lab/powercut"
	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// TestRebuildLeavesPeoplesFiles: what people call a database that they copy or move away isn't touched by an
// upgrade, nor by what opens the state afterwards.
func TestRebuildLeavesPeoplesFiles(t *testing.T) {
	t.Parallel()
	dir, contents := oldState(t)
	path := filepath.Join(dir, statedir.DatabaseFile)
	names := []string{".old", ".bak", ".orig", ".backup", ".v3", ".save", "~", ".1"}
	for _, name := range names {
		copyFile(t, path, path+name)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantRebuilt(t, dir, contents)
	}
	for _, name := range names {
		if after, err := os.ReadFile(path + name); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s has changed: %v", name, err)
		}
	}
}

// TestRebuildBehindLink: a database that a symbolic link leads to is replaced where it lies.
func TestRebuildBehindLink(t *testing.T) {
	t.Parallel()
	dir, contents := oldState(t)
	path, there := filepath.Join(dir, statedir.DatabaseFile), filepath.Join(t.TempDir(), "elsewhere.db")
	if err := errors.Join(os.Rename(path, there), os.Symlink(there, path)); err != nil {
		t.Fatal(err)
	}
	wantRebuilt(t, dir, contents)
	if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(there)); err != nil || len(left) != 1 {
		t.Errorf("beside the database there is more: %v, %v", left, err)
	}
}

// TestRootKeepsOwners: what root upgrades, or changes the key of, still belongs to whom Postferry runs as. Other users
// can't give files away, nor does what they make belong to somebody else.
func TestRootKeepsOwners(t *testing.T) {
	t.Parallel()
	owner := os.Geteuid()
	if owner == 0 {
		owner = 54321
	}
	dir, _ := oldState(t)
	for _, name := range []string{statedir.DatabaseFile, seal.KeyFile} {
		if err := os.Chown(filepath.Join(dir, name), owner, -1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(t, dir).RotateKey(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{statedir.DatabaseFile, seal.KeyFile} {
		var stat unix.Stat_t
		if err := unix.Stat(filepath.Join(dir, name), &stat); err != nil || int(stat.Uid) != owner {
			t.Errorf("%s belongs to %d, and not to %d any more: %v", name, stat.Uid, owner, err)
		}
	}
}

// wantUnchanged wants a state to be as it was before an upgrade, and nothing to be left of that.
func wantUnchanged(t *testing.T, dir string, before []byte) {
	t.Helper()
	after, err := os.ReadFile(filepath.Join(dir, statedir.DatabaseFile))
	if err := errors.Join(err, onlyState(dir)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("it has changed: %v", err)
	}
}

// TestRebuildOnFullDisk: the disk becomes full at several moments of an upgrade.
func TestRebuildOnFullDisk(t *testing.T) {
	t.Parallel()
	dir, contents := oldState(t)
	path := filepath.Join(dir, statedir.DatabaseFile)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, write := range []int{1, 2, 8} {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), childTask+"=rebuild", childDir+"="+dir)
		powercut.FullDisk(t, cmd, path+statedir.NewSuffix, write)
		out, err := cmd.CombinedOutput()
		if want := "up to date: there must be room for a second one beside it, of "; err == nil || !strings.Contains(string(out), want) || strings.Contains(string(out), "tx closed") {
			t.Errorf("from write %d on: %v, %s", write, err, out)
		}
		wantUnchanged(t, dir, before)
	}
	wantRebuilt(t, dir, contents)
}

// onMessage is a log that does something when something is said.
type onMessage struct {
	text string
	do   func()
}

func (m onMessage) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte(m.text)) {
		m.do()
	}
	return len(line), nil
}

// TestRebuildThatDiffers changes an entry of the old database, as a failing disk does, after it was copied: an upgrade whose copy
// isn't the same changes nothing.
func TestRebuildThatDiffers(t *testing.T) {
	t.Parallel()
	dir, _ := oldState(t)
	path := filepath.Join(dir, statedir.DatabaseFile)
	var entry []byte
	changeDatabase(t, dir, func(tx *bbolt.Tx) error {
		ledger := root(tx, bucketLedger)
		_, row := ledger.Bucket(rows.AccountKey(1)).Cursor().First()
		entry = bytes.Clone(row)
		return ledger.Bucket(rows.AccountKey(3)).Put([]byte{1}, nil) // the last row, and nobody's
	})
	other := slices.Clone(entry)
	other[4]++ // of the fingerprint
	var spoilt []byte
	spoil := func() {
		data, err := os.ReadFile(path)
		if err != nil || bytes.Count(data, entry) == 0 {
			t.Errorf("the entry isn't found: %v", err)
		}
		spoilt = bytes.ReplaceAll(data, entry, other)
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteAt(spoilt, 0)
			err = errors.Join(err, file.Close())
		}
		if err != nil {
			t.Error(err)
		}
	}
	b, err := Open(dir, Options{Command: "test", Log: zerolog.New(onMessage{"left out a row that no message has", spoil})})
	if err == nil {
		b.Close()
		t.Fatal("the state was opened")
	}
	if !strings.Contains(err.Error(), "is not the same; nothing has been changed") {
		t.Errorf("it says %v", err)
	}
	wantUnchanged(t, dir, spoilt)
	if l, err := open(t, dir).Ledger(t.Context(), 1, 1); err != nil || l.Entries[0].Fingerprint != store.Fingerprint(other[4:]) {
		t.Errorf("the next one finds something else: %v", err)
	}
}
