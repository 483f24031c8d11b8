package syncer

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream"
)

// folderReader is the part of a session that verification reads opened folders with.
type folderReader interface {
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// errUnlisted means that a server listed fewer messages than it says there are.
var errUnlisted = errors.New("the server listed fewer messages than it says the folder has")

// reading is one side's folder while it is read.
type reading struct {
	session  folderReader
	flags    *flagTable
	flagless bool   // the server has no flags
	tick     func() // called for each thing read of a message
	records  []record
}

// read lists the opened folder with the marks and, with bodies, the sums of its
// messages. What arrives meanwhile is left out.
func (r *reading) read(ctx context.Context, sel *upstream.Selected, bodies bool) error {
	if sel.Messages == 0 {
		return nil
	}
	all := imap.UIDSet{{Start: 1}}
	if sel.UIDNext > 1 {
		all[0].Stop = sel.UIDNext - 1
	}
	r.records = make([]record, 0, sel.Messages)
	if err := r.session.ListMessages(ctx, all, 0, r.list); err != nil {
		return err
	}
	r.records = eachOnce(r.records)
	if len(r.records) < int(sel.Messages) {
		return fmt.Errorf("%w: %d of %d", errUnlisted, len(r.records), sel.Messages)
	}
	if err := r.session.Headers(ctx, all, r.header); err != nil {
		return err
	}
	if bodies {
		return r.sums(ctx, all)
	}
	return nil
}

func (r *reading) list(m upstream.Message) error {
	r.tick()
	r.records = append(r.records, record{
		uid: m.UID, date: m.Date.Unix(), size: uint32(min(max(m.Size, 0), math.MaxUint32)), flags: r.number(m.Flags),
	})
	return nil
}

// number is that of a message's flags.
func (r *reading) number(flags []imap.Flag) uint32 {
	if r.flagless {
		return noFlags
	}
	return r.flags.number(flags)
}

// eachOnce sorts by UID. Of a message that was listed twice the later line counts.
func eachOnce(list []record) []record {
	slices.Reverse(list)
	slices.SortStableFunc(list, func(a, b record) int { return cmp.Compare(a.uid, b.uid) })
	return slices.CompactFunc(list, func(a, b record) bool { return a.uid == b.uid })
}

func (r *reading) header(m upstream.Message, header []byte) error {
	r.tick()
	if at := r.find(m.UID); at != nil {
		at.mark = fingerprintOf(header, 0)
	}
	return nil
}

// sums reads the bodies of a set. A server that refuses leaves those it did
// not send unread.
func (r *reading) sums(ctx context.Context, set imap.UIDSet) error {
	err := r.session.Bodies(ctx, set, func(uid imap.UID, _ int64, body io.Reader) error {
		r.tick()
		sum, err := bodySum(body)
		if at := r.find(uid); at != nil && err == nil {
			at.sum, at.read = sum, true
		}
		return err
	})
	if e, ok := errors.AsType[*upstream.Error](err); ok && e.Class == upstream.Refused {
		return nil
	}
	return err
}

// find needs the records in the order of their UIDs.
func (r *reading) find(uid imap.UID) *record {
	i, found := slices.BinarySearchFunc(r.records, uid, func(a record, uid imap.UID) int { return cmp.Compare(a.uid, uid) })
	if !found {
		return nil
	}
	return &r.records[i]
}

// readSome reads the bodies of the records at some places, which may be in
// any order.
func (r *reading) readSome(ctx context.Context, records []record, places []int32) error {
	some := make([]record, len(places))
	var set imap.UIDSet
	for i, at := range places {
		some[i] = records[at]
		set.AddNum(records[at].uid)
	}
	slices.SortFunc(some, func(a, b record) int { return cmp.Compare(a.uid, b.uid) })
	r.records = some
	if err := r.sums(ctx, set); err != nil {
		return err
	}
	for _, at := range places {
		records[at] = *r.find(records[at].uid)
	}
	return nil
}

// flagTable gives sets of flags numbers, the same for both sides of a folder.
type flagTable struct {
	mu     sync.Mutex
	byText map[string]uint32
	texts  []string
}

func newFlagTable() *flagTable { return &flagTable{byText: map[string]uint32{}} }

// number of a set of flags; the order and case of flags make no difference.
func (t *flagTable) number(flags []imap.Flag) uint32 {
	words := make([]string, 0, len(flags))
	for _, f := range normalise(flags) {
		words = append(words, string(f))
	}
	text := strings.Join(words, " ")
	key := strings.ToLower(text)
	t.mu.Lock()
	defer t.mu.Unlock()
	n, known := t.byText[key]
	if !known {
		n = uint32(len(t.texts))
		t.byText[key] = n
		t.texts = append(t.texts, text)
	}
	return n
}

// text is the flags of a number.
func (t *flagTable) text(n uint32) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.texts[n]
}

// bodySum is the SHA-256 of a message, cut to 128 bits, with all line ends as
// LF and without the last: servers store and count those as they like (Dovecot
// makes CRLF of a bare LF and of CR CR LF).
func bodySum(r io.Reader) (sum [16]byte, err error) {
	l := lineEnds{hash: sha256.New()}
	l.w = bufio.NewWriterSize(l.hash, 8<<10)
	if _, err := io.Copy(&l, r); err != nil {
		return sum, err
	}
	return [16]byte(l.sum()), nil
}

// lineEnds hashes what is written to it with its line ends made alike.
type lineEnds struct {
	hash hash.Hash
	w    *bufio.Writer
	crs  int // that may belong to a line end
	lfs  int // held back, as they may be the last
}

// Write never fails.
func (l *lineEnds) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		switch rest[0] {
		case '\r':
			l.crs++
			rest = rest[1:]
			continue
		case '\n':
			l.crs = 0
			l.lfs++
			rest = rest[1:]
			continue
		}
		n := bytes.IndexAny(rest, "\r\n")
		if n < 0 {
			n = len(rest)
		}
		l.text(rest[:n])
		rest = rest[n:]
	}
	return len(p), nil
}

// text hashes a part of a line and what was held back before it.
func (l *lineEnds) text(b []byte) {
	l.repeat('\n', l.lfs)
	l.repeat('\r', l.crs)
	l.lfs, l.crs = 0, 0
	_, _ = l.w.Write(b) // a hash never fails
}

func (l *lineEnds) repeat(c byte, n int) {
	for range n {
		_ = l.w.WriteByte(c)
	}
}

func (l *lineEnds) sum() []byte {
	if l.crs > 0 { // after the last line end: they are text, and it isn't the last
		l.text(nil)
	}
	l.repeat('\n', l.lfs-1)
	_ = l.w.Flush()
	return l.hash.Sum(nil)[:16]
}
