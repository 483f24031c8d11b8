package powercut

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// whole is a call from its beginning to its end.
func whole(c Call) []Call {
	began := c
	began.Began = true
	return []Call{began, c}
}

// onDisk are the files that a Disk may have after a power cut, as texts.
func onDisk(t *testing.T, d *Disk, random *rand.Rand) string {
	t.Helper()
	dir := t.TempDir()
	if random == nil {
		d.Certain(t, "/s", dir)
	} else {
		d.AfterPowerCut(t, "/s", dir, random)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%s=%s", e.Name(), text))
	}
	return strings.Join(all, " ")
}

// TestDisk: what was synced is certain, and nothing else.
func TestDisk(t *testing.T) {
	const a, b = "/s/a", "/s/b"
	open := whole(Call{Kind: Opened, Path: a, File: 1})
	write := whole(Call{Kind: Wrote, File: 1, Data: []byte("new")})
	names := whole(Call{Kind: DirSynced})
	file := whole(Call{Kind: FileSynced, File: 1})
	rename := whole(Call{Kind: Renamed, Path: a, To: b})
	over := whole(Call{Kind: Wrote, File: 1, Data: []byte("old")})
	for _, tt := range []struct {
		name    string
		calls   [][]Call
		certain string
		maybe   []string // besides what is certain
	}{
		{"nothing is synced", [][]Call{open, write}, "", []string{"a=", "a=new"}},
		{"only the file", [][]Call{open, write, file}, "", []string{"a=new"}},
		{"only the name", [][]Call{open, write, names}, "a=", []string{"a=new"}},
		{"both", [][]Call{open, write, names, file}, "a=new", nil},
		{"written again", [][]Call{open, over, names, file, write}, "a=old", []string{"a=new"}},
		{"a sync under way", [][]Call{open, names, write, file[:1]}, "a=", []string{"a=new"}},
		{"a write under way when it is synced", [][]Call{open, names, write[:1], file}, "a=", []string{"a=new"}},
		{"a write behind the beginning of a sync", [][]Call{open, names, file[:1], write, file[1:]}, "a=", []string{"a=new"}},
		{"renamed", [][]Call{open, write, file, names, rename}, "a=new", []string{"b=new"}},
		{"renamed for certain", [][]Call{open, write, file, rename, names}, "b=new", nil},
		{"linked for certain", [][]Call{open, write, file, names, whole(Call{Kind: Linked, Path: a, To: b}), names}, "a=new b=new", nil},
		{"removed", [][]Call{open, write, file, names, whole(Call{Kind: Removed, Path: a})}, "a=new", []string{""}},
		{"cut", [][]Call{open, write, file, names, whole(Call{Kind: Truncated, File: 1, At: 1})}, "a=new", []string{"a=n"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDisk(t, t.TempDir())
			for _, calls := range tt.calls {
				for _, c := range calls {
					d.Apply(c)
				}
			}
			if got := onDisk(t, d, nil); got != tt.certain {
				t.Errorf("certain is %q, want %q", got, tt.certain)
			}
			if d.Uncertain() != (tt.maybe != nil) {
				t.Errorf("uncertain: %t", d.Uncertain())
			}
			want, seen := map[string]bool{tt.certain: true}, map[string]bool{}
			for _, m := range tt.maybe {
				want[m] = true
			}
			random := rand.New(rand.NewPCG(1, 1))
			for range 60 {
				seen[onDisk(t, d, random)] = true
			}
			if !maps.Equal(seen, want) {
				t.Errorf("after a power cut there may be %v, want %v", seen, want)
			}
		})
	}
}

// TestTornWrite: of a write that was not synced any sectors may be there.
func TestTornWrite(t *testing.T) {
	d := NewDisk(t, t.TempDir())
	for _, c := range append(whole(Call{Kind: Opened, Path: "/s/a", File: 1}), whole(Call{Kind: DirSynced})...) {
		d.Apply(c)
	}
	for _, c := range whole(Call{Kind: Wrote, File: 1, At: 100, Data: []byte(strings.Repeat("x", 3*sector))}) {
		d.Apply(c)
	}
	random, seen := rand.New(rand.NewPCG(1, 1)), map[string]bool{}
	for range 400 {
		seen[onDisk(t, d, random)] = true
	}
	if len(seen) != 16 { // of four parts: it begins and ends within a sector
		t.Errorf("%d different files are left, want 16", len(seen))
	}
}
