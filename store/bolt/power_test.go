package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/internal/lab/powercut"
	"postferry/store"
	"postferry/store/bolt/statedir"
)

const (
	powerFolders  = 3
	powerBatches  = 4 // of each folder
	powerPassword = store.Secret("open sesame")
	// powerCuts is at about how many moments the power fails.
	powerCuts = 150
)

// powerChild makes a state, commits batches to all folders at once, changes the key, and
// commits as much again. It writes a line for all that it was told is done.
func powerChild(dir string) int {
	if err := powerWork(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func powerWork(ctx context.Context, dir string) error {
	b, err := Open(dir, Options{Command: "power", Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	c := store.Credentials{Login: "power", Password: powerPassword}
	stored, _, err := b.PutAccounts(ctx, []store.Account{{Login: "power", Origin: store.Imported, State: store.Active, Old: c, New: c}})
	if err != nil {
		return err
	}
	id := stored[0].ID
	folders, err := b.PutFolders(ctx, id, slices.Repeat([]store.Folder{{State: store.FolderPresent}}, powerFolders))
	if err != nil {
		return err
	}
	powerSay("account")
	err = powerCommit(ctx, b, id, folders, 0)
	if err == nil {
		_, err = b.RotateKey(ctx)
		powerSay("key")
	}
	return errors.Join(err, powerCommit(ctx, b, id, folders, powerBatches), b.Close())
}

// powerSay writes a line with one system call.
func powerSay(format string, args ...any) { fmt.Fprintf(os.Stdout, format+"\n", args...) }

// powerCommit commits batches to all folders, from a number on.
func powerCommit(ctx context.Context, b *Store, id store.AccountID, folders []store.Folder, from uint32) error {
	errs := make([]error, len(folders))
	var wg sync.WaitGroup
	for i, f := range folders {
		wg.Go(func() {
			for n := from; n < from+powerBatches && errs[i] == nil; n++ {
				errs[i] = powerBatch(ctx, b, id, f.ID, n)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func powerBatch(ctx context.Context, b *Store, id store.AccountID, f store.FolderID, n uint32) error {
	intents := store.Batch{Account: id, Folder: f}
	proofs := store.Batch{Account: id, Folder: f, Checkpoint: &store.Checkpoint{UIDNext: imap.UID((n + 1) * crashBatch)}}
	for _, k := range crashKeys(n) {
		intents.Intents = append(intents.Intents, store.Intent{Key: k, Written: time.Now()})
		proofs.Proofs = append(proofs.Proofs, store.Entry{Key: k, UID: 1})
	}
	if err := b.Commit(ctx, intents); err != nil {
		return err
	}
	powerSay("intents %d %d", f, n)
	if err := b.Commit(ctx, proofs); err != nil {
		return err
	}
	powerSay("proofs %d %d", f, n)
	return nil
}

// powerRecord is what a child with that task did, in the folder dir, which is gone.
func powerRecord(t *testing.T, task string) (r *powercut.Recording, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childTask+"="+task, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	r = powercut.Record(t, cmd, dir)
	return r, dir
}

// TestPowerCut lets the power fail at moments of the life of a state, from its making
// on. Of what was not synced any part may be on the disk then. Whatever that
// is, the state opens, with all that a call had said was done, and with the password.
func TestPowerCut(t *testing.T) {
	recording, dir := powerRecord(t, "power")
	cuts, fault := powerFault(t, recording, dir)
	if fault != nil {
		t.Error(fault)
	} else if cuts < powerCuts/4 {
		t.Errorf("only %d power cuts", cuts)
	}
	// The same calls without those that sync: the test must find what is missing.
	for _, kind := range []powercut.CallKind{powercut.FileSynced, powercut.DirSynced} {
		if _, fault := powerFault(t, recording.Without(kind), dir); fault == nil {
			t.Errorf("without the calls of kind %d that sync all is there as well", kind)
		}
	}
}

// powerFault lets the power fail until something is wrong afterwards.
func powerFault(t *testing.T, r *powercut.Recording, dir string) (cuts int, fault error) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var sealed [][]byte // with the first key
	disk, said, share := powercut.NewDisk(t, t.TempDir()), "", float64(powerCuts)/float64(len(r.Calls))
	for i, c := range r.Calls {
		if disk.Apply(c); c.Kind == powercut.Sent {
			said += string(c.Data)
		} else if (!disk.Uncertain() || random.Float64() > share) && i < len(r.Calls)-1 {
			continue
		}
		left := t.TempDir()
		disk.AfterPowerCut(t, dir, left, random)
		if err := errors.Join(powerRotated(left, said, sealed), powerCheck(t, left, said)); err != nil {
			return cuts, fmt.Errorf("the power failed at call %d of %d: %w", i, len(r.Calls), err)
		}
		if sealed == nil && said != "" {
			sealed = boxes(t, left)
		}
		cuts++
	}
	return cuts, nil
}

// powerRotated wants nothing of the first key to be left once a call had said that it was changed.
func powerRotated(dir, said string, sealed [][]byte) error {
	if !strings.Contains(said, "key\n") {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, statedir.NewKeyFile)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the key was changed, and %s is still there", statedir.NewKeyFile)
	}
	data, err := os.ReadFile(filepath.Join(dir, statedir.DatabaseFile))
	for _, box := range sealed {
		if bytes.Contains(data, box) {
			err = errors.New("something is left that was sealed with the first key")
		}
	}
	return err
}

// powerCheck opens what the power cut has left. said are the lines of powerChild.
func powerCheck(t *testing.T, dir, said string) error {
	b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer b.Close()
	a, err := b.Account(t.Context(), "power")
	if errors.Is(err, store.ErrNotFound) && said == "" {
		return nil
	}
	if err == nil && a.Old.Password.Reveal() != powerPassword.Reveal() {
		err = errors.New("the password is another one")
	}
	folders, ferr := b.Folders(t.Context(), a.ID)
	if err != nil || ferr != nil || len(folders) == 0 && said == "" {
		return errors.Join(err, ferr)
	}
	if len(folders) != powerFolders {
		return fmt.Errorf("there are %d folders", len(folders))
	}
	for _, f := range folders {
		l, err := b.Ledger(t.Context(), a.ID, f.ID)
		if err != nil {
			return err
		}
		if err := powerFolder(f, l, said); err != nil {
			return err
		}
	}
	return nil
}

// powerFolder compares a folder with what was said of it.
func powerFolder(f store.Folder, l store.Ledger, said string) error {
	intents, proofs := strings.Count(said, fmt.Sprintf("intents %d ", f.ID)), strings.Count(said, fmt.Sprintf("proofs %d ", f.ID))
	committed, open := len(l.Entries)/crashBatch, len(l.Intents)/crashBatch
	switch {
	case f.Checkpoint.UIDNext != imap.UID(len(l.Entries)) || f.Copied != uint64(len(l.Entries)):
		return fmt.Errorf("folder %d: %d entries, checkpoint %d, count %d", f.ID, len(l.Entries), f.Checkpoint.UIDNext, f.Copied)
	case len(l.Entries)%crashBatch+len(l.Intents)%crashBatch > 0:
		return fmt.Errorf("folder %d: half a batch: %d entries, %d intents", f.ID, len(l.Entries), len(l.Intents))
	case committed < proofs || committed+open < intents:
		return fmt.Errorf("folder %d: %d batches of intents and %d of proofs were said to be there, %d are open and %d committed",
			f.ID, intents, proofs, open, committed)
	case committed > proofs+1 || open > 1:
		return fmt.Errorf("folder %d: %d committed and %d open, of which %d are known", f.ID, committed, open, proofs)
	}
	return nil
}
