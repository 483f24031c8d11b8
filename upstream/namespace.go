package upstream

import (
	"context"

	"postferry/wire"
)

// Namespace is the personal namespace and the prefixes of the others' and
// shared ones (RFC 2342). Without NAMESPACE: prefix "", delimiter from LIST.
type Namespace struct {
	Prefix string   // raw, e.g. "INBOX."
	Delim  byte     // 0 if the server is flat
	Others []string // raw prefixes of other users' and shared namespaces
}

// namespaces takes the answer to NAMESPACE.
type namespaces struct {
	conn  *conn
	found Namespace
	ok    bool // there is a personal one
}

// take is a dataFunc.
func (n *namespaces) take(_ uint32, name string) bool {
	if name != "NAMESPACE" {
		return false
	}
	n.ok = n.conn.parser.readNamespaces(&n.found)
	return true
}

// orOf is the personal namespace, with the delimiter of the folders where none was told.
func (n *namespaces) orOf(boxes []Mailbox) Namespace {
	if !n.ok && len(boxes) > 0 {
		n.found.Delim = boxes[0].Delim
	}
	return n.found
}

// withoutNamespace finds out the delimiter where the server does not tell the
// namespace: it is that of INBOX, or what LIST "" "" says.
func (t *Tree) withoutNamespace(ctx context.Context, ns *Namespace, boxes []Mailbox) error {
	for _, m := range boxes {
		if m.Name == "INBOX" && m.Delim != 0 {
			ns.Delim = m.Delim
			return nil
		}
	}
	return t.conn.run(ctx, "LIST", func(e *wire.Encoder) { e.Raw(`"" ""`) }, func(_ uint32, name string) bool {
		if name == "LIST" {
			if m, _, ok := t.conn.parser.readList(); ok {
				ns.Delim = m.Delim
			}
		}
		return name == "LIST"
	})
}

// readNamespaces reads the three lists of a NAMESPACE response and reports
// whether there is a personal one, of which the first counts.
func (p *parser) readNamespaces(ns *Namespace) bool {
	d := p.dec
	var lists [3][]Namespace
	for i := range lists {
		d.Space()
		if d.Peek() != '(' {
			d.Skip() // NIL
			continue
		}
		d.List(func() {
			if lists[i] = append(lists[i], p.readNamespace()); len(lists[i]) > maxWords {
				p.bounds.tooMuch("namespaces", true)
				d.Fail("fewer namespaces")
			}
		})
	}
	if d.Err() != nil || len(lists[0]) == 0 {
		return false
	}
	*ns = lists[0][0]
	for _, other := range append(lists[1], lists[2]...) {
		ns.Others = append(ns.Others, other.Prefix)
	}
	return true
}

func (p *parser) readNamespace() (ns Namespace) {
	d := p.dec
	if !d.Accept('(') {
		d.Fail("a namespace")
		return ns
	}
	d.Space()
	prefix, isNil := d.String(maxName + 1)
	if len(prefix) > maxName {
		p.bounds.tooMuch("a namespace's prefix", true)
	}
	if !isNil {
		ns.Prefix = string(prefix)
	}
	d.Space()
	ns.Delim = p.readDelim()
	for d.Space(); !d.Accept(')') && d.Err() == nil; d.Space() {
		d.Skip() // namespace response extensions
	}
	return ns
}

// readDelim reads a hierarchy delimiter; 0 for NIL.
func (p *parser) readDelim() byte {
	if delim, isNil := p.dec.String(8); !isNil && len(delim) == 1 {
		return delim[0]
	}
	return 0
}
