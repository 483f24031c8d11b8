package powercut

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Disk is a folder on a disk whose machine may lose its power: what was written stays for
// certain only once it was synced, and until then any part of it may. A name stays for
// certain once its folder was synced; names are changed in their order.
type Disk struct {
	names   map[string]*diskFile // as they are for certain
	changes []nameChange         // since
	files   map[int]*diskFile    // by the number of their opening
}

// diskFile is a file, whatever it is called.
type diskFile struct {
	data    []byte       // as it is for certain
	changes []diskChange // since
}

// diskChange is of a file's content: what is written, or another size.
type diskChange struct {
	data  []byte
	at    int64
	size  bool // at is the file's size
	began bool // and hasn't ended
	due   bool // a sync that covers it is under way
}

// nameChange is one of a folder: file is called path, or nothing is. from isn't called
// anything any more.
type nameChange struct {
	path, from string
	file       *diskFile
	due        bool
}

// sector is what a disk writes whole or not at all. Octets.
const sector = 512

// NewDisk is a folder as it is now, all of it certain. Files in folders below are left out.
func NewDisk(tb testing.TB, dir string) *Disk {
	tb.Helper()
	d := &Disk{names: map[string]*diskFile{}, files: map[int]*diskFile{}}
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if path := filepath.Join(dir, e.Name()); err == nil && e.Type().IsRegular() {
			d.names[path] = &diskFile{}
			d.names[path].data, err = os.ReadFile(path)
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

// Apply takes the next call.
func (d *Disk) Apply(c Call) {
	switch c.Kind {
	case Opened:
		if !c.Began {
			d.open(c)
		}
	case Wrote:
		d.change(c, diskChange{data: c.Data, at: c.At})
	case Truncated:
		d.change(c, diskChange{at: c.At, size: true})
	case Renamed:
		if !c.Began {
			d.changes = append(d.changes, nameChange{path: c.To, from: c.Path, file: d.current()[c.Path]})
		}
	case Linked:
		if !c.Began {
			d.changes = append(d.changes, nameChange{path: c.To, file: d.current()[c.Path]})
		}
	case Removed:
		if !c.Began {
			d.changes = append(d.changes, nameChange{path: c.Path})
		}
	case FileSynced:
		d.files[c.File].sync(c.Began)
	case DirSynced:
		d.syncNames(c.Began)
	case Sent: // isn't written anywhere
	}
}

func (d *Disk) open(c Call) {
	f := d.current()[c.Path]
	if f == nil {
		f = &diskFile{}
		d.changes = append(d.changes, nameChange{path: c.Path, file: f})
	}
	if d.files[c.File] = f; c.Emptied {
		f.changes = append(f.changes, diskChange{size: true})
	}
}

// current are the names as a process sees them.
func (d *Disk) current() map[string]*diskFile { return renamed(d.names, d.changes) }

func renamed(names map[string]*diskFile, changes []nameChange) map[string]*diskFile {
	names = maps.Clone(names)
	for _, c := range changes {
		delete(names, c.from)
		if names[c.path] = c.file; c.file == nil {
			delete(names, c.path)
		}
	}
	return names
}

// change notes a change when it begins, and that it has ended.
func (d *Disk) change(c Call, change diskChange) {
	f := d.files[c.File]
	if c.Began {
		change.began = true
		f.changes = append(f.changes, change)
		return
	}
	for i := range f.changes {
		if f.changes[i].at == change.at && f.changes[i].size == change.size {
			f.changes[i].began = false
		}
	}
}

// sync makes certain what had been written when the sync began.
func (f *diskFile) sync(began bool) {
	var left []diskChange
	for _, c := range f.changes {
		switch {
		case began:
			c.due = !c.began
		case c.due:
			f.data = c.on(f.data, nil)
			continue
		}
		left = append(left, c)
	}
	f.changes = left
}

// syncNames is sync for the names.
func (d *Disk) syncNames(began bool) {
	n := 0
	for ; n < len(d.changes) && (began || d.changes[n].due); n++ {
		d.changes[n].due = true
	}
	if !began {
		d.names, d.changes = renamed(d.names, d.changes[:n]), d.changes[n:]
	}
}

// on is a file's content with the change, or with some of its sectors.
func (c diskChange) on(data []byte, keep func() bool) []byte {
	if c.size {
		if keep != nil && !keep() {
			return data
		}
		return resized(data, c.at)
	}
	data = slices.Clone(data)
	for from := 0; from < len(c.data); {
		to := min(from+sector-int(c.at+int64(from))%sector, len(c.data))
		if keep == nil || keep() {
			data = resized(data, max(int64(len(data)), c.at+int64(to)))
			copy(data[c.at+int64(from):], c.data[from:to])
		}
		from = to
	}
	return data
}

// resized is data cut, or with zeros behind it.
func resized(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	return append(slices.Clone(data), make([]byte, size-int64(len(data)))...)
}

// Uncertain tells whether something would get lost, or in part, if the power failed now.
func (d *Disk) Uncertain() bool {
	if len(d.changes) > 0 {
		return true
	}
	for _, f := range d.current() {
		if len(f.changes) > 0 {
			return true
		}
	}
	return false
}

// Certain writes what is on the disk for certain into a folder, called as it was in dir.
func (d *Disk) Certain(tb testing.TB, dir, to string) {
	tb.Helper()
	d.write(tb, dir, to, 0, func() bool { return false })
}

// AfterPowerCut writes what may be on the disk if the power fails now: besides what is
// certain, some of the newest names and any sectors of what was written.
func (d *Disk) AfterPowerCut(tb testing.TB, dir, to string, random *rand.Rand) {
	tb.Helper()
	all, some := random.IntN(4) == 0, 1+random.IntN(3)
	d.write(tb, dir, to, random.IntN(len(d.changes)+1), func() bool { return all || random.IntN(4) < some })
}

func (d *Disk) write(tb testing.TB, dir, to string, names int, keep func() bool) {
	tb.Helper()
	for path, f := range renamed(d.names, d.changes[:names]) {
		data := f.data
		for _, c := range f.changes {
			data = c.on(data, keep)
		}
		if err := os.WriteFile(filepath.Join(to, path[len(dir):]), data, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
}
