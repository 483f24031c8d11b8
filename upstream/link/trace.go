package link

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Tracer writes the protocol of sessions down, a line for each line that is
// sent (C) or received (S): time, session, server, account, line. What could be
// private is masked: the arguments of LOGIN and AUTHENTICATE with all that
// follows until the server's answer, and the answer's words; literals and
// quoted strings that may be messages. Many sessions may write to one.
type Tracer struct {
	log zerolog.Logger

	mu       sync.Mutex
	w        io.Writer
	failed   bool
	sessions uint64
}

// NewTracer makes a Tracer that writes to w, a line with each call. If w
// fails, it is told to log once and nothing more is written.
func NewTracer(w io.Writer, log zerolog.Logger) *Tracer {
	return &Tracer{w: w, log: log}
}

// Session numbers a new session, for its Options.
func (t *Tracer) Session(account string) *Trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sessions++
	return &Trace{tracer: t, number: t.sessions, account: account}
}

func (t *Tracer) write(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed {
		return
	}
	if _, err := io.WriteString(t.w, line); err != nil {
		t.failed = true
		t.log.Error().Err(err).Msg("the trace can't be written any more")
	}
}

// Trace is the trace of one session.
type Trace struct {
	tracer  *Tracer
	number  uint64
	account string
	server  string
	ended   bool
	// login is true while the session logs in: what is sent then is secret, whatever
	// the server has answered meanwhile.
	login bool
}

// LoggingIn says whether the session logs in. t may be nil.
func (t *Trace) LoggingIn(now bool) {
	if t != nil {
		t.login = now
	}
}

// over returns c with its octets traced.
func (t *Trace) over(c net.Conn, server string) io.ReadWriter {
	t.server = server
	if _, ok := c.(*tls.Conn); ok {
		t.line('-', "TLS")
	} else {
		t.line('-', "connected")
	}
	return &tracedConn{ReadWriter: c, trace: t}
}

// Of says which server a session that is told line by line is with. t may be nil.
func (t *Trace) Of(server string) {
	if t != nil {
		t.server = server
	}
}

// Tell writes a line of such a session: side is 'C', 'S' or '-'. t may be nil.
func (t *Trace) Tell(side byte, text string) {
	if t == nil {
		return
	}
	if len(text) > maxTraced {
		text = fmt.Sprintf("%s... (%d octets)", text[:maxTraced], len(text))
	}
	t.line(side, text)
}

// End stops writing: what comes now is none of its business. t may be nil.
func (t *Trace) End() {
	if t != nil {
		t.ended = true
	}
}

func (t *Trace) line(side byte, text string) {
	if t.ended {
		return
	}
	t.tracer.write(fmt.Sprintf("%s %d %s %s %c: %s\n", time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		t.number, t.server, printable(t.account), side, printable(text)))
}

// printable replaces what would break a line or upset a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

// tracedConn follows what passes.
type tracedConn struct {
	io.ReadWriter
	trace          *Trace
	sent, received traceLines
	secret         string // tag of the login under way
	fetch          bool   // the response under way is a FETCH
}

// Read implements io.Reader.
func (c *tracedConn) Read(p []byte) (int, error) {
	n, err := c.ReadWriter.Read(p)
	c.received.feed(p[:n], c.readLine)
	return n, err
}

// Write implements io.Writer.
func (c *tracedConn) Write(p []byte) (int, error) {
	// First, so that the trace has what a broken connection was given.
	c.sent.feed(p, c.sentLine)
	return c.ReadWriter.Write(p)
}

// sentLine takes a line of ours.
func (c *tracedConn) sentLine(l *traceLine) {
	tag, rest, _ := strings.Cut(l.text, " ")
	verb, _, _ := strings.Cut(rest, " ")
	switch {
	case c.secret != "":
		c.trace.line('C', "[secret]")
	case !l.continued && (strings.EqualFold(verb, "LOGIN") || strings.EqualFold(verb, "AUTHENTICATE")):
		c.secret = tag
		c.trace.line('C', tag+" "+verb+" [secret]")
	case c.trace.login:
		c.trace.line('C', "[secret]")
	default:
		c.trace.line('C', l.text+l.end())
	}
}

// readLine takes a line of the server.
func (c *tracedConn) readLine(l *traceLine) {
	if !l.continued {
		c.readResponse(l)
		return
	}
	switch {
	case c.secret != "":
		c.trace.line('S', "[masked]"+l.end())
	case c.fetch:
		c.trace.line('S', maskFetch(l.text, true)+l.end())
	default:
		c.trace.line('S', l.text+l.end())
	}
}

// readResponse takes a response's first line.
func (c *tracedConn) readResponse(l *traceLine) {
	words := strings.SplitN(l.text, " ", 4)
	kind := ""
	if len(words) > 1 {
		kind = strings.ToUpper(words[1])
	}
	status := kind == "OK" || kind == "NO" || kind == "BAD" || kind == "BYE" || kind == "PREAUTH"
	c.fetch = len(words) > 2 && strings.EqualFold(words[2], "FETCH")
	if status || words[0] == "+" { // text for people may end like a literal
		l.text, l.literal = l.whole, false
	}
	switch {
	case words[0] == "+":
		c.trace.line('S', "+ [masked]")
	case !isTag(words[0]) && (words[0] != "*" || !status && !knownResponse(words[1:])):
		c.trace.line('S', fmt.Sprintf("[%d octets that are no response]", l.length))
	case c.secret != "":
		c.trace.line('S', duringLogin(words, kind, status)+l.end())
		if words[0] == c.secret {
			c.secret = ""
		}
	case c.fetch:
		c.trace.line('S', maskFetch(l.text, false)+l.end())
	default:
		c.trace.line('S', l.text+l.end())
	}
}

// isTag: ours are P and a number.
func isTag(word string) bool {
	digits, ok := strings.CutPrefix(word, "P")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// knownResponse tells whether the words behind "*" are a response's. What is
// not may be a message that was longer than announced.
func knownResponse(words []string) bool {
	if len(words) == 0 {
		return false
	}
	switch strings.ToUpper(words[0]) {
	case "CAPABILITY", "LIST", "LSUB", "STATUS", "SEARCH", "ESEARCH", "FLAGS", "ENABLED", "ID", "NAMESPACE", "QUOTA", "QUOTAROOT", "VANISHED":
		return true
	}
	if len(words) < 2 || strings.Trim(words[0], "0123456789") != "" {
		return false
	}
	switch strings.ToUpper(words[1]) {
	case "EXISTS", "RECENT", "EXPUNGE", "FETCH":
		return true
	}
	return false
}

// duringLogin leaves of a response what can't repeat the password.
func duringLogin(words []string, kind string, status bool) string {
	switch {
	case kind == "CAPABILITY":
		return strings.Join(words, " ")
	case status && len(words) > 2 && strings.HasPrefix(words[2], "["):
		code := strings.TrimRight(words[2][1:], "]")
		if code == "CAPABILITY" && len(words) > 3 {
			list, _, _ := strings.Cut(words[3], "]")
			code += " " + list
		}
		return words[0] + " " + kind + " [" + code + "] [masked]"
	case status:
		return words[0] + " " + kind + " [masked]"
	}
	return words[0] + " [masked]"
}

// knownItems are what FETCH responses consist of, besides numbers and flags.
var knownItems = map[string]bool{
	"UID": true, "FLAGS": true, "MODSEQ": true, "INTERNALDATE": true, "RFC822.SIZE": true, "RFC822": true,
	"RFC822.HEADER": true, "RFC822.TEXT": true, "NIL": true, "FETCH": true, "*": true,
}

// maskFetch masks the strings in a FETCH response. strict is for what follows a
// literal: if the literal was longer than announced, that is the message.
func maskFetch(text string, strict bool) string {
	var out strings.Builder
	item := ""
	for len(text) > 0 {
		n := fetchToken(text)
		token := text[:n]
		text = text[n:]
		upper := strings.ToUpper(token)
		switch {
		case token == " " || token == "(" || token == ")":
		case token[0] == '"' && item == "INTERNALDATE" && len(token) < 40:
		case token[0] == '"':
			token = fmt.Sprintf("[%d octets]", max(n-2, 0))
		case isBodyItem(item) && upper != "NIL", strict && !fetchWord(upper):
			token = "[masked]"
		}
		if strings.Trim(token, " ()") != "" {
			item = upper
		}
		out.WriteString(token)
	}
	return out.String()
}

// fetchToken is the length of a quoted string, a parenthesis, a space or a word.
func fetchToken(s string) int {
	switch s[0] {
	case ' ', '(', ')':
		return 1
	case '"':
		for i := 1; i < len(s); i++ {
			switch s[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
		return len(s)
	}
	section := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '[':
			section = true
		case c == ']':
			section = false
		case !section && (c == ' ' || c == '(' || c == ')' || c == '"'):
			return i
		}
	}
	return len(s)
}

func isBodyItem(item string) bool {
	return strings.HasPrefix(item, "BODY[") || strings.HasPrefix(item, "BODY.PEEK[") ||
		item == "RFC822" || item == "RFC822.HEADER" || item == "RFC822.TEXT"
}

// fetchWord tells whether a word is one of FETCH's own.
func fetchWord(word string) bool {
	return knownItems[word] || strings.Trim(word, "0123456789") == "" ||
		word == `\SEEN` || word == `\ANSWERED` || word == `\FLAGGED` || word == `\DELETED` || word == `\DRAFT` || word == `\RECENT` ||
		word == "BODY[]" || strings.HasPrefix(word, "BODY[HEADER.FIELDS (") && strings.HasSuffix(word, ")]")
}
