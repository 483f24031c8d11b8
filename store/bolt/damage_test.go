package bolt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/store/bolt/rows"
	"postferry/store/bolt/statedir"
	"postferry/store/seal"
)

// fullState makes a state with something in all kinds of pages, and returns what can be
// read of it before and after its last change.
func fullState(t *testing.T) (dir string, contents [2]string) {
	t.Helper()
	dir = t.TempDir()
	b := open(t, dir)
	mailboxes{accounts: 2, atOnce: 1, folders: []int{3000, 20}}.fill(t, b)
	var many []store.Account
	for i := range 400 {
		many = append(many, store.Account{Login: fmt.Sprintf("person%03d@example.org", i), Origin: store.Imported, State: store.Active})
	}
	_, _, err := b.PutAccounts(t.Context(), many)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := b.PutDomain(t.Context(), store.Domain{Name: fmt.Sprintf("d%d.example", i), Old: "imaps://old", New: "imaps://new"}); err != nil {
			t.Fatal(err)
		}
		if contents[i], err = readAll(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, contents
}

// readAll reads everything that a store has.
func readAll(ctx context.Context, b *Store) (string, error) {
	sum := sha256.New()
	note := func(v any, err error) error {
		fmt.Fprintf(sum, "%+v\n", v)
		return err
	}
	accounts, err := b.Accounts(ctx)
	if err := note(accounts, err); err != nil {
		return "", err
	}
	errs := []error{}
	for _, read := range []func() (any, error){
		func() (any, error) { return b.Domains(ctx) },
		func() (any, error) { return b.Schedules(ctx) },
		func() (any, error) { return b.Runs(ctx, "") },
		func() (any, error) { return b.Overview(ctx, "") },
		func() (any, error) { return b.Admins(ctx) },
		func() (any, error) { return b.Tokens(ctx) },
		func() (any, error) { return b.Audit(ctx, store.AuditQuery{Limit: 10}) },
	} {
		errs = append(errs, note(read()))
	}
	for _, a := range accounts {
		for _, read := range []func() (any, error){
			func() (any, error) { a, err := b.AccountByID(ctx, a.ID); return a.Old.Password.Reveal(), err },
			func() (any, error) { return b.Account(ctx, a.Login) },
			func() (any, error) { return b.Passes(ctx, a.ID) },
			func() (any, error) { return b.Usage(ctx, a.ID) },
		} {
			errs = append(errs, note(read()))
		}
		folders, err := b.Folders(ctx, a.ID)
		errs = append(errs, note(folders, err))
		for _, f := range folders {
			l, err := b.Ledger(ctx, a.ID, f.ID)
			errs = append(errs, note(l, err))
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)), errors.Join(errs...)
}

// outcome is how a damaged state may be dealt with.
type outcome int

const (
	refused  outcome = iota // it is said to be damaged
	whole                   // nothing that is needed was hit
	fellBack                // it is as it was before its last change
)

// damages are what can happen to a database's file.
func damages(t *testing.T, im *image) map[string]func(*image) outcome {
	all := map[string]func(*image) outcome{}
	end := im.pages * im.pageSize
	for _, n := range []uint64{0, 1, 79, 100, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16384, 16385, end / 2, end - im.pageSize, end - 1} {
		all[fmt.Sprintf("cut after %d octets", n)] = func(im *image) outcome { im.data = im.data[:n]; return refused }
	}
	leaf, branch := im.find(t, im.bucket(t, bucketAccounts), leafFlag), im.bucket(t, bucketAccounts)
	ledger := im.bucket(t, bucketLedger, string(rows.AccountKey(1)))
	pages := map[string]uint64{
		"root": im.root, "list of free pages": im.freelist, "leaf of accounts": leaf, "branch of accounts": branch,
		"root of a ledger": ledger, "leaf of a ledger": im.find(t, ledger, leafFlag), "root of logins": im.bucket(t, bucketLogins),
	}
	for name, id := range pages {
		all["zeros in the "+name] = func(im *image) outcome { clear(im.page(id)); return refused }
		all["ones in the "+name] = func(im *image) outcome {
			copy(im.page(id), bytes.Repeat([]byte{0xff}, int(im.pageSize)))
			return refused
		}
		all["garbage in the "+name] = func(im *image) outcome { garbage(im.page(id)); return refused }
		all["an endless count in the "+name] = func(im *image) outcome { im.put16(im.at(id, 10), 0xfffe); return refused }
		all["an overflow beyond the end from the "+name] = func(im *image) outcome { im.put32(im.at(id, 12), 1<<30); return refused }
		all["an overflow into others from the "+name] = func(im *image) outcome { im.put32(im.at(id, 12), 3); return refused }
		all["another kind of "+name] = func(im *image) outcome { im.put16(im.at(id, 8), 0x04); return refused }
		all["another number of the "+name] = func(im *image) outcome { im.put64(im.at(id, 0), id+1); return refused }
		all["another page in place of the "+name] = func(im *image) outcome {
			from := uint64(5)
			if id == from {
				from++ // not the page itself
			}
			copy(im.page(id), im.page(from))
			return refused
		}
	}
	other := 1 - im.current()
	for name, v := range map[string]struct {
		hit  []uint64
		want outcome
	}{
		"the newer meta": {[]uint64{im.current()}, fellBack}, "the older meta": {[]uint64{other}, whole}, "both metas": {[]uint64{0, 1}, refused},
	} {
		all["zeros in "+name] = func(im *image) outcome {
			for _, p := range v.hit {
				clear(im.page(p))
			}
			return v.want
		}
		all["garbage in "+name] = func(im *image) outcome {
			for _, p := range v.hit {
				garbage(im.page(p))
			}
			return v.want
		}
		all["a bit turned in "+name] = func(im *image) outcome {
			for _, p := range v.hit {
				im.page(p)[pageHeader+33] ^= 4
			}
			return v.want
		}
	}
	all["a meta with more pages"] = func(im *image) outcome { im.setMeta(40, 1<<40); return refused }
	all["a meta with fewer pages"] = func(im *image) outcome { im.setMeta(40, 5); return refused }
	all["a meta with a root beyond the end"] = func(im *image) outcome { im.setMeta(16, 1<<40); return refused }
	all["a meta with itself as root"] = func(im *image) outcome { im.setMeta(16, 0); return refused }
	all["a meta with free pages beyond the end"] = func(im *image) outcome { im.setMeta(32, 1<<40); return refused }
	all["a meta with a leaf as free pages"] = func(im *image) outcome { im.setMeta(32, leaf); return refused }
	all["a leaf with rows beyond its end"] = func(im *image) outcome { im.put32(im.at(leaf, pageHeader+4), 1<<31); return refused }
	all["a leaf with an endless key"] = func(im *image) outcome { im.put32(im.at(leaf, pageHeader+8), 1<<31); return refused }
	all["a leaf with an endless value"] = func(im *image) outcome { im.put32(im.at(leaf, pageHeader+12), 1<<32-1); return refused }
	all["a leaf with an empty key"] = func(im *image) outcome { im.put32(im.at(leaf, pageHeader+8), 0); return refused }
	all["a row that claims to be a bucket"] = func(im *image) outcome { im.put32(im.at(leaf, pageHeader), elementBucket); return refused }
	all["a branch that leads to itself"] = func(im *image) outcome { im.put64(im.at(branch, pageHeader+8), branch); return refused }
	all["a branch that leads to the root"] = func(im *image) outcome { im.put64(im.at(branch, pageHeader+8), im.root); return refused }
	all["a branch that leads beyond the end"] = func(im *image) outcome { im.put64(im.at(branch, pageHeader+8), 1<<50); return refused }
	all["two branches to one leaf"] = func(im *image) outcome { im.put64(im.at(branch, pageHeader+24), leaf); return refused }
	all["keys out of order"] = func(im *image) outcome {
		page := im.page(leaf)
		first, second := bytes.Clone(page[16:32]), bytes.Clone(page[32:48])
		binary.NativeEndian.PutUint32(first[4:], binary.NativeEndian.Uint32(first[4:])-16) // positions count from the element
		binary.NativeEndian.PutUint32(second[4:], binary.NativeEndian.Uint32(second[4:])+16)
		copy(page[16:], second)
		copy(page[32:], first)
		return refused
	}
	all["a page in use that is listed as free"] = func(im *image) outcome {
		im.put16(im.at(im.freelist, 10), 1)
		im.put64(im.at(im.freelist, 16), leaf)
		return refused
	}
	all["a page that is listed as free twice"] = func(im *image) outcome {
		copy(im.page(im.freelist)[24:32], im.page(im.freelist)[16:24])
		return refused
	}
	all["an endless list of free pages"] = func(im *image) outcome {
		im.put16(im.at(im.freelist, 10), 0xffff)
		im.put64(im.at(im.freelist, 16), 1<<40)
		return refused
	}
	all["garbage in all pages"] = func(im *image) outcome { garbage(im.data[2*im.pageSize:]); return refused }
	all["garbage in everything"] = func(im *image) outcome { garbage(im.data); return refused }
	all["zeros in everything"] = func(im *image) outcome { clear(im.data); return refused }
	all["a text"] = func(im *image) outcome { im.data = []byte(strings.Repeat("no database\n", 4000)); return refused }
	all["garbage in a free page"] = func(im *image) outcome {
		garbage(im.page(binary.NativeEndian.Uint64(im.page(im.freelist)[16:])))
		return whole
	}
	all["garbage behind the end"] = func(im *image) outcome { garbage(im.data[end:]); return whole }
	return all
}

func garbage(b []byte) {
	dice := rand.NewChaCha8([32]byte{7})
	dice.Read(b)
}

// TestDamagedFile damages a database in many ways: it is refused with a sentence,
// or is what it was.
func TestDamagedFile(t *testing.T) {
	dir, contents := fullState(t)
	im := readImage(t, dir)
	all := damages(t, im)
	if len(all) < 36 {
		t.Errorf("only %d damages", len(all))
	}
	for name, damage := range all {
		t.Run(name, func(t *testing.T) {
			copied := im.clone()
			want := damage(copied)
			dir := stateOf(t, dir, copied.data)
			b, err := Open(dir, Options{Command: "test", Log: zerolog.Nop()})
			if want == refused {
				if err == nil {
					b.Close()
				}
				wantDamaged(t, dir, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(t.Context(), b)
			if _, _, putErr := b.PutAccounts(t.Context(), []store.Account{{Login: "new", Origin: store.Imported, State: store.Active}}); err != nil || putErr != nil {
				t.Errorf("reading: %v; writing: %v", err, putErr)
			}
			if got != contents[1] && (want == whole || got != contents[0]) {
				t.Error("it is not what it was")
			}
			if err := b.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// stateOf is a state with the key of another and this database.
func stateOf(t *testing.T, other string, data []byte) (dir string) {
	t.Helper()
	dir = t.TempDir()
	key, err := os.ReadFile(filepath.Join(other, seal.KeyFile))
	err = errors.Join(err, os.WriteFile(filepath.Join(dir, seal.KeyFile), key, 0o600), os.WriteFile(filepath.Join(dir, statedir.DatabaseFile), data, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// wantDamaged wants the sentence, and the state to be free for the next.
func wantDamaged(t *testing.T, dir string, err error) {
	t.Helper()
	var damage *DamagedError
	if !errors.As(err, &damage) || !strings.Contains(err.Error(), filepath.Join(dir, statedir.DatabaseFile)+" is damaged") || !strings.Contains(err.Error(), "backup") {
		t.Errorf("got %v", err)
	}
	if left, err := os.ReadFile(filepath.Join(dir, statedir.LockFile)); err != nil || len(left) > 0 {
		t.Errorf("the lock says %q, %v", left, err)
	}
}
