package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/rs/zerolog"
	"go.etcd.io/bbolt"

	"postferry/store"
)

// TestDamagedAnywhere turns octets anywhere in the file: whatever comes of it, nothing
// panics, and what is refused is refused with a sentence.
func TestDamagedAnywhere(t *testing.T) {
	dir, _ := fullState(t)
	im := readImage(t, dir)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	refusals, opened := 0, 0
	for range 150 {
		copied := im.clone()
		for range 1 + dice.IntN(3) {
			at := dice.IntN(int(im.pages * im.pageSize))
			if dice.IntN(2) == 0 { // headers are more interesting than rows
				at = at/4096*4096 + dice.IntN(64)
			}
			copied.data[at] = byte(dice.Uint32())
		}
		dir := stateOf(t, dir, copied.data)
		b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
		if err != nil {
			refusals++
			continue
		}
		opened++
		if _, err = readAll(t.Context(), b); err != nil {
			refusals++
		}
		_, _, err = b.PutAccounts(t.Context(), []store.Account{{Login: "new", Origin: store.Imported, State: store.Active}})
		if err := errors.Join(b.LostError(), b.Close()); err != nil {
			t.Errorf("lost after it was checked: %v", err)
		}
		_ = err // a row that can't be read
	}
	t.Logf("%d opened, %d refused", opened, refusals)
	if opened == 0 || refusals == 0 {
		t.Error("the damages are all of one kind")
	}
}

// TestDamagedWhileOpen cuts the file under an open store, and turns its pages to garbage: reads and writes
// fail with a sentence then, and so does everything after that.
func TestDamagedWhileOpen(t *testing.T) {
	harms := map[string]func(*os.File, *image) error{
		"cut to nothing":           func(f *os.File, _ *image) error { return f.Truncate(0) },
		"cut behind its metas":     func(f *os.File, im *image) error { return f.Truncate(2 * int64(im.pageSize)) },
		"cut in the middle":        func(f *os.File, im *image) error { return f.Truncate(int64(im.pages / 2 * im.pageSize)) },
		"zeros in all its pages":   func(f *os.File, im *image) error { return overwrite(f, im, func(b []byte) { clear(b) }) },
		"garbage in all its pages": func(f *os.File, im *image) error { return overwrite(f, im, garbage) },
	}
	calls := map[string]func(context.Context, *Store) error{
		"read": func(ctx context.Context, b *Store) error { _, err := readAll(ctx, b); return err },
		"write": func(ctx context.Context, b *Store) error {
			var many []store.Account
			for i := range 500 {
				many = append(many, store.Account{Login: fmt.Sprintf("person%03d@example.org", i), Origin: store.Imported, State: store.Stopped})
			}
			_, _, err := b.PutAccounts(ctx, many)
			return err
		},
	}
	full, _ := fullState(t)
	im := readImage(t, full)
	for harm, do := range harms {
		for call, try := range calls {
			t.Run(call+" when "+harm, func(t *testing.T) {
				dir := stateOf(t, full, im.data)
				b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
				if err != nil {
					t.Fatal(err)
				}
				if err := do(b.file, im); err != nil {
					t.Fatal(err)
				}
				first := try(t.Context(), b)
				var damage *DamagedError
				if !errors.As(first, &damage) {
					t.Errorf("got %v", first)
				}
				if b.LostError() != nil {
					for call, try := range calls {
						if err := try(t.Context(), b); !errors.Is(err, b.LostError()) {
							t.Errorf("%s afterwards: %v", call, err)
						}
					}
				}
				if err := b.Close(); err != nil && b.LostError() == nil {
					t.Errorf("closing it: %v", err)
				}
				_, err = Open(dir, Options{Command: "test", Log: zerolog.Nop()})
				wantDamaged(t, dir, err)
			})
		}
	}
}

func overwrite(f *os.File, im *image, how func([]byte)) error {
	data := bytes.Clone(im.data[2*im.pageSize:])
	how(data)
	_, err := f.WriteAt(data, 2*int64(im.pageSize))
	return err
}

// TestGuardLetsMistakesThrough: a mistake of ours is no damage of the database.
func TestGuardLetsMistakesThrough(t *testing.T) {
	b := open(t, t.TempDir())
	for name, mistake := range map[string]func(*bbolt.Tx) error{
		"nil":   func(*bbolt.Tx) error { var a *store.Account; a.Login = "x"; return nil },
		"index": func(*bbolt.Tx) error { return []error{}[len(t.Name())] },
		"panic": func(*bbolt.Tx) error { panic("mine") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was hidden")
				}
			}()
			t.Errorf("got %v", b.view(t.Context(), mistake))
		})
	}
	if err := b.LostError(); err != nil {
		t.Errorf("lost: %v", err)
	}
}
