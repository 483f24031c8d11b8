package session

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/upstream"
	"postferry/upstream/link"
	"postferry/upstream/pop3"
	"postferry/wire"
)

// POP3Source is a session with an old POP3 server. It has one folder, INBOX, whose
// UIDs are the message numbers of the session.
type POP3Source struct {
	*pop3.Session
	list []pop3.Message // by number
}

// pop3Traits are a POP3 server's: of sizes, which may be anything, package upstream takes care. Many
// allow a login only every few minutes.
func pop3Traits() Traits { return Traits{Exclusive: true, HoldFor: 2 * time.Minute} }

func dialPOP3(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (Source, error) {
	s, err := pop3.Dial(ctx, server, opt)
	if err != nil {
		return nil, err
	}
	if err := s.Login(ctx, c); err != nil {
		s.Close()
		return nil, err
	}
	return &POP3Source{Session: s}, nil
}

// Sessions beside those of passes and visits wait this often and this long for
// a mailbox that is in use, by one of ours perhaps.
const (
	inUseTries = 4
	InUsePause = 4 * time.Second
)

// Patiently opens a session as soon as the mailbox is free, within reason.
func Patiently(dial DialFunc[Source], wait time.Duration) DialFunc[Source] {
	return func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (Source, error) {
		for try := 1; ; try++ {
			s, err := dial(ctx, server, c, opt)
			if e, ok := errors.AsType[*link.Error](err); !ok || !e.InUse() || try == inUseTries {
				return s, err
			}
			if pause.For(ctx, wait) != nil {
				return s, err
			}
		}
	}
}

// InboxOnly is what there is to know of the folders of a server without any; no session is
// needed for that. A status of nothing says that the inbox is there.
func InboxOnly() (foldertree.Tree, map[string]upstream.Status) {
	inbox := upstream.Mailbox{Name: foldertree.InboxName, Delim: '/'}
	return foldertree.Tree{Namespace: upstream.Namespace{Delim: '/'}, Mailboxes: []upstream.Mailbox{inbox}},
		map[string]upstream.Status{foldertree.InboxName: {}}
}

// Tree implements session.Source.
func (s *POP3Source) Tree(context.Context, bool, []store.Folder) (foldertree.Tree, map[string]upstream.Status, error) {
	side, status := InboxOnly()
	return side, status, nil
}

// Folders implements session.Source.
func (s *POP3Source) Folders(context.Context, bool) (upstream.Namespace, []upstream.Mailbox, error) {
	side, _ := InboxOnly()
	return side.Namespace, side.Mailboxes, nil
}

// NoFolders implements session.Source. There always is one.
func (s *POP3Source) NoFolders() error { return nil }

// Unread implements session.Source.
func (s *POP3Source) Unread() int { return 0 }

// Status implements session.Source.
func (s *POP3Source) Status(context.Context, []string) (map[string]upstream.Status, error) {
	_, status := InboxOnly()
	return status, nil
}

// SendOpen implements session.Source. A POP3 session has one folder; nothing is asked ahead.
func (s *POP3Source) SendOpen(_ context.Context, name string, ahead OpenWith) (OpenCall, error) {
	return pop3Open{s, name, ahead}, nil
}

type pop3Open struct {
	s     *POP3Source
	name  string
	ahead OpenWith
}

func (o pop3Open) Wait(ctx context.Context) (*SourceFolder, error) {
	return o.s.Open(ctx, o.name, o.ahead)
}

// Open implements session.Source. It lists the whole inbox: that is one command more
// than there is to know what is new.
func (s *POP3Source) Open(ctx context.Context, name string, _ OpenWith) (*SourceFolder, error) {
	if !strings.EqualFold(name, foldertree.InboxName) {
		return nil, &link.Error{Op: "LIST", Class: link.Refused, Code: imap.ResponseCodeNonExistent, Text: "there is but an inbox"}
	}
	messages, list, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	s.list = list
	f := &SourceFolder{Selected: upstream.Selected{Messages: uint32(messages), UIDNext: 1}, Traits: pop3Traits()}
	for _, m := range list {
		f.UIDNext = imap.UID(m.Number) + 1
		f.Octets += uint64(max(m.Size, 0))
	}
	f.Keys, err = s.keys(ctx)
	return f, err
}

// within are the listed messages of a set.
func (s *POP3Source) within(set imap.UIDSet) []pop3.Message {
	var some []pop3.Message
	for _, r := range set {
		from, to := s.search(uint32(r.Start)), len(s.list)
		switch {
		case r.Start == 0: // "*"
			from = max(to-1, 0)
		case r.Stop == 0: // "n:*"
			from = min(from, max(to-1, 0))
		default:
			to = s.search(uint32(r.Stop) + 1)
		}
		if len(set) == 1 {
			return s.list[from:max(from, to)]
		}
		some = append(some, s.list[from:max(from, to)]...)
	}
	return some
}

// search is the place of the first message with at least this number.
func (s *POP3Source) search(number uint32) int {
	i, _ := slices.BinarySearchFunc(s.list, number, func(m pop3.Message, n uint32) int { return cmp.Compare(m.Number, n) })
	return i
}

func listed(m pop3.Message) upstream.Message {
	return upstream.Message{UID: imap.UID(m.Number), Size: m.Size}
}

// ListMessages implements session.Source. There is nothing but sizes, and they may not be exact.
func (s *POP3Source) ListMessages(_ context.Context, set imap.UIDSet, _ uint64, fn func(upstream.Message) error) error {
	for _, m := range s.within(set) {
		if err := fn(listed(m)); err != nil {
			return err
		}
	}
	return nil
}

// ListFlags implements session.Source: there are none.
func (s *POP3Source) ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	return s.ListMessages(ctx, set, 0, fn)
}

// Headers implements session.Source. Sizes are exact.
func (s *POP3Source) Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error {
	return s.Session.Headers(ctx, s.within(set), true, func(m pop3.Message, header []byte) error {
		return fn(listed(m), header)
	})
}

// Ask implements session.Source. It asks when the call is waited for: Bodies has several
// messages under way itself.
func (s *POP3Source) Ask(_ context.Context, set imap.UIDSet) (BodiesCall, error) {
	return pop3Bodies{s, set}, nil
}

type pop3Bodies struct {
	session *POP3Source
	set     imap.UIDSet
}

// Wait implements bodiesCall.
func (c pop3Bodies) Wait(ctx context.Context, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	return c.session.Bodies(ctx, c.set, fn)
}

// Bodies implements session.Source.
func (s *POP3Source) Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	return s.Session.Bodies(ctx, s.within(set), func(m pop3.Message, size int64, r io.Reader) error {
		return fn(imap.UID(m.Number), size, r)
	})
}

// Inbox implements session.Source: nothing is known before it is opened.
func (s *POP3Source) Inbox(context.Context) (upstream.Status, error) { return upstream.Status{}, nil }

// Used implements session.Source: what is there shows when the folder is opened.
func (s *POP3Source) Used(context.Context) (uint64, error) { return 0, nil }

// SendHeaders implements session.Source. Nobody asks: numbers of messages are no UIDs.
func (s *POP3Source) SendHeaders(context.Context, string, imap.UIDSet, func(upstream.Message, []byte) error) (HeadersCall, error) {
	return nil, &link.Error{Op: "TOP", Class: link.Refused, Err: errNoFolders}
}

var errNoFolders = errors.New("a POP3 server has no folders")

// Find implements session.Source: nothing can be searched for.
func (s *POP3Source) Find(context.Context, wire.Criteria) (imap.UIDSet, error) { return nil, nil }

// HasLabels implements session.Source: POP3 has none.
func (s *POP3Source) HasLabels() bool { return false }

// Labels implements session.Source.
func (s *POP3Source) Labels(context.Context, imap.UIDSet, func(upstream.Labelled) error) error {
	return nil
}
