package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/upstream/link"
	"postferry/wire"
)

// Session is a connection with a server. Its methods may be used by one
// goroutine at a time.
type Session struct {
	link link.Link
	opt  link.Options
	dec  *wire.Decoder
	enc  *wire.Encoder

	caps      capabilities
	preauth   bool           // the greeting was PREAUTH
	bye       *link.Response // the server's BYE, or untagged words on the way out
	tag       uint64
	underway  []*command
	data      dataFunc   // takes the untagged data of the commands under way
	told      statusFunc // takes their untagged OK and NO
	broken    error      // the responses can't be told apart any more, or are too many
	answer    answer     // what has come of the one under way
	proof     *command   // that of proveLiterals, until it has been judged
	goOn      bool       // a "+" has been read
	challenge string     // its text

	messages uint32 // EXISTS of the opened folder
	unread   int    // lines of the last LIST that could not be read
	most     uint32 // the largest EXISTS of any folder
	news     bool   // it changed since it was opened or Idle last said so

	examined   bool // a folder is open read-only
	identified bool // ID was sent
	lacks      have // items of FETCH that the server doesn't tell of any message
	labelled   bool // labels have been asked for
	unbound    bool // what comes without its UID does not come with it when asked for once more
	keywords   map[string]imap.Flag
	warnings   int // told to the log
	notices    []Notice
}

// Causes that are ours.
var (
	errName          = errors.New("the name of the folder can't be sent")
	errLoginDisabled = errors.New("the server does not take passwords on this connection (LOGINDISABLED)")
	errOtherUID      = errors.New("the server names two messages in one response: it can't be told whose body it has sent")
	errShort         = errors.New("the message ended before its announced size")
	errUIDs          = errors.New("the server tells another number of UIDs than it was given messages: it may not have stored all of them")
	errCriteria      = errors.New("the search can't be sent")
)

// dataFunc takes untagged data: its name in upper case and its number, if it
// has one. The decoder stands behind the name. It returns false for what it
// doesn't want.
type dataFunc func(num uint32, name string) bool

type statusFunc func(st *link.Response)

func newSession(nc net.Conn, server config.Server, opt link.Options) *Session {
	if opt.Quirks == nil {
		opt.Quirks = &link.Quirks{}
	}
	s := &Session{opt: opt, keywords: map[string]imap.Flag{}}
	s.link.Attach(nc, server, opt)
	s.link.PartingWords = s.byeError
	s.link.Working = s.appending
	s.encode()
	return s
}

// Close closes the connection at once. It is safe to call from any goroutine,
// more than once, and unblocks the others.
func (s *Session) Close() error { return s.link.Close() }

// do runs one exchange with the server under ctx. An error of the connection,
// or the end of ctx, costs the session.
func (s *Session) do(ctx context.Context, op string, f func() error) error {
	return s.link.Do(ctx, op, f)
}

// encode makes the session speak IMAP over the connection as it is now.
func (s *Session) encode() {
	s.dec, s.enc = wire.NewDecoder(s.link.Reader), wire.NewEncoder(s.link.Writer)
}

// byeError is what the server said on its way out, if it did.
func (s *Session) byeError(op string) *link.Error {
	if s.bye == nil {
		return nil
	}
	return s.link.StatusError(op, s.bye)
}

// run sends one command and reads its answer. data may be nil.
func (s *Session) run(ctx context.Context, verb string, write func(e *wire.Encoder), data dataFunc) error {
	return s.do(ctx, verb, func() error { return s.exchange(verb, write, data) })
}

// exchange is run within do.
func (s *Session) exchange(verb string, write func(e *wire.Encoder), data dataFunc) error {
	cmd, err := s.compose(verb, write)
	if err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	if err := s.await(cmd, data); err != nil {
		return err
	}
	return s.refusal(cmd)
}

// command is one that was sent and perhaps answered.
type command struct {
	tag, verb string
	done      bool
	res       link.Response // of the tagged response, once done
	// Of one that isn't awaited at once: what takes its untagged data, and its OK and
	// NO, while something else is awaited; nil for nothing.
	data dataFunc
	told statusFunc
}

// compose writes a whole command, without handing it to the connection yet.
// write adds the arguments, if there are any.
func (s *Session) compose(verb string, write func(e *wire.Encoder)) (*command, error) {
	cmd, err := s.begin(verb)
	if err != nil {
		return nil, err
	}
	if write != nil {
		write(s.enc.SP())
	}
	s.enc.CRLF()
	return cmd, nil
}

// begin starts a command: tag and verb.
func (s *Session) begin(verb string) (*command, error) {
	if s.opt.ReadOnly && !readOnlyVerbs[verb] {
		return nil, &link.Error{Server: s.link.Address, Role: s.opt.Role, Op: verb, Class: link.Refused, Err: link.ErrReadOnly}
	}
	s.tag++
	cmd := &command{tag: "P" + strconv.FormatUint(s.tag, 10), verb: verb}
	s.underway = append(s.underway, cmd)
	s.enc.Raw(cmd.tag).SP().Raw(verb)
	s.opt.Log.Trace().Str("tag", cmd.tag).Str("command", verb).Msg("sent")
	return cmd, nil
}

// end ends the line and hands it to the connection.
func (s *Session) end() error {
	s.enc.CRLF()
	return s.flush()
}

func (s *Session) flush() error {
	if err := s.enc.Err(); err != nil {
		return err
	}
	return s.link.Writer.Flush()
}

// await reads until cmd is answered.
func (s *Session) await(cmd *command, data dataFunc) error {
	s.data = data
	defer func() { s.data = nil }()
	for !cmd.done {
		if err := s.read(); err != nil {
			return err
		}
	}
	return nil
}

// awaitGoAhead flushes and reads until the server asks for more with "+", or
// answers cmd instead, which gives false.
func (s *Session) awaitGoAhead(cmd *command) (bool, error) {
	if err := s.flush(); err != nil {
		return false, err
	}
	s.goOn = false
	for !s.goOn && !cmd.done {
		if err := s.read(); err != nil {
			return false, err
		}
	}
	return !cmd.done, nil
}

// pipeline sends n commands, at most window of them unanswered, and calls
// done for each in order.
func (s *Session) pipeline(n, window int, send func(i int) (*command, error), data dataFunc, done func(i int, cmd *command)) error {
	queue := make([]*command, 0, window)
	for sent, answered := 0, 0; answered < n; answered++ {
		if sent-answered <= window/2 && sent < n {
			for ; sent < n && sent-answered < window; sent++ {
				cmd, err := send(sent)
				if err != nil {
					return err
				}
				queue = append(queue, cmd)
			}
			if err := s.flush(); err != nil {
				return err
			}
		}
		if err := s.await(queue[0], data); err != nil {
			return err
		}
		done(answered, queue[0])
		queue = queue[1:]
	}
	return nil
}

// checkName refuses a mailbox name that can't be sent.
func (s *Session) checkName(op, name string) error {
	if !strings.ContainsAny(name, "\r\n\x00") {
		return nil
	}
	return &link.Error{Server: s.link.Address, Role: s.opt.Role, Op: op, Class: link.Refused, Err: fmt.Errorf("%w: %.80q", errName, name)}
}

// Alive sends NOOP and reads its answer.
func (s *Session) Alive(ctx context.Context) error {
	return s.run(ctx, "NOOP", nil, nil)
}

// Logout says goodbye and closes. It may be called more than once.
func (s *Session) Logout(ctx context.Context) error {
	if s.link.Lost != nil {
		return s.Close()
	}
	err := s.run(ctx, "LOGOUT", nil, nil)
	if s.link.Lost == nil {
		s.link.Lost = &link.Error{Server: s.link.Address, Role: s.opt.Role, Op: "LOGOUT", Class: link.Lost, Err: net.ErrClosed}
	}
	if s.bye != nil {
		err = nil // a server may close right behind its BYE
	}
	return errors.Join(err, s.Close())
}

// Detach gives the connection and what has been read ahead of it to the
// relay. The session must not be used afterwards.
func (s *Session) Detach() (net.Conn, *bufio.Reader) {
	s.link.Detached.Store(true)
	s.opt.Trace.End() // what clients say is none of its business
	s.link.Lost = &link.Error{Server: s.link.Address, Role: s.opt.Role, Op: "detach", Class: link.Lost, Err: net.ErrClosed}
	// Errors: a connection that is gone already shows at its next use.
	_ = s.link.Raw.Release()
	return s.link.Conn, s.link.Reader
}

// readOnlyVerbs are all that a read-only session sends. None of them changes
// a mailbox: bodies are fetched with BODY.PEEK only.
var readOnlyVerbs = map[string]bool{
	"CAPABILITY": true, "NOOP": true, "LOGOUT": true, "STARTTLS": true,
	"AUTHENTICATE": true, "LOGIN": true, "ID": true, "NAMESPACE": true,
	"LIST": true, "LSUB": true, "STATUS": true, "EXAMINE": true,
	"FETCH": true, "UID FETCH": true, "UID SEARCH": true, "IDLE": true, "GETQUOTAROOT": true,
}
