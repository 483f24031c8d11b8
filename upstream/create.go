package upstream

import (
	"context"
	"errors"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

// Maker makes folders, and changes which are subscribed.
type Maker struct{ conn *conn }

// Create makes a folder, with a special use where given and the server has
// CREATE-SPECIAL-USE (RFC 6154). A special use the server won't give is left
// out. ALREADYEXISTS is no error.
func (m *Maker) Create(ctx context.Context, name string, use imap.MailboxAttr) error {
	if err := m.conn.checkName(link.VerbCreate, name); err != nil {
		return err
	}
	if use != "" && m.conn.caps.Has(imap.CapCreateSpecialUse) {
		err := m.create(ctx, name, use)
		if link.ClassOf(err) != link.Refused {
			return err
		}
	}
	return m.create(ctx, name, "")
}

func (m *Maker) create(ctx context.Context, name string, use imap.MailboxAttr) error {
	return unlessExists(m.conn.run(ctx, link.VerbCreate, writeCreate(name, use), nil))
}

func writeCreate(name string, use imap.MailboxAttr) func(e *wire.Encoder) {
	return func(e *wire.Encoder) {
		e.Mailbox(name)
		if use != "" {
			e.Raw(" (USE (").Raw(string(use)).Raw("))")
		}
	}
}

// unlessExists is what is wrong with the answer to a CREATE.
func unlessExists(err error) error {
	if e, ok := errors.AsType[*link.Error](err); ok && e.Class == link.Refused && saysExists(e) {
		return nil
	}
	return err
}

// NewFolder is a folder to be made.
type NewFolder struct {
	Name string // as the server has it
	Use  imap.MailboxAttr
}

// createWindow is how many CREATE commands are under way at most. Command and answer are
// short: those of a window fit into what lies between two servers without anybody reading.
const createWindow = 200

// CreateAll makes folders, pipelined (RFC 9051, 5.5), and tells which of them the server says it has made,
// in the order of folders. Those that it refused or could not make at the moment, in whatever words, are
// for Create. The error is that of the connection: what was not answered by then counts as not made.
func (m *Maker) CreateAll(ctx context.Context, folders []NewFolder) (made []bool, err error) {
	made = make([]bool, len(folders))
	var ask []int
	for i := range folders {
		if m.conn.checkName(link.VerbCreate, folders[i].Name) == nil {
			ask = append(ask, i)
		}
	}
	send := func(i int) (*command, error) {
		f := folders[ask[i]]
		if !m.conn.caps.Has(imap.CapCreateSpecialUse) {
			f.Use = ""
		}
		return m.conn.compose(link.VerbCreate, writeCreate(f.Name, f.Use))
	}
	err = m.conn.do(ctx, link.VerbCreate, func() error {
		return m.conn.pipeline(len(ask), createWindow, send, nil, func(i int, cmd *command) {
			made[ask[i]] = unlessExists(m.conn.refusal(cmd)) == nil
		})
	})
	return made, err
}

// saysExists recognises the refusal of servers without response codes, too.
func saysExists(e *link.Error) bool {
	return e.Code == imap.ResponseCodeAlreadyExists || e.Code == "" && strings.Contains(strings.ToLower(e.Text), "exists")
}

// Subscribe subscribes names, pipelined. All are tried; the first refusal is returned.
func (m *Maker) Subscribe(ctx context.Context, names []string) error {
	var refused error
	var ask []string
	for _, name := range names {
		if err := m.conn.checkName("SUBSCRIBE", name); err == nil {
			ask = append(ask, name)
		} else if refused == nil {
			refused = err
		}
	}
	send := func(i int) (*command, error) {
		return m.conn.compose("SUBSCRIBE", func(e *wire.Encoder) { e.Mailbox(ask[i]) })
	}
	err := m.conn.do(ctx, "SUBSCRIBE", func() error {
		return m.conn.pipeline(len(ask), windowFor(ask), send, nil, func(_ int, cmd *command) {
			if err := m.conn.refusal(cmd); err != nil && refused == nil {
				refused = err
			}
		})
	})
	if err != nil {
		return err
	}
	return refused
}
