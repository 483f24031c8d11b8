package upstream

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// capabilities are what a server last announced.
type capabilities struct {
	list  []string
	known map[string]bool // in upper case
	fresh bool            // announced since the last change of state
}

func (c *capabilities) set(text string) {
	c.list = strings.Fields(text)
	c.known = make(map[string]bool, len(c.list))
	for _, name := range c.list {
		c.known[strings.ToUpper(name)] = true
	}
	c.fresh = true
}

// Has reports a capability (case-insensitively), as last announced by the server.
func (s *Session) Has(c imap.Cap) bool {
	return s.caps.known[strings.ToUpper(string(c))]
}

// Capabilities returns the server's last announced capabilities, verbatim and in order.
func (s *Session) Capabilities() []string { return slices.Clone(s.caps.list) }

// AppendLimit is the server's APPENDLIMIT in octets (RFC 7889); 0 if it has none.
func (s *Session) AppendLimit() int64 {
	for name := range s.caps.known {
		if n, ok := strings.CutPrefix(name, "APPENDLIMIT="); ok {
			if limit, err := strconv.ParseInt(n, 10, 64); err == nil && limit > 0 {
				return limit
			}
		}
	}
	return 0
}

// learn asks for the capabilities unless the server has announced them unasked.
func (s *Session) learn() error {
	if s.caps.fresh {
		return nil
	}
	return s.exchange("CAPABILITY", nil, nil)
}

// nonSync reports whether a literal of size octets may be sent without being
// asked for (RFC 7888).
func (s *Session) nonSync(size int64) bool {
	return s.Has(imap.CapLiteralPlus) || s.Has(imap.CapLiteralMinus) && size <= literalMinus
}

// literalMinus is the largest non-synchronising literal that LITERAL- allows
// (RFC 7888 section 5). Octets.
const literalMinus = 4096

// identify says who we are (RFC 2971), which some servers want to hear before
// they open a folder. It goes out with the next command and so costs no round
// trip; what the server says of it doesn't matter. A session that is detached
// instead has not sent it: the client speaks for itself.
func (s *Session) identify() error {
	if !s.Has(imap.CapID) {
		return nil
	}
	if _, err := s.begin("ID"); err != nil {
		return err
	}
	s.enc.SP().Raw(`("name" "Postferry")`).CRLF()
	return s.enc.Err()
}
