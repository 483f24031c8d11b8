package upstream

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

const verbCreate = "CREATE"

// Create makes a folder, with a special use where given and the server has
// CREATE-SPECIAL-USE (RFC 6154). A special use the server won't give is left
// out. ALREADYEXISTS is no error.
func (s *Session) Create(ctx context.Context, name string, use imap.MailboxAttr) error {
	if err := s.checkName("CREATE", name); err != nil {
		return err
	}
	if use != "" && s.Has(imap.CapCreateSpecialUse) {
		err := s.create(ctx, name, use)
		if ClassOf(err) != Refused {
			return err
		}
	}
	return s.create(ctx, name, "")
}

func (s *Session) create(ctx context.Context, name string, use imap.MailboxAttr) error {
	err := s.run(ctx, "CREATE", func(e *wire.Encoder) {
		e.Mailbox(name)
		if use != "" {
			e.Raw(" (USE (").Raw(string(use)).Raw("))")
		}
	}, nil)
	if e, ok := errors.AsType[*Error](err); ok && e.Class == Refused && saysExists(e) {
		return nil
	}
	return err
}

// saysExists recognises the refusal of servers without response codes, too.
func saysExists(e *Error) bool {
	return e.Code == imap.ResponseCodeAlreadyExists || e.Code == "" && strings.Contains(strings.ToLower(e.Text), "exists")
}

// Subscribe subscribes names, pipelined. All are tried; the first refusal is returned.
func (s *Session) Subscribe(ctx context.Context, names []string) error {
	var refused error
	var ask []string
	for _, name := range names {
		if err := s.checkName("SUBSCRIBE", name); err == nil {
			ask = append(ask, name)
		} else if refused == nil {
			refused = err
		}
	}
	send := func(i int) (*command, error) {
		return s.compose("SUBSCRIBE", func(e *wire.Encoder) { e.Mailbox(ask[i]) })
	}
	err := s.do(ctx, "SUBSCRIBE", func() error {
		return s.pipeline(len(ask), statusWindow, send, nil, func(_ int, cmd *command) {
			if err := s.refusal(cmd); err != nil && refused == nil {
				refused = err
			}
		})
	})
	if err != nil {
		return err
	}
	return refused
}
