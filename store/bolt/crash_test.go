package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/store"
)

const (
	crashFolders = 8
	crashBatch   = 10 // messages
	crashKills   = 12
)

// crashChild commits batches to all folders at once, for ever, and writes a
// line "folder number" for each batch that is committed.
func crashChild(dir string) int {
	b, err := Open(dir, Options{Command: "crash", Log: zerolog.Nop()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	id, folders, err := crashAccount(ctx, b)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var wg sync.WaitGroup
	for _, f := range folders {
		wg.Go(func() { crashLoop(ctx, b, id, f) })
	}
	wg.Wait()
	return 1 // only the kill ends the loops
}

func crashAccount(ctx context.Context, b *Store) (store.AccountID, []store.Folder, error) {
	stored, _, err := b.PutAccounts(ctx, []store.Account{{Login: "crash", Origin: store.Imported, State: store.Active}})
	if err != nil {
		return 0, nil, err
	}
	id := stored[0].ID
	folders, err := b.Folders(ctx, id)
	if err != nil || len(folders) > 0 {
		return id, folders, err
	}
	folders, err = b.PutFolders(ctx, id, slices.Repeat([]store.Folder{{State: store.FolderPresent}}, crashFolders))
	return id, folders, err
}

func crashLoop(ctx context.Context, b *Store, id store.AccountID, f store.Folder) {
	for n := uint32(f.Checkpoint.UIDNext) / crashBatch; ; n++ {
		keys := crashKeys(n)
		intents := store.Batch{Account: id, Folder: f.ID}
		proofs := store.Batch{Account: id, Folder: f.ID, Checkpoint: &store.Checkpoint{UIDNext: imap.UID((n + 1) * crashBatch)}}
		for _, k := range keys {
			intents.Intents = append(intents.Intents, store.Intent{Key: k, Written: time.Now()})
			proofs.Proofs = append(proofs.Proofs, store.Entry{Key: k, UID: 1})
		}
		if err := errors.Join(b.Commit(ctx, intents), b.Commit(ctx, proofs)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return
		}
		fmt.Printf("%d %d\n", f.ID, n)
	}
}

// crashKeys are those of a folder's n-th batch.
func crashKeys(n uint32) []store.Key {
	keys := make([]store.Key, crashBatch)
	for i := range keys {
		keys[i] = store.Key(binary.BigEndian.AppendUint32(nil, n*crashBatch+uint32(i)))
	}
	return keys
}

func TestKilled(t *testing.T) {
	dir := t.TempDir()
	acknowledged := make(map[store.FolderID]uint32) // number of batches
	for range crashKills {
		runAndKill(t, dir, acknowledged)
		checkAfterKill(t, dir, acknowledged)
	}
}

// runAndKill starts the child, lets it commit for a while and kills it.
func runAndKill(t *testing.T, dir string, acknowledged map[store.FolderID]uint32) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cmd, out := startChild(t, ctx, "crash", dir)
	lines := 0
	for ; ; lines++ {
		line, err := out.ReadString('\n')
		if err != nil {
			if err != io.EOF || lines == 0 {
				t.Fatalf("the child ended by itself after %d batches: %v", lines, err)
			}
			break
		}
		if lines == 0 {
			time.AfterFunc(rand.N(150*time.Millisecond), cancel)
		}
		var folder store.FolderID
		var n uint32
		if _, err := fmt.Sscanf(line, "%d %d", &folder, &n); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		acknowledged[folder] = n + 1
	}
	cmd.Wait() // killed
}

// checkAfterKill opens what the killed process left.
func checkAfterKill(t *testing.T, dir string, acknowledged map[store.FolderID]uint32) {
	t.Helper()
	b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	id, folders, err := crashAccount(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		l, err := b.Ledger(t.Context(), id, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		checkFolderAfterKill(t, f, l, acknowledged[f.ID])
		acknowledged[f.ID] = uint32(f.Checkpoint.UIDNext) / crashBatch
	}
}

func checkFolderAfterKill(t *testing.T, f store.Folder, l store.Ledger, acknowledged uint32) {
	t.Helper()
	batches := uint32(f.Checkpoint.UIDNext) / crashBatch
	if batches != acknowledged && batches != acknowledged+1 {
		t.Errorf("folder %d: %d batches are committed, but %d were acknowledged", f.ID, batches, acknowledged)
	}
	if f.Copied != uint64(len(l.Entries)) || len(l.Entries) != int(batches*crashBatch) {
		t.Errorf("folder %d: checkpoint says %d entries, count %d, there are %d",
			f.ID, batches*crashBatch, f.Copied, len(l.Entries))
	}
	for n := range batches {
		for i, k := range crashKeys(n) {
			if got := l.Entries[int(n)*crashBatch+i].Key; got != k {
				t.Fatalf("folder %d: entry %d has key %x, want %x", f.ID, int(n)*crashBatch+i, got, k)
			}
		}
	}
	var intents []store.Key
	for _, in := range l.Intents {
		intents = append(intents, in.Key)
	}
	if len(intents) > 0 && !slices.Equal(intents, crashKeys(batches)) {
		t.Errorf("folder %d: the intents are %x, want none or %x", f.ID, intents, crashKeys(batches))
	}
}
