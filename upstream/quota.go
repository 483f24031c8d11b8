package upstream

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

// Quota is a limit on what a mailbox may hold (RFC 9208).
type Quota struct {
	Root     string // whose limit it is
	Resource string // in upper case: "STORAGE" in units of 1024 octets, "MESSAGE", ...
	Usage    uint64
	Limit    uint64
}

// Quotas asks for the limits that apply to a folder (GETQUOTAROOT). There are
// none if the server does not offer QUOTA or refuses to tell.
func (t *Tree) Quotas(ctx context.Context, mailbox string) ([]Quota, error) {
	if !t.conn.caps.Has(imap.CapQuota) {
		return nil, nil
	}
	if err := t.conn.checkName("GETQUOTAROOT", mailbox); err != nil {
		return nil, err
	}
	var all []Quota
	err := t.conn.run(ctx, "GETQUOTAROOT", func(e *wire.Encoder) { e.Mailbox(mailbox) }, func(_ uint32, name string) bool {
		if name != "QUOTA" {
			return name == "QUOTAROOT"
		}
		all = append(all, t.conn.parser.readQuota()...)
		all = all[:min(len(all), maxWords)]
		return true
	})
	if link.ClassOf(err) == link.Refused {
		return nil, nil
	}
	return all, err
}

// readQuota reads "root" (STORAGE 10 512 MESSAGE 3 100). A resource that can't
// be read ends the list.
func (p *parser) readQuota() []Quota {
	d := p.dec
	root := p.string()
	var all []Quota
	d.Space()
	d.List(func() {
		word := d.Word()
		q := Quota{Root: root, Resource: upper(word[:min(len(word), maxWord)])}
		d.Space()
		q.Usage = d.Number()
		d.Space()
		q.Limit = d.Number()
		if d.Err() == nil && len(all) < maxWords {
			all = append(all, q)
		}
	})
	return all
}
