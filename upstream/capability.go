package upstream

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/upstream/link"
	"postferry/wire"
)

// capabilities are what a server last announced.
type capabilities struct {
	list  []string
	known map[string]bool // in upper case
	fresh bool            // announced since the last change of state

	quirks *link.Quirks // those that it is known not to keep
	log    zerolog.Logger
}

func (c *capabilities) set(text string) {
	c.list, c.known, c.fresh = nil, make(map[string]bool), true
	for name := range strings.FieldsSeq(text) {
		if len(c.list) == maxWords {
			break
		}
		if len(name) <= maxWord {
			c.list = append(c.list, name)
			c.known[strings.ToUpper(name)] = true
		}
	}
}

// forget makes them unknown.
func (c *capabilities) forget() { c.list, c.known, c.fresh = nil, nil, false }

// Has reports a capability (case-insensitively), as last announced by the
// server, unless the server is known not to keep it.
func (c *capabilities) Has(wanted imap.Cap) bool {
	name := strings.ToUpper(string(wanted))
	return c.known[name] && !c.quirks.Distrusts(name)
}

// Capabilities returns the server's last announced capabilities, verbatim and in order.
func (s *Session) Capabilities() []string { return slices.Clone(s.conn.caps.list) }

// capAppendLimit says that each folder has an APPENDLIMIT of its own (RFC 7889 section 3.2).
const capAppendLimit imap.Cap = "APPENDLIMIT"

// AppendLimit is the server's APPENDLIMIT in octets (RFC 7889); 0 if it has none, -1
// if each folder has its own.
func (s *Session) AppendLimit() int64 {
	for name := range s.conn.caps.known {
		if name == string(capAppendLimit) {
			return -1
		}
		if n, ok := strings.CutPrefix(name, "APPENDLIMIT="); ok {
			if limit, err := strconv.ParseInt(n, 10, 64); err == nil && limit > 0 {
				return limit
			}
		}
	}
	return 0
}

// learn asks for the capabilities unless the server has announced them unasked.
func (c *conn) learn() error {
	if c.caps.fresh {
		return nil
	}
	return c.exchange("CAPABILITY", nil, nil)
}

// nonSync reports whether a literal of size octets may be sent without being
// asked for (RFC 7888).
func (c *capabilities) nonSync(size int64) bool {
	return c.Has(imap.CapLiteralPlus) || c.Has(imap.CapLiteralMinus) && size <= literalMinus
}

// literalMinus is the largest non-synchronising literal that LITERAL- allows
// (RFC 7888 section 5). Octets.
const literalMinus = 4096

// identify says who we are (RFC 2971), which some servers want to hear before
// they open a folder. It goes out with the next command and so costs no round
// trip; what the server says of it doesn't matter. A session that is detached
// instead has not sent it: the client speaks for itself.
func (c *conn) identify() error {
	if !c.caps.Has(imap.CapID) || len(c.opt.ID) > 0 {
		return nil
	}
	c.identified = true
	_, err := c.composeID()
	return err
}

func (c *conn) composeID() (*command, error) {
	return c.compose("ID", func(e *wire.Encoder) { e.Raw(`("name" "Postferry")`) })
}

// sayID sends ID although the server did not announce it, and waits for the
// answer, which doesn't matter.
func (c *conn) sayID(ctx context.Context) error {
	c.identified = true
	return c.do(ctx, "ID", func() error {
		cmd, err := c.composeID()
		if err != nil {
			return err
		}
		if err := c.flush(); err != nil {
			return err
		}
		return c.await(cmd, nil)
	})
}

// distrust notes that the server doesn't keep capabilities it announces. Has
// denies them from then on, in this session and all that share its quirks.
func (c *capabilities) distrust(why error, caps ...imap.Cap) {
	for _, lie := range caps {
		if c.Has(lie) {
			c.log.Warn().Err(why).Str("capability", string(lie)).Msg("the server does not keep what it announces; it is used without")
			c.quirks.Distrust(lie)
		}
	}
}
