package upstream

import (
	"context"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// Message is a line of a listing.
type Message struct {
	UID    imap.UID
	Flags  []imap.Flag // sorted, without \Recent
	Date   time.Time   // INTERNALDATE; zero if absent or unreadable
	Size   int64       // RFC822.SIZE; -1 if absent
	ModSeq uint64
}

// Fetcher reads messages of the opened folder.
type Fetcher struct{ conn *conn }

// ListMessages lists the messages of set in the opened folder (UID FLAGS
// INTERNALDATE RFC822.SIZE), calling fn for each as it arrives, in the
// server's order. What comes without its UID, or in part, is asked for once more; a
// message of which the server holds items back then, too, is reported at the end with
// what there is.
// changedSince > 0 restricts to messages changed after that mod-sequence
// (CONDSTORE) and reports their ModSeq, and only messages whose flags were told; where
// the server refuses that although it announced it, all are reported. A message whose
// flags change meanwhile may be reported again: the later report counts.
// An error of fn ends the session's use of the answer, not the session.
func (f *Fetcher) ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(Message) error) error {
	items, need := listItems, haveUID
	if changedSince > 0 {
		// CHANGEDSINCE implies MODSEQ in the answer (RFC 7162 section 3.1.4.1).
		items += fmt.Sprintf(" (CHANGEDSINCE %d)", changedSince)
		need |= haveFlags
	}
	err := f.conn.collect(ctx, set, items, collector{want: listWant, need: need, fn: func(m *fetched) error { return fn(m.Message) }})
	if changedSince == 0 || !link.Answered(err) || link.ClassOf(err) != link.Refused {
		return err
	}
	f.conn.caps.distrust(err, imap.CapCondStore, imap.CapQResync)
	return f.ListMessages(ctx, set, 0, fn)
}

// What a listing asks for.
const (
	listItems = "(UID FLAGS INTERNALDATE RFC822.SIZE)"
	listWant  = haveUID | haveFlags | haveDate | haveSize
)

// ListFlags is ListMessages with UID and FLAGS only.
func (f *Fetcher) ListFlags(ctx context.Context, set imap.UIDSet, fn func(Message) error) error {
	const want = haveUID | haveFlags
	return f.conn.collect(ctx, set, "(UID FLAGS)", collector{want: want, need: want, fn: func(m *fetched) error { return fn(m.Message) }})
}

// Headers fetches the fields a fingerprint is made of
// (BODY.PEEK[HEADER.FIELDS (...)]) and RFC822.SIZE of set, and the flags, which are nil where the
// server doesn't tell them. header is fn's to keep, and at most 256 KB of it.
func (f *Fetcher) Headers(ctx context.Context, set imap.UIDSet, fn func(m Message, header []byte) error) error {
	return f.conn.collect(ctx, set, headerItems, headersTo(fn))
}

// headerItems are what Headers asks for.
const headerItems = "(UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SENDER SUBJECT X-TUID X-OFFLINEIMAP)])"

// headerFunc takes the header of a message.
type headerFunc func(m Message, header []byte) error

// headersTo collects headerItems for fn.
func headersTo(fn headerFunc) collector {
	const need = haveUID | haveHeader
	return collector{want: need | haveSize, need: need, once: true, fn: func(m *fetched) error {
		if m.have&haveFlags != 0 && m.Flags == nil {
			m.Flags = []imap.Flag{}
		}
		return fn(m.Message, m.header)
	}}
}
