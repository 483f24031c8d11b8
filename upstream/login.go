package upstream

import (
	"context"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"postferry/store"
	"postferry/upstream/link"
	"postferry/wire"
)

// Login is SignIn with a login and its password, or with what the options have in place of it.
func (s *Session) Login(ctx context.Context, c store.Credentials) error {
	if s.conn.opt.SignIn != nil {
		return s.SignIn(ctx, *s.conn.opt.SignIn)
	}
	return s.SignIn(ctx, link.WithPassword(c))
}

// SignIn authenticates: with the best mechanism of SASL that the server offers for
// it, with SASL-IR where offered, else (a password only) LOGIN with literals where
// needed. Afterwards the capabilities are those after login; ID goes out with the next
// command. A refusal is an *Error of class Fix, unless the server says that it passes.
// A server that says PREAUTH is refused: it would not check who it is.
// It waits for its turn, if the options have one.
func (s *Session) SignIn(ctx context.Context, si link.SignIn) error {
	if s.preauth {
		return s.conn.link.Fault(link.OpLogin, link.Fix, link.ErrPreauth)
	}
	if si.Secret == "" {
		return s.conn.link.Fault(link.OpLogin, link.Fix, link.ErrNoSecret)
	}
	if si.Unsendable() {
		return s.conn.link.Fault(link.OpLogin, link.Fix, link.ErrNUL)
	}
	if s.conn.opt.Turn != nil {
		select {
		case <-s.conn.opt.Turn:
		case <-ctx.Done():
			return s.conn.link.Fault(link.OpLogin, link.Later, ctx.Err())
		}
	}
	in := signing{s.conn}
	return s.conn.do(ctx, link.OpLogin, func() error {
		defer func() { s.conn.link.Secrets = nil }()
		s.conn.caps.fresh = false
		if err := in.introduce(); err != nil {
			return err
		}
		if err := in.authenticate(si); err != nil {
			return err
		}
		s.conn.identified = false
		if err := s.conn.learn(); err != nil {
			return err
		}
		return s.conn.identify()
	})
}

// introduce tells the server on whose behalf the session logs in, where it takes that. What it
// answers doesn't matter.
func (s signing) introduce() error {
	if len(s.conn.opt.ID) == 0 || !s.conn.caps.Has(imap.CapID) {
		return nil
	}
	cmd, err := s.conn.compose("ID", func(e *wire.Encoder) { e.ID(s.conn.opt.ID) })
	if err != nil {
		return err
	}
	if err := s.conn.flush(); err != nil {
		return err
	}
	return s.conn.await(cmd, nil)
}

// authenticate tries the ways in, in turn, as long as the server lacks what it announced.
func (s signing) authenticate(si link.SignIn) error {
	s.conn.opt.Trace.LoggingIn(true)
	defer s.conn.opt.Trace.LoggingIn(false)
	s.conn.link.Secrets = []string{si.Secret.Reveal(), escaped(si.Secret.Reveal())}
	more, err := s.conn.link.InTurn(si, s.takes, s.mechanism)
	if !more {
		return err
	}
	return s.loginAnyway(si, err)
}

// takes tells whether the server offers a mechanism.
func (s signing) takes(mechanism string) bool { return s.conn.caps.Has(imap.AuthCap(mechanism)) }

// loginAnyway authenticates with LOGIN, the command or else the mechanism. refused is what the
// better ways ended with, if there were any.
func (s signing) loginAnyway(si link.SignIn, refused error) error {
	if !s.conn.caps.Has(imap.CapLoginDisabled) {
		cmd, err := s.loginPlain(si.Login, si.Secret.Reveal())
		if err != nil {
			return err
		}
		if refused = s.loginRefusal(cmd); !link.LacksMechanism(&cmd.res) {
			return refused
		}
	}
	switch {
	case s.takes(sasl.Login):
		_, err := s.mechanism(sasl.Login, si)
		return err
	case refused != nil:
		return refused
	}
	e := s.conn.link.Fault(link.OpLogin, link.Fix, errLoginDisabled)
	e.Code = imap.ResponseCodePrivacyRequired
	return e
}

// escaped is a password as it stands in a quoted string (RFC 9051 section 4.3).
func escaped(password string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(password)
}

// loginPlain authenticates with LOGIN.
func (s signing) loginPlain(login, password string) (*command, error) {
	cmd, err := s.conn.begin("LOGIN")
	if err != nil {
		return nil, err
	}
	for _, arg := range []string{login, password} {
		s.conn.enc.SP()
		if ok, err := s.conn.sendString(cmd, arg); !ok {
			return cmd, err
		}
	}
	if err := s.conn.end(); err != nil {
		return nil, err
	}
	return cmd, s.conn.await(cmd, nil)
}

// loginArg writes a string so that every server reads it as it is meant:
// quoted if it is plain, else as a literal. It returns false when the server
// has answered already.
func (c *conn) sendString(cmd *command, arg string) (bool, error) {
	if wire.Quotable(arg) && !strings.ContainsAny(arg, `"\`) {
		c.enc.Quoted(arg)
		return true, nil
	}
	// A server that announces LITERAL+ and lacks it would take the password for a command.
	c.enc.Literal(int64(len(arg)), false)
	if ok, err := c.awaitGoAhead(cmd); !ok {
		return false, err
	}
	_, err := c.link.Writer.WriteString(arg)
	return err == nil, err
}

// loginRefusal is nil if the login was accepted.
func (s signing) loginRefusal(cmd *command) error {
	if cmd.res.Kind == "OK" {
		if other := link.Referral(&cmd.res); other != "" { // it may, but need not, be followed (RFC 2221 section 4.1)
			s.conn.opt.Log.Warn().Str("other", s.conn.link.Clean(other)).Msg("the server says that another one is the account's home")
		}
		return nil
	}
	return s.conn.link.StatusError(link.OpLogin, &cmd.res)
}
