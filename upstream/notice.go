package upstream

import (
	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// maxNotices bounds what is kept of a server's notices; a person reads no more.
const maxNotices = 8

// Notice is what a server said of its own accord and a person should see: an alert
// (RFC 9051 section 7.1, which must be shown), or a warning, an untagged NO.
type Notice struct {
	Alert bool
	Text  string // printable, bounded, and free of secrets
}

// Notices are the first ones of the session, in their order.
func (s *Session) Notices() []Notice { return s.conn.notices }

// notice keeps a status response that is one.
func (c *conn) notice(st *link.Response) {
	alert := st.Code == string(imap.ResponseCodeAlert)
	if !alert && st.Kind != "NO" || st.Kind == "BYE" || len(c.notices) == maxNotices {
		return
	}
	if text := c.link.Clean(st.Text); text != "" && text != link.Withheld {
		c.notices = append(c.notices, Notice{Alert: alert, Text: text})
	}
}
