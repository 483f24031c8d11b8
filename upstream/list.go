package upstream

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// Mailbox is one line of LIST.
type Mailbox struct {
	Name       string // raw bytes as the server spells it; INBOX in upper case
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

// List returns all folders with their subscription, special use (where the
// server tells) and, if withStatus and the server has LIST-STATUS, status.
// Subscribed names that no longer exist are left out. One bad line is
// skipped and logged. The status is without Size, which can take a server
// long to find out.
func (s *Session) List(ctx context.Context, withStatus bool) ([]Mailbox, error) {
	for s.Has(imap.CapListExtended) {
		l := newListing(s)
		err := s.run(ctx, "LIST", func(e *wire.Encoder) { e.Raw(s.listReturn(withStatus)) }, l.take)
		if err == nil || ClassOf(err) != Refused {
			return l.mailboxes(), err
		}
		lie := imap.CapListExtended
		if withStatus && s.Has(imap.CapListStatus) {
			lie = imap.CapListStatus
		}
		s.distrust(err, lie)
	}
	return s.listPlain(ctx)
}

// listReturn are the arguments of the extended LIST (RFC 5258, RFC 5819, RFC 6154).
func (s *Session) listReturn(withStatus bool) string {
	opts := []string{"SUBSCRIBED", "CHILDREN"}
	if s.Has(imap.CapSpecialUse) {
		opts = append(opts, "SPECIAL-USE")
	}
	if withStatus && s.Has(imap.CapListStatus) {
		opts = append(opts, "STATUS "+s.statusItems(false))
	}
	return `"" "*" RETURN (` + strings.Join(opts, " ") + ")"
}

// listPlain is for servers without LIST-EXTENDED: LIST and LSUB together.
func (s *Session) listPlain(ctx context.Context) ([]Mailbox, error) {
	l := newListing(s)
	var refused error
	verbs := [...]string{"LIST", "LSUB"}
	send := func(i int) (*command, error) {
		return s.compose(verbs[i], func(e *wire.Encoder) { e.Raw(`"" "*"`) })
	}
	err := s.do(ctx, "LIST", func() error {
		return s.pipeline(len(verbs), len(verbs), send, l.take, func(i int, cmd *command) {
			if i == 0 {
				refused = s.refusal(cmd)
			}
		})
	})
	if err == nil {
		err = refused
	}
	return l.mailboxes(), err
}

// listing collects LIST, LSUB and STATUS responses.
type listing struct {
	s          *Session
	found      []Mailbox
	index      map[string]int // by name
	subscribed map[string]bool
	status     map[string]Status
}

func newListing(s *Session) *listing {
	return &listing{s: s, index: map[string]int{}, subscribed: map[string]bool{}, status: map[string]Status{}}
}

// take is a dataFunc.
func (l *listing) take(_ uint32, name string) bool {
	switch name {
	case "LIST", "LSUB":
		if m, ok := l.s.readList(); ok {
			l.add(m, name == "LSUB")
		}
	case "STATUS":
		if mailbox, st, ok := l.s.readStatus(); ok {
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

// readList reads a LIST or LSUB response. What can't be read is not ok; the
// decoder then knows why.
func (s *Session) readList() (m Mailbox, ok bool) {
	d := s.dec
	d.List(func() { m.Attrs = append(m.Attrs, attr(d.Word())) })
	d.Space()
	m.Delim = s.readDelim()
	d.Space()
	m.Name = s.readMailbox()
	return m, d.Err() == nil
}

// readMailbox reads a mailbox name as it is; INBOX in upper case.
func (s *Session) readMailbox() string {
	raw, _ := s.dec.String(wire.MaxToken)
	name := string(raw)
	if wire.IsInbox(name) {
		return "INBOX"
	}
	return name
}

func attr(word []byte) imap.MailboxAttr {
	for _, a := range knownAttrs {
		if strings.EqualFold(string(a), string(word)) {
			return a
		}
	}
	return imap.MailboxAttr(word)
}
