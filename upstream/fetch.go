package upstream

import (
	"context"
	"math"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// fetchWindow is how many FETCH commands are under way at most when a set is
// too long for one.
const fetchWindow = 4

// maxHeader bounds the header that Headers reports; the rest is lost. Octets.
const maxHeader = 256 << 10

// have says which items of a message are known.
type have uint8

const (
	haveUID have = 1 << iota
	haveFlags
	haveDate
	haveSize
	haveModSeq
	haveHeader
	haveBody
	haveLabels
)

// fetched is what FETCH responses told of one message so far.
type fetched struct {
	Message
	header []byte
	id     uint64   // X-GM-MSGID
	labels []string // X-GM-LABELS
	have   have
	torn   bool // it was told with different UIDs in one response, and so of none
	fresh  bool // it was told the last time it was asked for
}

// add takes over what another response told of the same message.
func (m *fetched) add(n *fetched) {
	if n.have&haveFlags != 0 {
		m.Flags = n.Flags
	}
	if n.have&haveDate != 0 {
		m.Date = n.Date
	}
	if n.have&haveSize != 0 {
		m.Size = n.Size
	}
	if n.have&haveModSeq != 0 {
		m.ModSeq = n.ModSeq
	}
	if n.have&haveHeader != 0 {
		m.header = n.header
	}
	if n.have&haveLabels != 0 {
		m.labels = n.labels
	}
	if n.id != 0 {
		m.id = n.id
	}
	m.have |= n.have
}

// bindTo gives a message the UID that its response tells. None is 0 or larger than a UID
// can be (RFC 9051 section 9: nz-number, which has 32 bits).
func (m *fetched) bindTo(uid uint64) {
	switch {
	case m.torn:
	case uid == 0 || uid > math.MaxUint32 || m.UID != 0 && uint64(m.UID) != uid:
		m.UID, m.torn = 0, true
	default:
		m.UID = imap.UID(uid)
	}
}

// bindOnly gives a message without UID that of the only one that was asked for. Flags
// alone may be of any, as they are told unasked as well.
func (m *fetched) bindOnly(set imap.UIDSet) {
	if m.UID != 0 || m.torn || m.have&^(haveFlags|haveModSeq) == 0 {
		return
	}
	if uid, one := only(set); one {
		m.UID = uid
		m.have |= haveUID
	}
}

// kind is the kind of a FETCH item.
type kind int

const (
	itemOther kind = iota
	itemUID
	itemFlags
	itemDate
	itemSize
	itemModSeq
	itemHeader
	itemBody
	itemGmailID
	itemLabels
)

// kindOf recognises a FETCH item by its name in the answer.
func kindOf(name []byte) kind {
	switch string(name) { // as nearly all servers spell them
	case "UID":
		return itemUID
	case "FLAGS":
		return itemFlags
	case "INTERNALDATE":
		return itemDate
	case "RFC822.SIZE":
		return itemSize
	case "MODSEQ":
		return itemModSeq
	case "X-GM-MSGID":
		return itemGmailID
	case "X-GM-LABELS":
		return itemLabels
	case "BODY[]", "BODY.PEEK[]", "RFC822":
		return itemBody
	}
	const header, peek = "BODY[HEADER", "BODY.PEEK[HEADER"
	for _, c := range name {
		if c >= 'a' && c <= 'z' {
			return kindOf([]byte(upper(name)))
		}
	}
	if hasPrefix(name, header) || hasPrefix(name, peek) || string(name) == "RFC822.HEADER" {
		return itemHeader
	}
	return itemOther
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}

// readItems reads the items of a FETCH response into m. body is called with
// the decoder at the value of a whole body and takes it; nil to pass it over.
// What was read before an error counts.
func (p *parser) readItems(m *fetched, body func()) {
	d := p.dec
	d.List(func() {
		k := kindOf(d.Item())
		d.Space()
		switch {
		case k == itemBody && body != nil:
			body()
		case (k == itemLabels || k == itemGmailID) && !p.labelled:
			d.Skip()
		case k == itemOther || k == itemBody:
			d.Skip()
		default:
			p.readItem(m, k)
		}
	})
}

func (p *parser) readItem(m *fetched, k kind) {
	d := p.dec
	bit := have(0)
	switch k {
	case itemUID:
		uid := d.Number()
		if bit = haveUID; d.Err() == nil {
			m.bindTo(uid)
		}
	case itemFlags:
		m.Flags, bit = p.readFlags(), haveFlags
	case itemDate:
		date, _ := d.String(64)
		m.Date, _ = wire.ParseDate(string(date))
		bit = haveDate
	case itemSize:
		m.Size, bit = int64(d.Number()), haveSize
	case itemModSeq:
		m.ModSeq, bit = p.readModSeq(), haveModSeq
	case itemGmailID:
		m.id = p.readGmailID()
	case itemLabels:
		m.labels, bit = p.readLabels(), haveLabels
	case itemHeader:
		header, _ := d.String(maxHeader)
		m.header, bit = append([]byte{}, header...), haveHeader
	}
	if d.Err() == nil {
		m.have |= bit
	}
}

// readModSeq reads (5), or 5 from servers that forget the parentheses.
func (p *parser) readModSeq() uint64 {
	d := p.dec
	if !d.Accept('(') {
		return d.Number()
	}
	n := d.Number()
	d.Space()
	if !d.Accept(')') {
		d.Fail("the end of MODSEQ")
	}
	return n
}

// fetch sends UID FETCH for a set, in as many commands as it takes, and
// returns the first refusal.
func (c *conn) fetch(ctx context.Context, set imap.UIDSet, items string, data dataFunc) error {
	sets := splitSet(set)
	var refused error
	send := func(i int) (*command, error) {
		return c.compose("UID FETCH", func(e *wire.Encoder) { e.UIDs(sets[i]).SP().Raw(items) })
	}
	err := c.do(ctx, "UID FETCH", func() error {
		return c.pipeline(len(sets), fetchWindow, send, data, func(_ int, cmd *command) {
			if err := c.refusal(cmd); err != nil && refused == nil {
				refused = err
			}
		})
	})
	if err != nil {
		return err
	}
	return refused
}
