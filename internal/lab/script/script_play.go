package script

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	"postferry/internal/lab/loopback"
)

// player plays one script to one connection.
type player struct {
	script *Scripted
	ctx    context.Context // ends with the test; a player lives within one call of serve
	raw    *net.TCPConn
	conn   net.Conn // raw, or TLS over it
	in     *bufio.Reader

	tag     string
	groups  []string // of the last match
	literal int64    // announced by the last line; -1 for none
}

func newPlayer(s *Scripted, ctx context.Context, conn *net.TCPConn) *player {
	return &player{script: s, ctx: ctx, raw: conn, conn: conn, in: bufio.NewReader(conn), literal: -1}
}

// errGone ends a script on purpose: CLOSE, RESET, or a client gone during HANG.
var errGone = errors.New("connection ended")

func (p *player) play(blocks []block) error {
	var always []block
	for _, b := range blocks {
		if b.trigger.verb == "A" {
			always = append(always, b)
		}
	}
	for _, b := range blocks {
		if b.trigger.verb == "A" {
			continue
		}
		if b.trigger.verb == "C" {
			if err := p.await(b.trigger, always); err != nil {
				return ended(err)
			}
		}
		if err := p.do(b.steps); err != nil {
			return ended(err)
		}
	}
	return ended(p.await(step{}, always))
}

func ended(err error) error {
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

// await reads lines until the expected one comes, answering those of always.
// A step without an expression awaits the end of the connection.
func (p *player) await(want step, always []block) error {
	for {
		line, err := p.readLine(want.expect != nil)
		if err != nil && want.expect == nil {
			return nil
		} else if err != nil {
			return scriptError(want.line, "expected %s, got %v", want.text, err)
		}
		if p.match(want.expect, line) {
			return nil
		}
		answered := false
		for _, b := range always {
			if answered = p.match(b.trigger.expect, line); answered {
				if err := p.do(b.steps); err != nil {
					return err
				}
				break
			}
		}
		switch {
		case answered:
		case want.expect == nil:
			return fmt.Errorf("after the last line the client says %q", line)
		default:
			return scriptError(want.line, "expected %s, got %q", want.text, line)
		}
	}
}

func (p *player) match(expect *regexp.Regexp, text string) bool {
	if expect == nil {
		return false
	}
	groups := expect.FindStringSubmatch(text)
	if groups == nil {
		return false
	}
	p.groups = nil
	for i, name := range expect.SubexpNames() {
		if name == "tag" {
			p.tag = groups[i]
		} else if i > 0 {
			p.groups = append(p.groups, groups[i])
		}
	}
	return true
}

func (p *player) do(steps []step) error {
	for _, s := range steps {
		if err := p.step(s); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) step(s step) error {
	switch s.verb {
	case "S", "D":
		if _, err := io.WriteString(p.conn, p.expand(s.text)); err != nil {
			return scriptError(s.line, "sending: %v", err)
		}
	case "L":
		return p.awaitLiteral(s)
	case "STARTTLS":
		if err := p.startTLS(); err != nil {
			return scriptError(s.line, "TLS: %v", err)
		}
	case "HANG":
		_, _ = io.Copy(io.Discard, p.conn) // until the client or the test ends
		return errGone
	case "CLOSE":
		p.sayEnd()
		return errGone
	case "RESET":
		loopback.Reset(p.raw)
		return errGone
	}
	return nil
}

// sayEnd sends FIN (over TLS, close_notify first) and waits for the client to
// go: closing with its octets unread would send RST.
func (p *player) sayEnd() {
	if secured, ok := p.conn.(*tls.Conn); ok {
		_ = secured.CloseWrite() // the client may be gone already
	}
	_ = p.raw.CloseWrite()
	_, _ = io.Copy(io.Discard, p.raw)
}

// expand fills in the tag and the groups of the last match.
func (p *player) expand(text string) string {
	text = strings.ReplaceAll(text, "{{tag}}", p.tag)
	for i, group := range p.groups {
		text = strings.ReplaceAll(text, "{{"+strconv.Itoa(i+1)+"}}", group)
	}
	return text
}

func (p *player) startTLS() error {
	if p.in.Buffered() > 0 {
		return fmt.Errorf("%d octets before the handshake", p.in.Buffered())
	}
	conn := tls.Server(p.raw, p.script.config)
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		return err
	}
	p.conn, p.in = conn, bufio.NewReader(conn)
	return nil
}

// announced finds the literal at the end of a line (RFC 9051, section 4.3).
var announced = regexp.MustCompile(`\{([0-9]+)\+?\}$`)

// readLine reads a line without its end. Where the script needs one the
// client has patience for it.
func (p *player) readLine(needed bool) (string, error) {
	var deadline time.Time
	if needed {
		deadline = time.Now().Add(patience)
	}
	if err := p.conn.SetReadDeadline(deadline); err != nil {
		return "", err
	}
	line, err := p.in.ReadString('\n')
	if err != nil {
		return "", err
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	p.script.note(line)
	p.literal = -1
	if m := announced.FindStringSubmatch(line); m != nil {
		p.literal, err = strconv.ParseInt(m[1], 10, 64)
	}
	return line, err
}

func (p *player) awaitLiteral(s step) error {
	if p.literal < 0 {
		return scriptError(s.line, "the client's line announced no literal")
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	data := make([]byte, p.literal)
	if n, err := io.ReadFull(p.in, data); err != nil {
		return scriptError(s.line, "literal ends after %d of %d octets: %v", n, p.literal, err)
	}
	if !p.match(s.expect, string(data)) {
		return scriptError(s.line, "expected literal %s, got %.200q", s.text, data)
	}
	return nil
}
