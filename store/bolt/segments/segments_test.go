package segments

import (
	"bytes"
	"encoding/binary"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

	"postferry/store"
	"postferry/store/bolt/rows"
)

// segmentsRun changes two neighbouring folders' segments and a plain map of each alike.
type segmentsRun struct {
	*rapid.T
	ledger *bbolt.Bucket
	model  map[store.FolderID]map[string]rows.Entry
}

// TestSegmentsModel draws changes, as the engine makes them and others, and compares what is read with a map.
func TestSegmentsModel(t *testing.T) {
	t.Parallel()
	db, err := bbolt.Open(filepath.Join(t.TempDir(), "db"), 0o600, &bbolt.Options{NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rapid.Check(t, func(rt *rapid.T) {
		r := &segmentsRun{T: rt, model: map[store.FolderID]map[string]rows.Entry{1: {}, 2: {}, 3: {}}}
		for range rapid.IntRange(1, 6).Draw(rt, "transactions") {
			if err := db.Update(r.transaction); err != nil {
				rt.Fatal(err)
			}
			if err := db.View(r.compare); err != nil {
				rt.Fatal(err)
			}
		}
		if err := db.Update(func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("b")) }); err != nil {
			rt.Fatal(err)
		}
	})
}

func (r *segmentsRun) transaction(tx *bbolt.Tx) (err error) {
	if r.ledger, err = tx.CreateBucketIfNotExists([]byte("b")); err != nil {
		return err
	}
	for range rapid.IntRange(1, 3).Draw(r.T, "batches") {
		folder := store.FolderID(rapid.IntRange(1, 3).Draw(r.T, "folder"))
		s := NewWriter(r.ledger, 1, folder)
		for range rapid.IntRange(1, 4).Draw(r.T, "runs") {
			r.run(s, r.model[folder])
		}
		if err := s.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// run changes or removes some entries whose keys are near one another, or anywhere.
func (r *segmentsRun) run(s *Writer, model map[string]rows.Entry) {
	first := rapid.OneOf(rapid.IntRange(0, 600), rapid.IntRange(0, 20)).Draw(r.T, "first")
	step := rapid.SampledFrom([]int{1, 1, 1, 2, 7, -1}).Draw(r.T, "step")
	remove := rapid.IntRange(0, 2).Draw(r.T, "remove") == 0
	texts := rapid.IntRange(0, 3).Draw(r.T, "texts") == 0
	uid := rapid.Uint32().Draw(r.T, "uid")
	for i := range rapid.OneOf(rapid.IntRange(1, 3), rapid.IntRange(1, 150), rapid.IntRange(1000, 1200)).Draw(r.T, "entries") {
		key := segmentsKey(first+step*i, texts)
		was, there := model[string(key)]
		var size uint32
		var known bool
		var err error
		if remove {
			size, known, err = s.Remove(key)
			delete(model, string(key))
		} else {
			en := rows.Entry{Key: key, UID: imap.UID(uid + uint32(i)), Size: uint32(i * i), Flags: uint32(i % 40), Fingerprint: store.Fingerprint(bytes.Repeat([]byte{byte(i)}, 8))}
			size, known, err = s.Put(en)
			model[string(key)] = en
		}
		if err != nil || known != there || size != was.Size {
			r.Fatalf("key %x: %v, size %d, %v; want %v, %d", key, known, size, err, there, was.Size)
		}
	}
}

// segmentsKey is the n-th key; negative ones are those of another UIDVALIDITY.
func segmentsKey(n int, texts bool) []byte {
	if texts {
		return []byte{'t', byte(n >> 8), byte(n), byte(n % 3)}[:4-n&1]
	}
	validity := uint32(1 << 30)
	if n < 0 {
		validity, n = validity-1, -n
	}
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, validity), uint32(n))
}

func (r *segmentsRun) compare(tx *bbolt.Tx) error {
	for folder, model := range r.model {
		keys := slices.Sorted(maps.Keys(model))
		from := ""
		if len(keys) > 0 {
			from = rapid.SampledFrom(keys).Draw(r.T, "from")
		}
		from = rapid.SampledFrom([]string{"", from, from + "\x00", "\xff"}).Draw(r.T, "or")
		var want, got []rows.Entry
		for _, key := range keys {
			if key >= from {
				want = append(want, model[key])
			}
		}
		read := NewReader(tx.Bucket([]byte("b")), 1, folder)
		err := read.From([]byte(from), func(en *rows.Entry) error {
			got = append(got, *en)
			got[len(got)-1].Key = bytes.Clone(en.Key)
			return nil
		})
		if err != nil || !reflect.DeepEqual(got, want) {
			r.Fatalf("folder %d from %x: %v\n got %+v\nwant %+v", folder, from, err, got, want)
		}
		first, err := read.First()
		if err != nil || (first == nil) != (len(keys) == 0) || first != nil && string(first.Key) != keys[0] {
			r.Fatalf("folder %d begins with %+v, %v", folder, first, err)
		}
		r.lookUp(read, model)
	}
	return r.sizes(tx)
}

// lookUp looks for keys that are there and others, in their order and out of it.
func (r *segmentsRun) lookUp(read *Reader, model map[string]rows.Entry) {
	for _, n := range rapid.SliceOfN(rapid.IntRange(-20, 700), 0, 20).Draw(r.T, "look up") {
		for i := range 3 {
			key := segmentsKey(n+i, n%5 == 0)
			want, there := model[string(key)]
			got, err := read.Find(key)
			if err != nil || (got != nil) != there || there && !reflect.DeepEqual(*got, want) {
				r.Fatalf("key %x: %+v, %v; want %+v", key, got, err, want)
			}
		}
	}
}

// sizes wants no segment to be larger than it may be.
func (r *segmentsRun) sizes(tx *bbolt.Tx) error {
	bucket := tx.Bucket([]byte("b")).Bucket(rows.AccountKey(1))
	if bucket == nil {
		return nil // nothing was put yet
	}
	return bucket.ForEach(func(key, value []byte) error {
		if len(value) > MaxSize {
			r.Fatalf("segment %x has %d octets", key, len(value))
		}
		return nil
	})
}
