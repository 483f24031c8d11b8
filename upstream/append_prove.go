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
func (s *Session) proveLiterals() error {
	if err := s.beginProof(); err != nil || s.proof == nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.await(s.proof, nil); err != nil {
		return err
	}
	s.judgeProof()
	return nil
}

// beginProof writes that command unless the matter is settled. Where something
// else is asked anyway, it costs no round trip.
func (s *Session) beginProof() (err error) {
	if s.opt.ReadOnly || s.proof != nil || !s.nonSync(1) || s.opt.Quirks.HasProved(imap.CapLiteralPlus) {
		return nil
	}
	if s.proof, err = s.begin("STATUS"); err != nil {
		return err
	}
	s.enc.SP().Literal(int64(len(inbox)), true).Raw(inbox).Raw(" (UIDNEXT)").CRLF()
	return s.enc.Err()
}

// judgeProof learns from the answer, if it has come.
func (s *Session) judgeProof() {
	switch {
	case s.proof == nil || !s.proof.done:
		return
	case s.proof.res.Kind == "BAD":
		s.distrust(s.refusal(s.proof), imap.CapLiteralPlus, imap.CapLiteralMinus)
	default:
		s.opt.Quirks.Prove(imap.CapLiteralPlus)
	}
	s.proof = nil
}

// proving reports whether a STATUS that arrives is that of the proof.
func (s *Session) proving() bool { return s.proof != nil && !s.proof.done }

const inbox = "INBOX"

// multi reports whether several messages may go in one command (RFC 3502).
func (s *Session) multi() bool { return s.Has(imap.CapMultiAppend) }

// Together tells whether several messages that are sent at once will be one command, of
// which the server stores all or nothing (RFC 3502), as it has been seen to.
func (s *Session) Together() bool { return s.multi() && !s.doubtful() }

// doubtful reports whether the server must be asked before the second message
// of a command, as it has not been seen yet to take one.
func (s *Session) doubtful() bool { return !s.opt.Quirks.HasProved(imap.CapMultiAppend) }

// tryWait is how long, for each message that it has, a session waits for another one to
// find out about MULTIAPPEND: about as long as a command for each costs the server.
const tryWait = 2 * time.Millisecond

// together is how many of n messages go in one command. While one session finds out
// whether the server takes several, which costs it a round trip, the others wait for a
// while and then send one each. done is to be called when the command is on its way.
func (s *Session) together(ctx context.Context, n int) (each int, done func()) {
	done = func() {}
	if !s.multi() || n < 2 {
		return 1, done
	}
	if !s.doubtful() {
		return n, done
	}
	other := s.opt.Quirks.Try()
	if other == nil {
		return n, s.opt.Quirks.Tried
	}
	t := time.NewTimer(time.Duration(n) * tryWait)
	defer t.Stop()
	select {
	case <-other:
	case <-t.C:
	case <-ctx.Done():
	}
	if s.multi() && !s.doubtful() {
		return n, done
	}
	return 1, done
}

// judgeMulti learns from the answer to a command with n messages, of which
// the server let announced be announced.
func (s *Session) judgeMulti(cmd *command, n, announced int) {
	switch {
	case n < 2:
	case cmd.res.Kind == "OK":
		s.opt.Quirks.Prove(imap.CapMultiAppend)
	case cmd.res.Kind == "BAD" && announced == 2 && s.doubtful():
		// The first message was fine, and the second not even looked at.
		s.distrust(s.refusal(cmd), imap.CapMultiAppend)
	}
}
