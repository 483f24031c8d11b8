package upstream

import (
	"context"
	"strconv"

	"github.com/emersion/go-imap/v2"
)

// capGmail says that messages have labels and an id that is the same in all folders
// (developers.google.com/workspace/gmail/imap/imap-extensions).
const capGmail imap.Cap = "X-GM-EXT-1"

// manyLabels and maxLabel bound what is kept of a message's labels, which Gmail allows 10,000 of 225
// characters of in an account.
const (
	manyLabels = 10_000
	maxLabel   = 2048 // octets
)

// Labelled is what Gmail tells of a message beside what every server does.
type Labelled struct {
	UID    imap.UID
	ID     uint64   // X-GM-MSGID: the same in all folders; 0 if it was not told
	Labels []string // X-GM-LABELS, raw as names of folders are; those of Gmail's own begin with a backslash
}

// HasLabels tells whether the server's messages have labels.
func (f *Fetcher) HasLabels() bool { return f.conn.caps.Has(capGmail) }

// Labels calls fn for each message of set with its labels. Without the one of the opened folder, Gmail
// leaves that out; in the folder with all mail there are all.
func (f *Fetcher) Labels(ctx context.Context, set imap.UIDSet, fn func(Labelled) error) error {
	const need = haveUID | haveLabels
	f.conn.parser.labelled = true // what nobody asked for is passed over
	defer func() { f.conn.parser.labelled = false }()
	return f.conn.collect(ctx, set, "(UID X-GM-MSGID X-GM-LABELS)", collector{want: need, need: need, once: true, fn: func(m *fetched) error {
		return fn(Labelled{UID: m.UID, ID: m.id, Labels: m.labels})
	}})
}

// readLabels reads a list of labels.
func (p *parser) readLabels() (labels []string) {
	if p.dec.Peek() != '(' { // NIL
		p.dec.Skip()
		return nil
	}
	p.dec.List(func() {
		if p.dec.Peek() == '(' {
			p.dec.Skip()
			return
		}
		label, _ := p.dec.String(maxLabel)
		if len(labels) < manyLabels && p.dec.Err() == nil {
			labels = append(labels, string(label))
		}
	})
	if len(labels) > manyFlags {
		p.bounds.spend(len(labels) * flagOctets)
	}
	return labels
}

// readGmailID reads X-GM-MSGID; 0 for what is none.
func (p *parser) readGmailID() uint64 {
	if p.dec.Peek() == '(' {
		p.dec.Skip()
		return 0
	}
	text, _ := p.dec.String(20)
	id, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return 0
	}
	return id
}
