package upstream

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

// read reads one response and deals with it.
func (s *Session) read() error {
	d := s.dec
	if s.counted(); s.broken != nil {
		return s.broken
	}
	if !d.More() {
		if d.Err() == nil { // an empty line between responses
			d.EndLine()
		}
		return d.Err()
	}
	if d.Accept('+') {
		s.goOn, s.challenge = true, strings.TrimSpace(string(d.Text()))
		return d.Err()
	}
	word := d.Word()
	if string(word) == "*" {
		d.Space()
		s.untagged()
		return s.finish()
	}
	cmd := s.take(word)
	d.Space()
	kind := upper(d.Word())
	if cmd == nil {
		s.warn().Str("response", kind).Msg("the server answered a command that was not sent")
		return d.Discard()
	}
	cmd.res = link.ParseResponse(kind, d.Text())
	cmd.done, s.answer = true, answer{began: d.Octets()}
	if kind == "OK" {
		s.link.Said = ""
		s.notice(&cmd.res)
	}
	s.note(&cmd.res)
	s.opt.Log.Trace().Str("tag", cmd.tag).Str("response", kind).Str("text", s.link.Clean(cmd.res.Text)).Msg("received")
	return d.Err()
}

// finish leaves a response, whatever was made of it.
func (s *Session) finish() error {
	d := s.dec
	if s.broken != nil {
		return s.broken
	}
	if err := d.Err(); err != nil {
		if e := d.Discard(); e != nil {
			return e
		}
		s.warn().Err(err).Msg("a response of the server can't be understood and is passed over")
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
func (s *Session) take(tag []byte) *command {
	for i, cmd := range s.underway {
		if cmd.tag == string(tag) {
			s.underway = append(s.underway[:i], s.underway[i+1:]...)
			return cmd
		}
	}
	return nil
}

// untagged deals with the response behind "*".
func (s *Session) untagged() {
	d := s.dec
	num := uint32(0)
	if c := d.Peek(); c >= '0' && c <= '9' {
		num = uint32(d.Number())
		d.Space()
	}
	switch name := upper(d.Word()); name {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		st := link.ParseResponse(name, d.Text())
		s.note(&st)
		s.notice(&st)
		if (name == "NO" || name == "BAD") && st.Text != "" {
			s.link.Said = s.link.Clean(st.Text)
		}
		if told := s.teller(); told != nil {
			told(&st)
		}
	case "CAPABILITY":
		s.caps.set(string(d.Text()))
	case "FETCH":
		s.countedFetch()
		s.pass(num, name)
	case "EXISTS":
		s.exists(num)
	case "EXPUNGE", "VANISHED":
		s.vanished(name)
		s.pass(num, name)
	case "":
	default:
		s.pass(num, name)
	}
}

// teller takes an untagged OK or NO: that of what is awaited, or of the oldest command
// under way that wants them, as servers answer in order.
func (s *Session) teller() statusFunc {
	if s.told != nil {
		return s.told
	}
	for _, cmd := range s.underway {
		if cmd.told != nil {
			return cmd.told
		}
	}
	return nil
}

// pass offers data to the commands under way.
func (s *Session) pass(num uint32, name string) {
	d := s.dec
	d.Space()
	if name == "STATUS" && s.proving() || !s.wanted(num, name) {
		if d.Err() == nil {
			_ = d.Discard() // its error is the decoder's, too
		}
	}
}

// wanted tells whether data was taken: by what is awaited, or by the oldest command
// under way that takes any.
func (s *Session) wanted(num uint32, name string) bool {
	if s.data != nil && s.data(num, name) {
		return true
	}
	for _, cmd := range s.underway {
		if cmd.data != nil {
			return cmd.data(num, name)
		}
	}
	return false
}

// exists notes how many messages the opened folder has.
func (s *Session) exists(num uint32) {
	if num > maxMessages {
		s.tooMuch(fmt.Sprintf("%d messages in a folder", num), false)
	}
	s.news = s.news || num != s.messages
	s.messages, s.most = num, max(s.most, num)
}

// vanished notes that messages have gone.
func (s *Session) vanished(name string) {
	s.news = true
	if name == "EXPUNGE" && s.messages > 0 {
		s.messages--
	}
}

// note deals with what any status response may carry.
func (s *Session) note(st *link.Response) {
	switch {
	case st.Kind == "BYE":
		s.bye = st
	case st.Code == "CAPABILITY":
		s.caps.set(st.Args)
	case st.Code == string(imap.ResponseCodeAlert):
		s.link.Said = s.link.Clean(st.Text)
		s.warn().Str("text", s.link.Clean(st.Text)).Msg("the server asks to show this")
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
func (s *Session) buffered() bool {
	p, _ := s.link.Reader.Peek(s.link.Reader.Buffered())
	return s.link.Lost == nil && bytes.IndexByte(p, '\n') >= 0
}

// refusal is nil if the command was completed, else what the server said.
func (s *Session) refusal(cmd *command) error {
	if cmd.res.Kind == "OK" {
		return nil
	}
	return s.link.StatusError(cmd.verb, &cmd.res)
}
