package upstream

import (
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

// conn exchanges commands and responses with a server. The parts of a session share it.
type conn struct {
	link link.Link
	opt  link.Options
	dec  *wire.Decoder
	enc  *wire.Encoder

	parser   parser // of what responses tell
	caps     capabilities
	bounds   bounds
	warnings warnings
	notices  []Notice
	bye      *link.Response // the server's BYE, or untagged words on the way out

	tag      uint64
	underway []*command
	data     dataFunc   // takes the untagged data of the commands under way
	told     statusFunc // takes their untagged OK and NO
	proof    *command   // that of proveLiterals, until it has been judged
	goAhead  goAhead

	opened     opened
	habits     habits
	identified bool // ID was sent
}

// goAhead is a "+".
type goAhead struct {
	come bool
	text string
}

// opened is the folder that is open.
type opened struct {
	messages uint32 // EXISTS
	news     bool   // it changed since it was opened or Idle last said so
	examined bool   // it is open read-only
}

// habits are what a server leaves out of its answers to FETCH, however often it is asked.
type habits struct {
	lacks   have // items that it doesn't tell of any message
	unbound bool // what comes without its UID does not come with it when asked for once more
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

func newConn(nc net.Conn, server config.Server, opt link.Options) *conn {
	if opt.Quirks == nil {
		opt.Quirks = &link.Quirks{}
	}
	c := &conn{opt: opt, caps: capabilities{quirks: opt.Quirks, log: opt.Log}, warnings: warnings{log: opt.Log}}
	c.parser = parser{bounds: &c.bounds, warnings: &c.warnings, keywords: map[string]imap.Flag{}}
	c.link.Attach(nc, server, opt)
	c.link.PartingWords = c.byeError
	c.link.Working = c.appending
	c.encode()
	return c
}

// do runs one exchange with the server under ctx. An error of the connection,
// or the end of ctx, costs the session.
func (c *conn) do(ctx context.Context, op string, f func() error) error {
	return c.link.Do(ctx, op, f)
}

// encode makes the session speak IMAP over the connection as it is now.
func (c *conn) encode() {
	c.dec, c.enc = wire.NewDecoder(c.link.Reader), wire.NewEncoder(c.link.Writer)
	c.parser.dec, c.parser.reader = c.dec, c.link.Reader
}

// byeError is what the server said on its way out, if it did.
func (c *conn) byeError(op string) *link.Error {
	if c.bye == nil {
		return nil
	}
	return c.link.StatusError(op, c.bye)
}

// run sends one command and reads its answer. data may be nil.
func (c *conn) run(ctx context.Context, verb string, write func(e *wire.Encoder), data dataFunc) error {
	return c.do(ctx, verb, func() error { return c.exchange(verb, write, data) })
}

// exchange is run within do.
func (c *conn) exchange(verb string, write func(e *wire.Encoder), data dataFunc) error {
	cmd, err := c.compose(verb, write)
	if err != nil {
		return err
	}
	if err := c.flush(); err != nil {
		return err
	}
	if err := c.await(cmd, data); err != nil {
		return err
	}
	return c.refusal(cmd)
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
func (c *conn) compose(verb string, write func(e *wire.Encoder)) (*command, error) {
	cmd, err := c.begin(verb)
	if err != nil {
		return nil, err
	}
	if write != nil {
		write(c.enc.SP())
	}
	c.enc.CRLF()
	return cmd, nil
}

// begin starts a command: tag and verb.
func (c *conn) begin(verb string) (*command, error) {
	if c.opt.ReadOnly && !readOnlyVerbs[verb] {
		return nil, &link.Error{Server: c.link.Address, Role: c.opt.Role, Op: verb, Class: link.Refused, Err: link.ErrReadOnly}
	}
	c.tag++
	cmd := &command{tag: "P" + strconv.FormatUint(c.tag, 10), verb: verb}
	c.underway = append(c.underway, cmd)
	c.enc.Raw(cmd.tag).SP().Raw(verb)
	c.opt.Log.Trace().Str("tag", cmd.tag).Str("command", verb).Msg("sent")
	return cmd, nil
}

// end ends the line and hands it to the connection.
func (c *conn) end() error {
	c.enc.CRLF()
	return c.flush()
}

func (c *conn) flush() error {
	if err := c.enc.Err(); err != nil {
		return err
	}
	return c.link.Writer.Flush()
}

// await reads until cmd is answered.
func (c *conn) await(cmd *command, data dataFunc) error {
	c.data = data
	defer func() { c.data = nil }()
	for !cmd.done {
		if err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

// awaitGoAhead flushes and reads until the server asks for more with "+", or
// answers cmd instead, which gives false.
func (c *conn) awaitGoAhead(cmd *command) (bool, error) {
	if err := c.flush(); err != nil {
		return false, err
	}
	c.goAhead.come = false
	for !c.goAhead.come && !cmd.done {
		if err := c.read(); err != nil {
			return false, err
		}
	}
	return !cmd.done, nil
}

// pipeline sends n commands, at most window of them unanswered, and calls
// done for each in order.
func (c *conn) pipeline(n, window int, send func(i int) (*command, error), data dataFunc, done func(i int, cmd *command)) error {
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
			if err := c.flush(); err != nil {
				return err
			}
		}
		if err := c.await(queue[0], data); err != nil {
			return err
		}
		done(answered, queue[0])
		queue = queue[1:]
	}
	return nil
}

// checkName refuses a mailbox name that can't be sent.
func (c *conn) checkName(op, name string) error {
	if !strings.ContainsAny(name, "\r\n\x00") {
		return nil
	}
	return &link.Error{Server: c.link.Address, Role: c.opt.Role, Op: op, Class: link.Refused, Err: fmt.Errorf("%w: %.80q", errName, name)}
}

// readOnlyVerbs are all that a read-only session sends. None of them changes
// a mailbox: bodies are fetched with BODY.PEEK only.
var readOnlyVerbs = map[string]bool{
	"CAPABILITY": true, "NOOP": true, "LOGOUT": true, "STARTTLS": true,
	"AUTHENTICATE": true, "LOGIN": true, "ID": true, "NAMESPACE": true,
	"LIST": true, "LSUB": true, "STATUS": true, "EXAMINE": true,
	"FETCH": true, "UID FETCH": true, "UID SEARCH": true, "IDLE": true, "GETQUOTAROOT": true,
}
