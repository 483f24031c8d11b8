package upstream

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

// Mailbox is one line of LIST.
type Mailbox struct {
	Name       string // raw bytes as the server spells it; INBOX in upper case
	Cut        bool   // the name is too long to be kept: Name only begins like it
	Delim      byte   // 0 for NIL
	Attrs      []imap.MailboxAttr
	Subscribed bool
	Status     *Status // from LIST-STATUS; nil if not given
}

// knownAttrs are attributes in the spelling we use, whatever the server's case.
var knownAttrs = [...]imap.MailboxAttr{
	imap.MailboxAttrNonExistent, imap.MailboxAttrNoInferiors, imap.MailboxAttrNoSelect,
	imap.MailboxAttrHasChildren, imap.MailboxAttrHasNoChildren, imap.MailboxAttrMarked,
	imap.MailboxAttrUnmarked, imap.MailboxAttrSubscribed, imap.MailboxAttrRemote,
	imap.MailboxAttrAll, imap.MailboxAttrArchive, imap.MailboxAttrDrafts,
	imap.MailboxAttrFlagged, imap.MailboxAttrJunk, imap.MailboxAttrSent,
	imap.MailboxAttrTrash, imap.MailboxAttrImportant,
}

// Tree tells of the folders of a mailbox, of their status, and what may be kept in them.
type Tree struct {
	conn   *conn
	unread int // lines of the last list that could not be read
}

// Folders returns where the account's folders are and all of them with their
// subscription, special use (where the server tells) and, if withStatus and the
// server has LIST-STATUS, status. It takes one round trip unless the server lacks
// an extension. Subscribed names that no longer exist are left out. One bad line is
// skipped, logged and counted (Unread); with an error come the folders that were told of
// before it. The status is without Size, which can take a server
// long to find out.
func (t *Tree) Folders(ctx context.Context, withStatus bool) (Namespace, []Mailbox, error) {
	n, l := namespaces{conn: t.conn}, newListing(t.conn)
	// As now: another session may learn meanwhile that they are lies.
	extended, lie := t.conn.caps.Has(imap.CapListExtended), imap.CapListExtended
	if withStatus && t.conn.caps.Has(imap.CapListStatus) {
		lie = imap.CapListStatus
	}
	commands := t.listCommands(withStatus)
	refused := make([]error, len(commands))
	send := func(i int) (*command, error) { return t.conn.compose(commands[i].verb, commands[i].args) }
	data := func(num uint32, name string) bool { return n.take(num, name) || l.take(num, name) }
	err := t.conn.do(ctx, "LIST", func() error {
		if err := t.conn.beginProof(); err != nil {
			return err
		}
		defer t.conn.judgeProof()
		return t.conn.pipeline(len(commands), len(commands), send, data, func(i int, cmd *command) { refused[i] = t.conn.refusal(cmd) })
	})
	t.unread = l.unread
	if err != nil {
		return n.orOf(l.found), l.mailboxes(), err
	}
	for i, c := range commands {
		switch {
		case refused[i] == nil || c.verb != "LIST":
		case extended:
			t.conn.caps.distrust(refused[i], lie)
			return t.Folders(ctx, withStatus)
		default:
			return n.found, nil, refused[i]
		}
	}
	boxes := l.mailboxes()
	if !n.ok {
		err = t.withoutNamespace(ctx, &n.found, boxes)
	}
	return n.found, boxes, err
}

// Unread is how many folders the last list told of in a way that could not be read.
func (t *Tree) Unread() int { return t.unread }

// NoFolders is what is wrong where Folders tells of none at all.
func (t *Tree) NoFolders() error { return t.conn.link.Fault("LIST", link.Later, link.ErrNoFolders) }

// listCommand is one of those that together tell the folders.
type listCommand struct {
	verb string
	args func(e *wire.Encoder)
}

// listCommands are what to ask, all at once.
func (t *Tree) listCommands(withStatus bool) (commands []listCommand) {
	if t.conn.caps.Has(imap.CapNamespace) {
		commands = append(commands, listCommand{verb: "NAMESPACE"})
	}
	if t.conn.caps.Has(imap.CapListExtended) {
		return append(commands, listCommand{"LIST", func(e *wire.Encoder) { e.Raw(t.listReturn(withStatus)) }})
	}
	all := func(e *wire.Encoder) { e.Raw(`"" "*"`) }
	return append(commands, listCommand{"LIST", all}, listCommand{"LSUB", all})
}

// listReturn are the arguments of the extended LIST (RFC 5258, RFC 5819, RFC 6154).
func (t *Tree) listReturn(withStatus bool) string {
	opts := []string{"SUBSCRIBED", "CHILDREN"}
	if t.conn.caps.Has(imap.CapSpecialUse) {
		opts = append(opts, "SPECIAL-USE")
	}
	if withStatus && t.conn.caps.Has(imap.CapListStatus) {
		opts = append(opts, "STATUS "+t.statusItems(false))
	}
	return `"" "*" RETURN (` + strings.Join(opts, " ") + ")"
}

// listing collects LIST, LSUB and STATUS responses.
type listing struct {
	unread     int // lines that could not be read
	conn       *conn
	found      []Mailbox
	index      map[string]int // by name
	subscribed map[string]bool
	status     map[string]Status
	lines      folderLines
}

func newListing(conn *conn) *listing {
	return &listing{conn: conn, lines: folderLines{conn: conn}, index: map[string]int{}, subscribed: map[string]bool{}, status: map[string]Status{}}
}

// take is a dataFunc.
func (l *listing) take(_ uint32, name string) bool {
	switch name {
	case "LIST", "LSUB":
		m, octets, ok := l.conn.parser.readList()
		switch {
		case ok && l.lines.take(octets):
			l.add(m, name == "LSUB")
		case !ok && name == "LIST":
			l.unread++
		}
	case "STATUS":
		if mailbox, st, ok := l.conn.parser.readStatus(); ok && l.lines.take(len(mailbox)) {
			l.status[mailbox] = st
		}
	default:
		return false
	}
	return true
}

func (l *listing) add(m Mailbox, lsub bool) {
	if lsub {
		// \Noselect in LSUB means that only children are subscribed (RFC 3501 section 6.3.9).
		if !slices.Contains(m.Attrs, imap.MailboxAttrNoSelect) {
			l.subscribed[m.Name] = true
		}
		return
	}
	if slices.Contains(m.Attrs, imap.MailboxAttrNonExistent) {
		return
	}
	if i, twice := l.index[m.Name]; twice {
		l.found[i] = m
		return
	}
	l.index[m.Name] = len(l.found)
	l.found = append(l.found, m)
	l.lines.folders(len(l.found))
}

// mailboxes puts together what belongs together.
func (l *listing) mailboxes() []Mailbox {
	for i := range l.found {
		m := &l.found[i]
		m.Subscribed = l.subscribed[m.Name] || slices.Contains(m.Attrs, imap.MailboxAttrSubscribed)
		if st, ok := l.status[m.Name]; ok {
			m.Status = &st
		}
	}
	return l.found
}

// readList reads a LIST or LSUB response; octets are those of its words. What can't be read
// is not ok; the decoder then knows why.
func (p *parser) readList() (m Mailbox, octets int, ok bool) {
	d := p.dec
	p.words(func(word []byte) {
		octets += flagOctets + len(word)
		m.Attrs = append(m.Attrs, attr(word))
	})
	d.Space()
	m.Delim = p.readDelim()
	d.Space()
	raw, _ := d.String(wire.MaxToken)
	octets += len(raw)
	m.Name, m.Cut = nameOf(raw)
	if wire.IsInbox(m.Name) {
		m.Name = "INBOX"
	}
	return m, octets, d.Err() == nil
}

// readMailbox reads a mailbox name as it is, if it isn't too long; INBOX in upper case.
func (p *parser) readMailbox() string {
	raw, _ := p.dec.String(wire.MaxToken)
	if name, _ := nameOf(raw); !wire.IsInbox(name) {
		return name
	}
	return "INBOX"
}

func attr(word []byte) imap.MailboxAttr {
	for _, a := range knownAttrs {
		if strings.EqualFold(string(a), string(word)) {
			return a
		}
	}
	return imap.MailboxAttr(word)
}
