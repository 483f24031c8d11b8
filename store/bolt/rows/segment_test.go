package rows

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/store"
)

// drawKeys draws keys in ascending order: of IMAP, of POP3, of both, and of any kind.
func drawKeys(t *rapid.T) [][]byte {
	imapKey := rapid.Custom(func(t *rapid.T) []byte {
		key := binary.BigEndian.AppendUint32(nil, rapid.SampledFrom([]uint32{0, 1, math.MaxUint32}).Draw(t, "validity"))
		uid := rapid.OneOf(rapid.Uint32Range(0, 300), rapid.Uint32(), rapid.Uint32Range(math.MaxUint32-3, math.MaxUint32))
		return binary.BigEndian.AppendUint32(key, uid.Draw(t, "uid"))
	})
	other := rapid.OneOf(rapid.SliceOfN(rapid.SampledFrom([]byte("ab\xff\x00")), 1, 6), rapid.SliceOfN(rapid.Byte(), 1, maxKey))
	kind := rapid.SampledFrom([]*rapid.Generator[[]byte]{imapKey, other, rapid.OneOf(imapKey, other)}).Draw(t, "kind")
	keys := rapid.SliceOfN(kind, 1, 60).Draw(t, "keys")
	slices.SortFunc(keys, bytes.Compare)
	return slices.CompactFunc(keys, bytes.Equal)
}

func drawSegment(t *rapid.T) (list []Entry) {
	for _, key := range drawKeys(t) {
		small := rapid.OneOf(rapid.Just(uint32(0)), rapid.Uint32Range(0, 40), rapid.Uint32(), rapid.Just(uint32(math.MaxUint32)))
		en := Entry{Key: key, UID: imap.UID(small.Draw(t, "uid")), Fingerprint: drawFingerprint(t),
			Validity: small.Draw(t, "validity"), Flags: small.Draw(t, "flags"), Size: small.Draw(t, "size")}
		if len(list) > 0 && rapid.Bool().Draw(t, "next UID") {
			en.UID = list[len(list)-1].UID + 1
		}
		list = append(list, en)
	}
	return list
}

func readSegment(key, value []byte) (list []Entry, err error) {
	var s Segment
	for s.Open(key, value); s.Next(); {
		en := s.Entry
		en.Key = bytes.Clone(en.Key)
		list = append(list, en)
	}
	return list, s.Err()
}

// TestSegments: what is written as segments is read again, with the key of the last entry known or not,
// and no segment is larger than it may be.
func TestSegments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawSegment(t)
		limit := rapid.IntRange(1, 600).Draw(t, "limit")
		for rest := want; len(rest) > 0; {
			value, n := EncodeSegment(rest, limit)
			if n < 1 || n > len(rest) || n > 1 && len(value) > limit {
				t.Fatalf("%d of %d entries in %d octets, %d are allowed", n, len(rest), len(value), limit)
			}
			for _, key := range [][]byte{TailKey(7), SegmentKey(7, rest[n-1].Key)} {
				if got, err := readSegment(key, value); err != nil || !reflect.DeepEqual(got, rest[:n]) {
					t.Fatalf("got %+v, %v\nwant %+v", got, err, rest[:n])
				}
			}
			if _, err := readSegment(SegmentKey(7, append(bytes.Clone(rest[n-1].Key), 0)), value); !errors.Is(err, ErrKey) {
				t.Fatalf("under another's key: %v", err)
			}
			rest = rest[n:]
		}
	})
}

// TestSegmentIsSmall: an entry of a folder that was copied in order takes little more than its fingerprint and size.
func TestSegmentIsSmall(t *testing.T) {
	var list []Entry
	for i := range uint32(100) {
		key := binary.BigEndian.AppendUint32([]byte("\x65\x53\xf1\x00"), i+1)
		list = append(list, Entry{Key: key, UID: imap.UID(i + 1), Flags: i % 20, Size: 20_000 + rand.Uint32N(1<<20),
			Fingerprint: store.Fingerprint(binary.BigEndian.AppendUint64(nil, rand.Uint64()))})
	}
	if value, n := EncodeSegment(list, 10_000); n != 100 || len(value) > 12*100+12 {
		t.Errorf("%d entries take %d octets", n, len(value))
	}
}

func TestSegmentDamaged(t *testing.T) {
	fingerprint := "12345678"
	tests := map[string]struct {
		key   []byte
		value string
		want  error
	}{
		"nothing":                    {TailKey(1), "", ErrShort},
		"no entries":                 {TailKey(1), "\x01\x04abcd", ErrShort},
		"an unknown format":          {TailKey(1), "\x03\x04abcd\x00" + fingerprint + "\x01", errRange},
		"a key that is no segment's": {[]byte("\x00\x00\x00\x01k"), "\x01\x04abcd\x00" + fingerprint + "\x01", ErrKey},
		"another's last key":         {SegmentKey(1, []byte("abce")), "\x01\x04abcd\x00" + fingerprint + "\x01", ErrKey},
		"no key":                     {TailKey(1), "\x01\x00\x00" + fingerprint + "\x01", ErrKey},
		"a number of 3 octets":       {TailKey(1), "\x01\x03abc\x00" + fingerprint + "\x01", ErrKey},
		"a gap before the first":     {TailKey(1), "\x01\x04abcd\x01\x01" + fingerprint + "\x01", errRange},
		"numbers beyond the last":    {TailKey(1), "\x01\x04\xff\xff\xff\xff\x00" + fingerprint + "\x01\x00" + fingerprint + "\x01", errRange},
		"an entry that ends early":   {TailKey(1), "\x01\x04abcd\x00" + fingerprint + "\x01\x00" + fingerprint, ErrShort},
		"the same text twice":        {TailKey(1), "\x02\x04abcd\x00" + fingerprint + "\x01\x00\x04\x00" + fingerprint + "\x01", ErrKey},
		"texts out of order":         {TailKey(1), "\x02\x04abcd\x00" + fingerprint + "\x01\x00\x03\x01c" + fingerprint + "\x01", ErrKey},
		"more shared than there is":  {TailKey(1), "\x02\x04abcd\x00" + fingerprint + "\x01\x00\x05\x01c" + fingerprint + "\x01", errRange},
		"a key that is too long":     {SegmentKey(1, bytes.Repeat([]byte("k"), maxKey+1)), string(KeepRow(encodeOldEntry(&Entry{}))), ErrKey},
		"a row as it was":            {SegmentKey(1, []byte("k")), string(KeepRow([]byte("12"))), ErrShort},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if list, err := readSegment(test.key, []byte(test.value)); !errors.Is(err, test.want) {
				t.Errorf("%d entries, %v; want %v", len(list), err, test.want)
			}
		})
	}
}

// FuzzSegment reads arbitrary bytes as a segment: that gives an error or entries in ascending order that are
// kept, never a panic and never more than there is room for.
func FuzzSegment(f *testing.F) {
	for i := range 8 {
		list := rapid.Custom(drawSegment).Example(i)
		value, n := EncodeSegment(list, 400)
		f.Add(SegmentKey(1, list[n-1].Key), value)
		f.Add(TailKey(1), value)
	}
	f.Add(SegmentKey(1, []byte("k")), KeepRow(encodeOldEntry(&Entry{Size: 5})))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		list, err := readSegment(key, value)
		if len(list) > len(value)/MinEntry+1 {
			t.Fatalf("%d entries in %d octets", len(list), len(value))
		}
		for i := range list[min(1, len(list)):] {
			if bytes.Compare(list[i].Key, list[i+1].Key) >= 0 {
				t.Fatalf("key %x before %x", list[i].Key, list[i+1].Key)
			}
		}
		if err != nil {
			return
		}
		var again []Entry
		for rest := list; len(rest) > 0; {
			value, n := EncodeSegment(rest, len(value)+maxKey)
			got, err := readSegment(TailKey(1), value)
			if err != nil {
				t.Fatal(err)
			}
			again, rest = append(again, got...), rest[n:]
		}
		if !reflect.DeepEqual(again, list) {
			t.Errorf("got %+v\nwant %+v", again, list)
		}
	})
}

// encodeOldEntry makes an entry's row as it was up to schema 3.
func encodeOldEntry(en *Entry) []byte {
	var e encoder
	e.fixed32(uint32(en.UID))
	e.raw(en.Fingerprint[:])
	e.uint(uint64(en.Validity))
	e.uint(uint64(en.Flags))
	e.uint(uint64(en.Size))
	return e
}
