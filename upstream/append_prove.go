package upstream

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"
)

// proveLiterals finds out with a harmless command whether a server that
// announces LITERAL+ or LITERAL- (RFC 7888) reads such a literal as one.
// Otherwise it would take the messages that follow for commands, and mail that
// strangers wrote would be executed.
func (c *conn) proveLiterals() error {
	if err := c.beginProof(); err != nil || c.proof == nil {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	if err := c.await(c.proof, nil); err != nil {
		return err
	}
	c.judgeProof()
	return nil
}

// beginProof writes that command unless the matter is settled. Where something
// else is asked anyway, it costs no round trip.
func (c *conn) beginProof() (err error) {
	if c.opt.ReadOnly || c.proof != nil || !c.caps.nonSync(1) || c.opt.Quirks.HasProved(imap.CapLiteralPlus) {
		return nil
	}
	if c.proof, err = c.begin("STATUS"); err != nil {
		return err
	}
	c.enc.SP().Literal(int64(len(inbox)), true).Raw(inbox).Raw(" (UIDNEXT)").CRLF()
	return c.enc.Err()
}

// judgeProof learns from the answer, if it has come.
func (c *conn) judgeProof() {
	switch {
	case c.proof == nil || !c.proof.done:
		return
	case c.proof.res.Kind == "BAD":
		c.caps.distrust(c.refusal(c.proof), imap.CapLiteralPlus, imap.CapLiteralMinus)
	default:
		c.opt.Quirks.Prove(imap.CapLiteralPlus)
	}
	c.proof = nil
}

// proving reports whether a STATUS that arrives is that of the proof.
func (c *conn) proving() bool { return c.proof != nil && !c.proof.done }

const inbox = "INBOX"

// multi reports whether several messages may go in one command (RFC 3502).
func (a *Appender) multi() bool { return a.conn.caps.Has(imap.CapMultiAppend) }

// Together tells whether several messages that are sent at once will be one command, of
// which the server stores all or nothing (RFC 3502), as it has been seen to.
func (a *Appender) Together() bool { return a.multi() && !a.doubtful() }

// doubtful reports whether the server must be asked before the second message
// of a command, as it has not been seen yet to take one.
func (a *Appender) doubtful() bool { return !a.conn.opt.Quirks.HasProved(imap.CapMultiAppend) }

// tryWait is how long, for each message that it has, a session waits for another one to
// find out about MULTIAPPEND: about as long as a command for each costs the server.
const tryWait = 2 * time.Millisecond

// together is how many of n messages go in one command. While one session finds out
// whether the server takes several, which costs it a round trip, the others wait for a
// while and then send one each. done is to be called when the command is on its way.
func (a *Appender) together(ctx context.Context, n int) (each int, done func()) {
	done = func() {}
	if !a.multi() || n < 2 {
		return 1, done
	}
	if !a.doubtful() {
		return n, done
	}
	other := a.conn.opt.Quirks.Try()
	if other == nil {
		return n, a.conn.opt.Quirks.Tried
	}
	t := time.NewTimer(time.Duration(n) * tryWait)
	defer t.Stop()
	select {
	case <-other:
	case <-t.C:
	case <-ctx.Done():
	}
	if a.multi() && !a.doubtful() {
		return n, done
	}
	return 1, done
}

// judgeMulti learns from the answer to a command with n messages, of which
// the server let announced be announced.
func (a *Appender) judgeMulti(cmd *command, n, announced int) {
	switch {
	case n < 2:
	case cmd.res.Kind == "OK":
		a.conn.opt.Quirks.Prove(imap.CapMultiAppend)
	case cmd.res.Kind == "BAD" && announced == 2 && a.doubtful():
		// The first message was fine, and the second not even looked at.
		a.conn.caps.distrust(a.conn.refusal(cmd), imap.CapMultiAppend)
	}
}
