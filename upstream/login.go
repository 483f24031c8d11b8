package upstream

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-sasl"

	"postferry/store"
	"postferry/wire"
)

// opLogin is the Op of what is wrong with a login.
const opLogin = "login"

// Login authenticates: AUTHENTICATE PLAIN with SASL-IR where offered, else
// AUTHENTICATE PLAIN, else LOGIN with literals where needed. Afterwards the
// capabilities are those after login; ID goes out with the next command.
// A refusal is an *Error of class Fix, unless the server says that it passes.
// A server that says PREAUTH is refused: it would not check the password.
// It waits for its turn, if the options have one.
func (s *Session) Login(ctx context.Context, c store.Credentials) error {
	if s.preauth {
		return &Error{Server: s.addr, Role: s.opt.Role, Op: opLogin, Class: Fix, Err: errPreauth}
	}
	if strings.ContainsRune(c.Login, 0) || strings.ContainsRune(c.Password.Reveal(), 0) {
		return &Error{Server: s.addr, Role: s.opt.Role, Op: opLogin, Class: Fix, Err: errNUL}
	}
	if s.opt.Turn != nil {
		select {
		case <-s.opt.Turn:
		case <-ctx.Done():
			return s.fault(opLogin, Later, ctx.Err())
		}
	}
	return s.do(ctx, opLogin, func() error {
		defer func() { s.secrets = nil }()
		s.caps.fresh = false
		if err := s.introduce(); err != nil {
			return err
		}
		if err := s.authenticate(c); err != nil {
			return err
		}
		s.identified = false
		if err := s.learn(); err != nil {
			return err
		}
		return s.identify()
	})
}

// introduce tells the server on whose behalf the session logs in, where it takes that. What it
// answers doesn't matter.
func (s *Session) introduce() error {
	if len(s.opt.ID) == 0 || !s.Has(imap.CapID) {
		return nil
	}
	cmd, err := s.compose("ID", func(e *wire.Encoder) { e.ID(s.opt.ID) })
	if err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.await(cmd, nil)
}

// authenticate picks the way in.
func (s *Session) authenticate(c store.Credentials) error {
	s.opt.Trace.loggingIn(true)
	defer s.opt.Trace.loggingIn(false)
	password := c.Password.Reveal()
	s.secrets = []string{password, escaped(password)}
	if s.Has(imap.AuthCap(sasl.Plain)) {
		cmd, err := s.saslPlain(c)
		if err != nil {
			return err
		}
		if !lacksMechanism(&cmd.res) || s.Has(imap.CapLoginDisabled) {
			return s.loginRefusal(cmd)
		}
	}
	if s.Has(imap.CapLoginDisabled) {
		return &Error{Server: s.addr, Role: s.opt.Role, Op: opLogin, Class: Fix, Code: imap.ResponseCodePrivacyRequired, Err: errLoginDisabled}
	}
	cmd, err := s.loginPlain(c.Login, password)
	if err != nil {
		return err
	}
	return s.loginRefusal(cmd)
}

// escaped is a password as it stands in a quoted string (RFC 9051 section 4.3).
func escaped(password string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(password)
}

// lacksMechanism reports an answer that says nothing of the password: the
// server lacks what it announced.
func lacksMechanism(st *status) bool {
	return st.kind == "BAD" || st.kind == "NO" && containsAny(strings.ToLower(st.text), []string{"mechanism", "not supported", "unsupported"})
}

// saslPlain authenticates with SASL PLAIN (RFC 4616).
func (s *Session) saslPlain(c store.Credentials) (*command, error) {
	client := sasl.NewPlainClient("", c.Login, c.Password.Reveal())
	mech, first, err := client.Start()
	if err != nil {
		return nil, err
	}
	answer := base64.StdEncoding.EncodeToString(first)
	s.secrets = append(s.secrets, answer)
	cmd, err := s.begin("AUTHENTICATE")
	if err != nil {
		return nil, err
	}
	s.enc.SP().Raw(mech)
	if s.Has(imap.CapSASLIR) {
		s.enc.SP().Raw(answer)
	} else {
		s.enc.CRLF()
		if ok, err := s.awaitGoAhead(cmd); !ok {
			return cmd, err
		}
		s.enc.Raw(answer)
	}
	s.enc.CRLF()
	for {
		ok, err := s.awaitGoAhead(cmd)
		if !ok {
			return cmd, err
		}
		s.enc.Raw("*").CRLF() // PLAIN has no more to say (RFC 9051 section 6.2.2)
	}
}

// loginPlain authenticates with LOGIN.
func (s *Session) loginPlain(login, password string) (*command, error) {
	cmd, err := s.begin("LOGIN")
	if err != nil {
		return nil, err
	}
	for _, arg := range []string{login, password} {
		s.enc.SP()
		if ok, err := s.loginArg(cmd, arg); !ok {
			return cmd, err
		}
	}
	if err := s.end(); err != nil {
		return nil, err
	}
	return cmd, s.await(cmd, nil)
}

// loginArg writes a string so that every server reads it as it is meant:
// quoted if it is plain, else as a literal. It returns false when the server
// has answered already.
func (s *Session) loginArg(cmd *command, arg string) (bool, error) {
	if wire.Quotable(arg) && !strings.ContainsAny(arg, `"\`) {
		s.enc.Quoted(arg)
		return true, nil
	}
	// A server that announces LITERAL+ and lacks it would take the password for a command.
	s.enc.Literal(int64(len(arg)), false)
	if ok, err := s.awaitGoAhead(cmd); !ok {
		return false, err
	}
	_, err := s.w.WriteString(arg)
	return err == nil, err
}

// loginRefusal is nil if the login was accepted.
func (s *Session) loginRefusal(cmd *command) error {
	if cmd.res.kind == "OK" {
		if other := referral(&cmd.res); other != "" { // it may, but need not, be followed (RFC 2221 section 4.1)
			s.opt.Log.Warn().Str("other", s.clean(other)).Msg("the server says that another one is the account's home")
		}
		return nil
	}
	return s.statusError(opLogin, &cmd.res)
}
