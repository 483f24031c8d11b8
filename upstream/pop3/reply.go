package pop3

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"postferry/upstream/link"
)

// replyKind is what a line that answers a command means.
type replyKind int

const (
	replyOK   replyKind = iota // +OK
	replyErr                   // -ERR
	replyMore                  // "+", in a SASL exchange (RFC 5034 section 4)
)

// reply is a line that answers a command.
type reply struct {
	kind replyKind
	code string // of RFC 2449 section 8, in upper case, without brackets; "" if none
	text string // behind the code
}

// line is the reply as it is traced.
func (r reply) line() string { return strings.TrimRight(r.status()+" "+r.text, " ") }

// status is the reply without its text, which may repeat a secret.
func (r reply) status() string {
	s := [...]string{replyOK: "+OK", replyErr: "-ERR", replyMore: "+"}[r.kind]
	if r.code != "" {
		s += " [" + r.code + "]"
	}
	return s
}

// parseReply reads a line without its end. It takes "+OK" and "-ERR" in any
// case and with anything behind them, as some servers forget the space.
func parseReply(line string) (r reply, ok bool) {
	word := func(w string) bool { return len(line) >= len(w) && strings.EqualFold(line[:len(w)], w) }
	switch {
	case word("+OK"):
		r.kind, r.text = replyOK, line[3:]
	case word("-ERR"):
		r.kind, r.text = replyErr, line[4:]
	case line == "+" || word("+ "):
		r.kind, r.text = replyMore, line[1:]
	default:
		return r, false
	}
	r.text = strings.TrimSpace(r.text)
	if rest, found := strings.CutPrefix(r.text, "["); found {
		if code, text, closed := strings.Cut(rest, "]"); closed && isReplyCode(code) {
			r.code, r.text = strings.ToUpper(code), strings.TrimSpace(text)
		}
	}
	return r, true
}

// isReplyCode: words and slashes; what else stands in brackets is text.
func isReplyCode(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		if (c < 'a' || c > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '-' && s[i] != '/' && s[i] != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// readReply reads a reply. It is bounded by the size of the buffer, 64 KB;
// RFC 2449 section 4 allows 512 octets.
func (s *Session) readReply() (reply, error) {
	line, err := s.link.Reader.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return reply{}, link.ErrNoReply
	case errors.Is(err, io.EOF):
		return reply{}, io.ErrUnexpectedEOF
	case err != nil:
		return reply{}, err
	}
	r, ok := parseReply(string(bytes.TrimRight(line, "\r\n")))
	if !ok {
		s.link.Said = s.link.Clean(string(line))
		return r, link.ErrNoReply
	}
	return r, nil
}

// response is the reply as a refusal.
func (r reply) response() *link.Response {
	return &link.Response{Kind: link.KindErr, Code: r.code, Text: r.text}
}

// refusal makes an error of a reply that is not +OK.
func (s *Session) refusal(op string, r reply) *link.Error {
	e := s.link.StatusError(op, r.response())
	if r.code == link.CodeLoginDelay {
		e.After = max(e.After, s.loginDelay())
	}
	return e
}

// body is the text of a multi-line answer with its dots unstuffed
// (RFC 1939 section 3). It ends with io.EOF only once the closing dot has been
// seen; a connection that ends before gives io.ErrUnexpectedEOF. What a line is
// doesn't matter to it but at its beginning, so lines may be of any length.
//
// Lines end in CRLF. Servers that hand bare LFs through stuff dots behind
// those, too, as nearly all clients look at LF alone; only of a dot that stands
// alone behind a bare LF it is made sure that the message ends there. So it is of one
// behind CRLF if the message has another size by then than was announced, as there are
// servers that stuff no dots.
type body struct {
	s      *Session
	expect int64  // octets announced; negative if not known
	rest   []byte // of what was read and not yet taken
	size   int64  // octets so far
	dots   int    // lines from which a dot was taken
	last   [2]byte
	inLine bool
	err    error // io.EOF at the end
	// fault is what turned out to be wrong with the message; then it stands for io.EOF.
	fault error
}

func (s *Session) body() *body { return &body{s: s, expect: -1, last: crlf} }

var crlf = [2]byte{'\r', '\n'}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if len(b.rest) == 0 && len(p) > 0 && b.err == nil {
		b.fill()
	}
	if len(b.rest) == 0 && b.err != nil {
		if b.err == io.EOF && b.fault != nil {
			return 0, b.fault
		}
		return 0, b.err
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// fill reads on up to the end of a line, or as far as the buffer reaches.
func (b *body) fill() {
	piece, err := b.s.link.Reader.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
	case errors.Is(err, io.EOF):
		b.err = io.ErrUnexpectedEOF
		return
	case err != nil:
		b.err = err
		return
	}
	switch {
	case b.inLine || piece[0] != '.':
	case !isDotLine(piece):
		piece = b.unstuff(piece)
	case b.last == crlf:
		piece = bytes.Clone(piece) // looking ahead may move it
		if b.err = b.ends(); b.err != nil {
			return
		}
		b.fault = link.ErrEndless
	default:
		piece = bytes.Clone(piece)
		if b.err = b.endsHere(); b.err != nil {
			return
		}
	}
	b.inLine = piece[len(piece)-1] != '\n'
	if len(piece) > 1 {
		b.last[0] = piece[len(piece)-2]
	} else {
		b.last[0] = b.last[1]
	}
	b.last[1] = piece[len(piece)-1]
	b.size += int64(len(piece))
	b.rest = piece
}

// unstuff takes the dot from a line that was given one. A line with one dot and something
// else was given none, which shows that the server stuffs none, or none behind bare LFs.
func (b *body) unstuff(line []byte) []byte {
	q := b.s.opt.Quirks
	switch stuffed := len(line) > 1 && line[1] == '.'; {
	case q.Distrusts(dotStuffing):
	case stuffed:
		b.dots++
		return line[1:]
	case b.last == crlf:
		b.s.opt.Log.Warn().Err(errUnstuffed).Msg("messages are taken as they come")
		q.Distrust(dotStuffing)
		if b.dots > 0 {
			b.fault = errUnstuffed // those should have stayed
		}
	}
	return line
}

// ends gives io.EOF if the message ends at a dot behind CRLF, nil if it goes on there.
func (b *body) ends() error {
	s := b.s
	probe := s.underway == 0 && s.link.Reader.Buffered() == 0
	switch {
	case b.expect < 0 || b.size == b.expect, probe && b.fault == nil && b.expect < b.size:
		return io.EOF
	case probe: // the answer can only come behind the message
		if err := s.send("NOOP", ""); err != nil {
			return err
		}
		if err := s.link.Writer.Flush(); err != nil {
			return err
		}
	}
	n := len("-ERR")
	if s.underway == 0 { // nothing was asked for, so what has come belongs to the message
		n = min(n, s.link.Reader.Buffered())
	}
	head, err := s.link.Reader.Peek(n)
	if err != nil {
		return cmp.Or(noEOF(err), err)
	}
	if r, ok := parseReply(string(head)); !ok || r.kind == replyMore {
		s.probing = s.probing || probe
		return nil
	}
	if probe || s.probing {
		s.probing = false
		if _, err := s.answer(); err != nil {
			return err
		}
	}
	return io.EOF
}

// noEOF is the error for a connection that ends within something; nil for other errors.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// isDotLine: a dot and a line end.
func isDotLine(line []byte) bool {
	return line[0] == '.' && (len(line) == 2 && line[1] == '\n' || len(line) == 3 && line[1] == '\r' && line[2] == '\n')
}

// dotPatience is how long nothing must follow a dot behind a bare LF for it to be the end.
const dotPatience = 2 * time.Second

// endsHere gives io.EOF if what follows is no more text: another answer, or nothing for a while.
func (b *body) endsHere() error {
	s := b.s
	s.link.Raw.Patience = min(dotPatience, s.opt.Stall)
	head, err := s.link.Reader.Peek(4)
	s.link.Raw.Patience = 0
	if len(head) == 4 {
		if r, ok := parseReply(string(head)); ok && r.kind != replyMore {
			return io.EOF
		}
		return nil
	}
	if s.link.Stalled(err) && len(head) == 0 {
		return io.EOF
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// lines reads a multi-line answer line by line, of each at most 1 KB and most of them.
func (s *Session) lines(most int, fn func(line string)) error {
	body := s.body()
	r := bufio.NewReaderSize(body, 1<<10)
	for n := 0; ; n++ {
		if n > most || body.size > maxAnswer+int64(most)*answerLine {
			return &link.Excess{Of: fmt.Sprintf("%d lines of %d octets", n, body.size), Whole: false}
		}
		line, cut, err := r.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fn(string(line))
		for cut && err == nil {
			_, cut, err = r.ReadLine()
		}
	}
}
