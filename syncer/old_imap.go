package syncer

import (
	"context"
	"io"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream"
)

// imapReader is the part of an IMAP session that reads.
type imapReader interface {
	session
	lister
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
	Quotas(ctx context.Context, mailbox string) ([]upstream.Quota, error)
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	ExamineAndList(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message) error) (*upstream.Selected, bool, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error
	Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error
	Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error
}

// oldIMAP is a session with an old IMAP server.
type oldIMAP struct{ imapReader }

// Tree implements oldSession: with LIST-STATUS, or by asking for each folder.
func (s oldIMAP) Tree(ctx context.Context, withStatus bool) (Side, map[string]upstream.Status, error) {
	tree, err := side(ctx, s, withStatus)
	if err != nil || !withStatus {
		return tree, nil, err
	}
	all := make(map[string]upstream.Status, len(tree.Mailboxes))
	var ask []string
	for _, m := range tree.Mailboxes {
		switch {
		case m.Status != nil:
			all[m.Name] = *m.Status
		case selectable(m):
			ask = append(ask, m.Name)
		}
	}
	if len(ask) == 0 {
		return tree, all, nil
	}
	more, err := s.Status(ctx, ask)
	for _, name := range ask {
		// Of one that is listed but whose STATUS is refused nothing is known: it
		// must be opened to see why.
		all[name] = more[name]
	}
	return tree, all, err
}

// Open implements oldSession.
func (s oldIMAP) Open(ctx context.Context, name string, ahead imap.UIDSet) (*oldFolder, error) {
	if len(ahead) == 0 {
		sel, err := s.Examine(ctx, name)
		if err != nil {
			return nil, err
		}
		return &oldFolder{Selected: *sel, keys: imapKeys(sel.UIDValidity)}, nil
	}
	f := &oldFolder{}
	sel, ok, err := s.ExamineAndList(ctx, name, ahead, func(m upstream.Message) error {
		f.ahead = append(f.ahead, m)
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.Selected, f.keys = *sel, imapKeys(sel.UIDValidity)
	if f.listed = ahead; !ok {
		f.listed, f.ahead = nil, nil
	}
	return f, nil
}

// Used implements oldSession: the usage of a quota, if there is one.
func (s oldIMAP) Used(ctx context.Context) (uint64, error) {
	quotas, err := s.Quotas(ctx, inboxName)
	for _, q := range quotas {
		if q.Resource == "STORAGE" {
			return q.Usage * 1024, err
		}
	}
	return 0, err
}
