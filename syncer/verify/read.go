package verify

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// folderReader is the part of a session that verification reads opened folders with.
type folderReader interface {
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// unlistedError means that a server listed fewer messages of a folder than it says there are.
type unlistedError struct {
	listed, messages int
}

func (e *unlistedError) Error() string {
	return fmt.Sprintf("the server listed fewer messages than it says the folder has: %d of %d", e.listed, e.messages)
}

func isUnlisted(err error) bool {
	_, ok := errors.AsType[*unlistedError](err)
	return ok
}

// unlisted says why a folder is not compared of which messages were not listed.
func unlisted(folder string, err error) reason.Reason {
	if e, ok := errors.AsType[*unlistedError](err); ok {
		return reason.Of(reason.Unlisted, folder, e.listed, e.messages)
	}
	if e, ok := errors.AsType[*session.CountsError](err); ok {
		return e.Reason()
	}
	return reason.Said(err.Error())
}

// reading is one side's folder while it is read.
type reading struct {
	session  folderReader
	flags    *flagTable
	flagless bool   // the server has no flags
	tick     func() // called for each thing read of a message
	keys     session.Keyring
	stumbles stumbles
	sel      *upstream.Selected
	keep     func(imap.UID) bool // what is of interest; nil for all
	passed   int                 // listed and not
	listed   bool
	records  []record
}

// begin prepares for a folder that has just been opened, perhaps not for the first time.
// What has been read counts if the folder is as it was; UIDs may mean something else when it
// is opened again if they are fleeting.
func (r *reading) begin(sel *upstream.Selected, keys session.Keyring, fleeting bool) {
	if r.sel == nil || fleeting || sel.UIDValidity != r.sel.UIDValidity || sel.UIDNext != r.sel.UIDNext || sel.Messages != r.sel.Messages {
		r.records, r.listed, r.passed = nil, false, 0
	}
	r.sel, r.keys = sel, keys
}

// progress is how much has been read.
func (r *reading) progress() int {
	n := 0
	for i := range r.records {
		m := &r.records[i]
		if m.marked {
			n++
		}
		if m.read {
			n++
		}
	}
	for _, breaks := range r.stumbles {
		n += min(breaks, stumbleMost)
	}
	return n
}

// read lists the opened folder with the marks and, with bodies, the sums of its
// messages. What arrives meanwhile is left out.
func (r *reading) read(ctx context.Context, bodies bool) error {
	if r.sel.Messages == 0 {
		return nil
	}
	if err := r.readList(ctx); err != nil {
		return err
	}
	marked := func(m *record) bool { return m.marked }
	for range 2 { // what does not come the first time is asked for once more
		if set := r.missing(r.records, marked); len(set) > 0 {
			if err := r.session.Headers(ctx, set, r.header); err != nil {
				return r.stumbled(r.records, marked, err)
			}
		}
	}
	for i := range r.records {
		r.records[i].headless = !r.records[i].marked
	}
	if bodies {
		return r.sums(ctx, r.records)
	}
	return nil
}

// readList lists the folder, unless that has been done.
func (r *reading) readList(ctx context.Context) error {
	if !r.listed {
		all := imap.UIDSet{{Start: 1}}
		if r.sel.UIDNext > 1 {
			all[0].Stop = r.sel.UIDNext - 1
		}
		r.records, r.passed = make([]record, 0, r.sel.Messages), 0
		if err := r.session.ListMessages(ctx, all, 0, r.list); err != nil {
			return err
		}
	}
	r.records = eachOnce(r.records)
	if r.listed = len(r.records)+r.passed >= int(r.sel.Messages); !r.listed {
		return &unlistedError{len(r.records) + r.passed, int(r.sel.Messages)}
	}
	return nil
}

// missing are those of records, which are in the order of their UIDs, that lack something
// and are not passed over. A whole folder is one range, whatever UIDs are missing in it.
func (r *reading) missing(records []record, done func(*record) bool) (set imap.UIDSet) {
	all := len(records) == len(r.records) && r.passed == 0
	for i := range records {
		if m := &records[i]; done(m) || r.stumbles.over(r.keys.Key(m.uid)) {
			all = false
		} else {
			set.AddNum(m.uid)
		}
	}
	if all && len(records) > 0 {
		return imap.UIDSet{{Start: records[0].uid, Stop: records[len(records)-1].uid}}
	}
	return set
}

// stumbled notes at which message a connection broke: the first that lacks something, as
// servers answer in order.
func (r *reading) stumbled(records []record, done func(*record) bool, err error) error {
	if link.ClassOf(err) != link.Lost {
		return err
	}
	for i := range records {
		if k := r.keys.Key(records[i].uid); !done(&records[i]) && !r.stumbles.over(k) {
			r.stumbles[k]++
			break
		}
	}
	return err
}

func (r *reading) list(m upstream.Message) error {
	r.tick()
	if r.keep != nil && !r.keep(m.UID) {
		r.passed++
		return nil
	}
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
	if at := find(r.records, m.UID); at != nil {
		at.mark, at.marked = message.Fingerprint(header, 0), true
	}
	return nil
}

// aloneVain is how many messages in a row may be asked for by themselves in vain.
const aloneVain = 20

// sums reads the bodies of records, which are in the order of their UIDs. What a server
// refuses to send or passes over is asked for by itself.
func (r *reading) sums(ctx context.Context, records []record) error {
	done := func(m *record) bool { return m.read }
	set := r.missing(records, done)
	if len(set) == 0 {
		return nil
	}
	if err := r.take(ctx, set, records); err != nil {
		return r.stumbled(records, done, err)
	}
	vain := 0
	for i := range records {
		m := &records[i]
		if vain == aloneVain {
			break
		}
		if m.read || r.stumbles.over(r.keys.Key(m.uid)) {
			continue
		}
		if err := r.take(ctx, imap.UIDSetNum(m.uid), records); err != nil {
			return r.stumbled(records[i:], done, err)
		}
		if vain++; m.read {
			vain = 0
		}
	}
	return nil
}

// take reads the bodies of a set. A refusal is none.
func (r *reading) take(ctx context.Context, set imap.UIDSet, records []record) error {
	err := r.session.Bodies(ctx, set, func(uid imap.UID, _ int64, body io.Reader) error {
		r.tick()
		sum, err := bodySum(body)
		if at := find(records, uid); at != nil && err == nil {
			at.sum, at.read = sum, true
		}
		return err
	})
	if e, ok := errors.AsType[*link.Error](err); ok && (e.Class == link.Refused || session.AboutOne(err)) {
		return nil
	}
	return err
}

// find needs records in the order of their UIDs.
func find(records []record, uid imap.UID) *record {
	i, found := slices.BinarySearchFunc(records, uid, func(a record, uid imap.UID) int { return cmp.Compare(a.uid, uid) })
	if !found {
		return nil
	}
	return &records[i]
}

// readSome reads the bodies of the records at some places, which may be in
// any order.
func (r *reading) readSome(ctx context.Context, places []int32) error {
	some := make([]record, len(places))
	for i, at := range places {
		some[i] = r.records[at]
	}
	slices.SortFunc(some, func(a, b record) int { return cmp.Compare(a.uid, b.uid) })
	err := r.sums(ctx, some)
	for _, at := range places {
		r.records[at] = *find(some, r.records[at].uid)
	}
	return err
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
	for _, f := range message.NormaliseFlags(flags) {
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
	l := message.HashWithoutLineEnds{Hash: sha256.New()}
	l.To = bufio.NewWriterSize(l.Hash, 8<<10)
	if _, err := io.Copy(&l, r); err != nil {
		return sum, err
	}
	return [16]byte(l.Sum()), nil
}
