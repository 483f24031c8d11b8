package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
)

const appendUID = "APPENDUID"

// SyncLiteral is the size above which a literal is announced and the server
// asked first, so that a refusal costs a round trip and not the message. Octets.
const SyncLiteral = 1 << 20

// Append is one message to append.
type Append struct {
	Flags []imap.Flag
	Date  time.Time // zero: none given
	Size  int64
	Body  io.Reader // exactly Size octets
}

// AppendResult is the fate of one message. Exactly one of Err and success holds.
type AppendResult struct {
	UIDValidity uint32
	UID         imap.UID // 0 if the server has no UIDPLUS
	Err         error
	Alone       bool // the message had a command of its own, so that an error is about it alone
}

// Appender stores messages in folders, and asks what has been made of them.
type Appender struct{ conn *conn }

// AppendCall is a batch on its way.
type AppendCall struct {
	by        *Appender
	cmds      []*command // one for all, or one each
	n         int        // messages
	announced int        // of one for all: the messages the server let be announced
}

// SendAppend sends a batch to a folder: one MULTIAPPEND where the server has
// it (all or nothing: every result then carries the same error), else one APPEND
// each, as while another session finds out whether it keeps its word. A server
// that announces MULTIAPPEND and then refuses a second message as such gives an
// error like any other refusal, and from then on gets one APPEND each. Literals
// are non-synchronising where the server allows (LITERAL+, or LITERAL- up to 4096
// octets) and the message is at most SyncLiteral octets; otherwise the server's
// "+" is awaited, which may mean to read earlier answers. It returns when the last
// octet was handed to the connection. Several calls may be under way; Wait them in
// order. An error means the connection is lost and the fate of the batch unknown,
// unless it is of class Refused or ctx was over before: then nothing was sent.
func (a *Appender) SendAppend(ctx context.Context, mailbox string, batch []Append) (*AppendCall, error) {
	if err := a.conn.checkName(link.VerbAppend, mailbox); err != nil {
		return nil, err
	}
	call := &AppendCall{by: a, n: len(batch)}
	if len(batch) == 0 {
		return call, nil
	}
	err := a.conn.do(ctx, link.VerbAppend, func() error {
		if err := a.leaveExamined(); err != nil {
			return err
		}
		if err := a.conn.proveLiterals(); err != nil {
			return err
		}
		each, done := a.together(ctx, len(batch))
		defer done()
		for messages := range slices.Chunk(batch, each) {
			if err := call.send(mailbox, messages); err != nil {
				return err
			}
		}
		return a.conn.flush()
	})
	if err != nil {
		return nil, err
	}
	return call, nil
}

// leaveExamined leaves a folder that is open read-only: Courier takes no messages for it as
// long as it is. Nobody has to wait for the answer.
func (a *Appender) leaveExamined() error {
	if !a.conn.opened.examined {
		return nil
	}
	a.conn.opened.examined = false
	_, err := a.conn.compose(a.conn.leaveVerb(), nil)
	return err
}

// send writes one command (RFC 3502 where there are several messages). When
// the server refuses it in the middle, the rest is not sent.
func (c *AppendCall) send(mailbox string, messages []Append) error {
	conn := c.by.conn
	cmd, err := conn.begin(link.VerbAppend)
	if err != nil {
		return err
	}
	c.cmds = append(c.cmds, cmd)
	conn.enc.SP().Mailbox(mailbox)
	for i := range messages {
		c.announced = i + 1
		ask := i == 1 && c.by.doubtful()
		if ok, err := c.by.sendMessage(cmd, &messages[i], ask); !ok {
			return err
		}
	}
	conn.enc.CRLF()
	return conn.enc.Err()
}

// sendMessage writes one message; ask makes it wait for the server's word in
// any case. It returns false when the server has refused the command instead
// of asking for the message.
func (a *Appender) sendMessage(cmd *command, m *Append, ask bool) (bool, error) {
	a.conn.enc.SP()
	if len(m.Flags) > 0 {
		a.conn.enc.Flags(m.Flags).SP()
	}
	if y := m.Date.Year(); !m.Date.IsZero() && y > 0 && y < 10000 {
		a.conn.enc.Date(m.Date).SP()
	}
	nonSync := !ask && m.Size <= SyncLiteral && a.conn.caps.nonSync(m.Size)
	a.conn.enc.Literal(m.Size, nonSync)
	if err := a.conn.enc.Err(); err != nil {
		return false, err
	}
	if !nonSync {
		if ok, err := a.conn.awaitGoAhead(cmd); !ok {
			return false, err
		}
	}
	if ask { // and it has asked for the second message
		a.conn.opt.Quirks.Prove(imap.CapMultiAppend)
		a.conn.opt.Quirks.Tried()
	}
	// Never pad: a body that falls short costs the connection, and the server
	// throws the command away.
	n, err := a.copyBody(m)
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = errShort
		}
		return false, fmt.Errorf("message broke off after %d of %d octets: %w", n, m.Size, err)
	}
	return true, nil
}

// copyBody writes a message and returns how much of it.
func (a *Appender) copyBody(m *Append) (int64, error) {
	if whole, ok := m.Body.(*bytes.Reader); ok && int64(whole.Len()) == m.Size {
		return whole.WriteTo(a.conn.link.Writer) // without another copy where it is large
	}
	return io.CopyN(a.conn.link.Writer, m.Body, m.Size)
}

// Wait returns the fate of each message of the batch. An error means the
// connection is lost and the fate unknown. So it is if a server that was given several
// messages tells another number of UIDs: it may not have stored all of them. From
// then on it gets one APPEND each.
func (c *AppendCall) Wait(ctx context.Context) ([]AppendResult, error) {
	if c.answered() < len(c.cmds) {
		err := c.by.conn.do(ctx, link.VerbAppend, func() error {
			for _, cmd := range c.cmds {
				if err := c.by.conn.await(cmd, nil); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	results := make([]AppendResult, 0, c.n)
	each := c.n / max(len(c.cmds), 1)
	for _, cmd := range c.cmds {
		c.by.judgeMulti(cmd, each, c.announced)
		fates, err := c.by.appendResults(cmd, each)
		if err != nil {
			return nil, err
		}
		results = append(results, fates...)
	}
	return results, nil
}

// Pending reports whether Wait would have to read from the network, i.e.
// whether the answer has not arrived in the read buffer yet.
func (c *AppendCall) Pending() bool {
	for c.answered() < len(c.cmds) {
		if !c.by.conn.buffered() {
			return true
		}
		if c.by.conn.read() != nil {
			return false // Wait will say why
		}
	}
	return false
}

func (c *AppendCall) answered() int {
	n := 0
	for _, cmd := range c.cmds {
		if cmd.done {
			n++
		}
	}
	return n
}

// appendResults are the fates of the n messages of one command.
func (a *Appender) appendResults(cmd *command, n int) ([]AppendResult, error) {
	results := make([]AppendResult, n)
	results[0].Alone = n == 1
	if err := a.conn.refusal(cmd); err != nil {
		for i := range results {
			results[i].Err = err
		}
		return results, nil
	}
	if cmd.res.Code != appendUID { // RFC 4315 section 3
		return results, nil
	}
	validity, set, _ := strings.Cut(cmd.res.Args, " ")
	v, err := strconv.ParseUint(validity, 10, 32)
	if err != nil || v == 0 {
		return results, nil
	}
	uids := parseUIDs(strings.TrimSpace(set), n)
	if uids == nil && n > 1 {
		a.conn.caps.distrust(errUIDs, imap.CapMultiAppend)
		return nil, a.conn.link.Lose(appendUID, errUIDs) // not an APPEND that broke: no message is to blame
	}
	for i := range uids {
		results[i].UIDValidity, results[i].UID = uint32(v), uids[i]
	}
	return results, nil
}
