package verify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/syncer/session"
	"postferry/upstream"
)

// TestBodySum: line ends make no difference, anything else does, and how the
// body comes in pieces doesn't.
func TestBodySum(t *testing.T) {
	line, last := regexp.MustCompile(`\r*\n`), regexp.MustCompile(`\n$`)
	plain := func(s string) string { return last.ReplaceAllString(line.ReplaceAllString(s, "\n"), "") }
	body := rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "\r", "\n", "\r\n", "\x00", "long"}), 0, 12).Draw(t, "parts"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := body.Draw(t, "a"), body.Draw(t, "b")
		sumA, errA := bodySum(iotest.OneByteReader(strings.NewReader(a)))
		sumB, errB := bodySum(strings.NewReader(b))
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if same := plain(a) == plain(b); (sumA == sumB) != same {
			t.Fatalf("%q and %q: the sums are equal: %t, want %t", a, b, sumA == sumB, same)
		}
	})
	if _, err := bodySum(iotest.ErrReader(io.ErrUnexpectedEOF)); err == nil {
		t.Error("a body that was cut has a sum")
	}
}

// largeFolder is a folder of n messages that come in descending order, one of
// them twice.
type largeFolder struct {
	n     int
	lines int // that are listed; fewer than n is a lie
}

func (l largeFolder) selected() *upstream.Selected {
	return &upstream.Selected{Messages: uint32(l.n), UIDNext: imap.UID(l.n + 1), UIDValidity: 1}
}

func (l largeFolder) ListMessages(_ context.Context, _ imap.UIDSet, _ uint64, fn func(upstream.Message) error) error {
	for uid := l.lines; uid > 0; uid-- {
		if err := fn(upstream.Message{UID: imap.UID(uid), Size: int64(uid)}); err != nil {
			return err
		}
	}
	return fn(upstream.Message{UID: 1, Size: 1, Flags: []imap.Flag{imap.FlagSeen}})
}

func (l largeFolder) Headers(_ context.Context, _ imap.UIDSet, fn func(upstream.Message, []byte) error) error {
	for uid := l.lines; uid > 0; uid-- {
		header := fmt.Appendf(nil, "Message-ID: <%d@x>\r\n\r\n", uid)
		if err := fn(upstream.Message{UID: imap.UID(uid)}, header); err != nil {
			return err
		}
	}
	return nil
}

func (l largeFolder) Bodies(_ context.Context, set imap.UIDSet, fn func(imap.UID, int64, io.Reader) error) error {
	uids, _ := set.Nums()
	for _, uid := range uids {
		if err := fn(uid, 1, bytes.NewReader([]byte{byte(uid)})); err != nil {
			return err
		}
	}
	return nil
}

// TestReadLargeFolder: what is kept of a message is its record and no more.
func TestReadLargeFolder(t *testing.T) {
	const n = 200_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	folder := largeFolder{n: n, lines: n}
	r := &reading{session: folder, flags: newFlagTable(), tick: func() {}}
	r.begin(folder.selected(), session.IMAPKeys(1), false)
	if err := r.read(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if grown := (heap() - before) / n; grown > 64 {
		t.Errorf("%d octets are kept of a message", grown)
	}
	if len(r.records) != n || r.records[0].uid != 1 || r.flags.text(r.records[0].flags) != `\Seen` || r.records[n-1].mark == r.records[0].mark {
		t.Errorf("%d records, the first %+v", len(r.records), r.records[0])
	}
	runtime.KeepAlive(r)
}

// TestReadUnlisted: a server that lists fewer messages than there are would
// hide that some are missing.
func TestReadUnlisted(t *testing.T) {
	folder := largeFolder{n: 10, lines: 9}
	r := &reading{session: folder, flags: newFlagTable(), tick: func() {}}
	r.begin(folder.selected(), session.IMAPKeys(1), false)
	if err := r.read(t.Context(), false); err == nil {
		t.Error("nine of ten messages are enough")
	}
}

// TestReadSome reads bodies in any order.
func TestReadSome(t *testing.T) {
	records := []record{{uid: 5}, {uid: 9}, {uid: 2}, {uid: 7}}
	r := &reading{session: largeFolder{}, flags: newFlagTable(), tick: func() {}, keys: session.IMAPKeys(1), records: records}
	if err := r.readSome(t.Context(), []int32{1, 2}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{false, true, true, false} {
		if records[i].read != want {
			t.Errorf("UID %d: read %t", records[i].uid, records[i].read)
		}
	}
	if sum, _ := bodySum(bytes.NewReader([]byte{9})); records[1].sum != sum || records[1].uid != 9 {
		t.Errorf("%+v", records[1])
	}
}
