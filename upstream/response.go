package upstream

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// read reads one response and deals with it.
func (c *conn) read() error {
	d := c.dec
	if c.bounds.counted(d.Octets()); c.bounds.broken != nil {
		return c.bounds.broken
	}
	if !d.More() {
		if d.Err() == nil { // an empty line between responses
			d.EndLine()
		}
		return d.Err()
	}
	if d.Accept('+') {
		c.goAhead.come, c.goAhead.text = true, strings.TrimSpace(string(d.Text()))
		return d.Err()
	}
	word := d.Word()
	if string(word) == "*" {
		d.Space()
		c.untagged()
		return c.finish()
	}
	cmd := c.take(word)
	d.Space()
	kind := upper(d.Word())
	if cmd == nil {
		c.warnings.warn().Str("response", kind).Msg("the server answered a command that was not sent")
		return d.Discard()
	}
	cmd.res = link.ParseResponse(kind, d.Text())
	cmd.done, c.bounds.answer = true, answer{began: d.Octets()}
	if kind == "OK" {
		c.link.Said = ""
		c.notice(&cmd.res)
	}
	c.note(&cmd.res)
	c.opt.Log.Trace().Str("tag", cmd.tag).Str("response", kind).Str("text", c.link.Clean(cmd.res.Text)).Msg("received")
	return d.Err()
}

// finish leaves a response, whatever was made of it.
func (c *conn) finish() error {
	d := c.dec
	if c.bounds.broken != nil {
		return c.bounds.broken
	}
	if err := d.Err(); err != nil {
		if e := d.Discard(); e != nil {
			return e
		}
		c.warnings.warn().Err(err).Msg("a response of the server can't be understood and is passed over")
		return nil
	}
	if d.AtStart() {
		return nil
	}
	if d.More() {
		return d.Discard()
	}
	d.EndLine()
	return d.Err()
}

// take finds the command with a tag and takes it out of those under way.
func (c *conn) take(tag []byte) *command {
	for i, cmd := range c.underway {
		if cmd.tag == string(tag) {
			c.underway = append(c.underway[:i], c.underway[i+1:]...)
			return cmd
		}
	}
	return nil
}

// untagged deals with the response behind "*".
func (c *conn) untagged() {
	d := c.dec
	num := uint32(0)
	if c := d.Peek(); c >= '0' && c <= '9' {
		num = uint32(d.Number())
		d.Space()
	}
	switch name := upper(d.Word()); name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		st := link.ParseResponse(name, d.Text())
		c.note(&st)
		c.notice(&st)
		if (name == "NO" || name == "BAD") && st.Text != "" {
			c.link.Said = c.link.Clean(st.Text)
		}
		if told := c.teller(); told != nil {
			told(&st)
		}
	case "CAPABILITY":
		c.caps.set(string(d.Text()))
	case "FETCH":
		c.bounds.countedFetch()
		c.pass(num, name)
	case "EXISTS":
		c.exists(num)
	case "EXPUNGE", "VANISHED":
		c.vanished(name)
		c.pass(num, name)
	case "":
	default:
		c.pass(num, name)
	}
}

// teller takes an untagged OK or NO: that of what is awaited, or of the oldest command
// under way that wants them, as servers answer in order.
func (c *conn) teller() statusFunc {
	if c.told != nil {
		return c.told
	}
	for _, cmd := range c.underway {
		if cmd.told != nil {
			return cmd.told
		}
	}
	return nil
}

// pass offers data to the commands under way.
func (c *conn) pass(num uint32, name string) {
	d := c.dec
	d.Space()
	if name == "STATUS" && c.proving() || !c.wanted(num, name) {
		if d.Err() == nil {
			_ = d.Discard() // its error is the decoder's, too
		}
	}
}

// wanted tells whether data was taken: by what is awaited, or by the oldest command
// under way that takes any.
func (c *conn) wanted(num uint32, name string) bool {
	if c.data != nil && c.data(num, name) {
		return true
	}
	for _, cmd := range c.underway {
		if cmd.data != nil {
			return cmd.data(num, name)
		}
	}
	return false
}

// exists notes how many messages the opened folder has.
func (c *conn) exists(num uint32) {
	if num > maxMessages {
		c.bounds.tooMuch(fmt.Sprintf("%d messages in a folder", num), false)
	}
	c.opened.news = c.opened.news || num != c.opened.messages
	c.opened.messages, c.bounds.most = num, max(c.bounds.most, num)
}

// vanished notes that messages have gone.
func (c *conn) vanished(name string) {
	c.opened.news = true
	if name == "EXPUNGE" && c.opened.messages > 0 {
		c.opened.messages--
	}
}

// note deals with what any status response may carry.
func (c *conn) note(st *link.Response) {
	switch {
	case st.Kind == "BYE":
		c.bye = st
	case st.Code == "CAPABILITY":
		c.caps.set(st.Args)
	case st.Code == string(imap.ResponseCodeAlert):
		c.link.Said = c.link.Clean(st.Text)
		c.warnings.warn().Str("text", c.link.Clean(st.Text)).Msg("the server asks to show this")
	}
}

// names are those of frequent responses, so as not to allocate for them.
var names = [...]string{"FETCH", "EXISTS", "RECENT", "OK", "LIST", "STATUS", "EXPUNGE", "SEARCH"}

// upper returns a word in upper case.
func upper(word []byte) string {
	for _, name := range names {
		if string(word) == name {
			return name
		}
	}
	return string(bytes.ToUpper(word))
}

// buffered reports whether a whole line has been read ahead.
func (c *conn) buffered() bool {
	p, _ := c.link.Reader.Peek(c.link.Reader.Buffered())
	return c.link.Lost == nil && bytes.IndexByte(p, '\n') >= 0
}

// refusal is nil if the command was completed, else what the server said. Codes that are about signing in (RFC 5530
// section 3) end the session.
func (c *conn) refusal(cmd *command) error {
	if cmd.res.Kind == "OK" {
		return nil
	}
	e := c.link.StatusError(cmd.verb, &cmd.res)
	if e.Code == imap.ResponseCodeAuthenticationFailed || e.Code == imap.ResponseCodeExpired {
		return c.link.Lose(cmd.verb, fmt.Errorf("%w: %w", link.ErrSignedOut, e))
	}
	return e
}
