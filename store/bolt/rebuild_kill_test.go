package bolt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/internal/lab/powercut"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// rebuildChild opens a state.
func rebuildChild(dir string) int {
	fmt.Println("opening")
	b, err := Open(dir, Options{Command: "rebuild", Log: zerolog.Nop()})
	if err == nil {
		err = b.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("done")
	return 0
}

// TestRebuildKilled kills upgrades at any moment: the next one that opens the state finds everything.
func TestRebuildKilled(t *testing.T) {
	t.Parallel()
	dir, contents := oldState(t)
	took := 40 * time.Millisecond
	struck := 0
	for i := range 12 {
		copied := t.TempDir()
		for _, name := range []string{statedir.DatabaseFile, seal.KeyFile} {
			copyFile(t, filepath.Join(dir, name), filepath.Join(copied, name))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cmd, out := startChild(t, ctx, "rebuild", copied)
		if line, err := out.ReadString('\n'); line != "opening\n" {
			t.Fatal(line, err)
		}
		began := time.Now()
		if i > 0 { // the first one tells how long it takes, and so does each that comes to its end
			time.AfterFunc(rand.N(took), cancel)
		}
		if line, _ := out.ReadString('\n'); line == "" {
			struck++
		} else {
			took = time.Since(began)
		}
		cmd.Wait()
		cancel()
		wantRebuilt(t, copied, contents)
	}
	if struck < 4 {
		t.Errorf("only %d of 11 upgrades were killed", struck)
	}
}

// rebuildPowerChild makes a state of schema 3 and opens it. It writes what is in it, and that it is done.
func rebuildPowerChild(dir string) int {
	ctx := context.Background()
	err := func() error {
		b, err := Open(dir, Options{Command: "power", Log: zerolog.Nop()})
		if err != nil {
			return err
		}
		id, folders, err := crashAccount(ctx, b)
		if err == nil {
			err = copyMessages(ctx, b, id, folders[0].ID, 300)
		}
		contents, readErr := readAll(ctx, b)
		if err := errors.Join(err, readErr, b.Close(), makeOld(dir)); err != nil {
			return err
		}
		powerSay("%s", contents)
		if b, err = Open(dir, Options{Command: "power", Log: zerolog.Nop()}); err != nil {
			return err
		}
		powerSay("done")
		return b.Close()
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestRebuildPowerCut lets the power fail at moments of an upgrade: whatever part of what was not synced
// is on the disk then, the state opens with everything.
func TestRebuildPowerCut(t *testing.T) {
	t.Parallel()
	recording, dir := powerRecord(t, "rebuildpower")
	cuts, fault := rebuildFault(t, recording, dir)
	if fault != nil {
		t.Error(fault)
	} else if cuts < 20 {
		t.Errorf("only %d power cuts", cuts)
	}
	// The test must find what is missing. That the names are synced late does no harm: there are both databases.
	if _, fault := rebuildFault(t, recording.Without(powercut.FileSynced), dir); fault == nil {
		t.Error("without the calls that sync files all is there as well")
	}
}

// rebuildFault lets the power fail until something is wrong afterwards.
func rebuildFault(t *testing.T, r *powercut.Recording, dir string) (cuts int, fault error) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	disk, said := powercut.NewDisk(t, t.TempDir()), ""
	for i, c := range r.Calls {
		if disk.Apply(c); c.Kind == powercut.Sent {
			said += string(c.Data)
		}
		contents, _, old := strings.Cut(said, "\n")
		if !old || !disk.Uncertain() || random.IntN(4) > 0 {
			continue
		}
		left := t.TempDir()
		disk.AfterPowerCut(t, dir, left, random)
		b, err := Open(left, Options{Command: "test", Log: zerolog.Nop()})
		if err == nil {
			var got string
			if got, err = readAll(t.Context(), b); got != contents {
				err = errors.Join(err, errors.New("there is something else"))
			}
			err = errors.Join(err, b.Close(), onlyState(left))
		}
		if err != nil {
			return cuts, fmt.Errorf("the power failed at call %d of %d: %w", i, len(r.Calls), err)
		}
		cuts++
	}
	return cuts, nil
}
