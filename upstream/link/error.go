package link

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// Error is what went wrong with a server, in two voices.
type Error struct {
	Server string // host:port
	Role   string // "old server", "new server"; "" if not told
	Op     string // "connect", "login", "EXAMINE", ...
	Class  Class
	Code   imap.ResponseCode // the server's, if any
	Text   string            // the server's words, printable and bounded to 500 bytes
	Said   string            // what it had said before of its own accord (an alert, an untagged NO or BAD); "" if nothing
	After  time.Duration     // the server's own hint when to try again; 0 if none
	Token  *TokenRefusal     // what it said of a token that it refuses; nil if it was given none
	Moved  string            // the server that has what was asked for, if this one refers to it (RFC 2193, RFC 2221)
	Err    error             // the cause
}

// Class says what helps.
type Class int

const (
	// Later: the server or the network is unwell; back off and try again.
	Later Class = iota
	// Fix: a person must act (wrong password, over quota, certificate, expired account).
	Fix
	// Refused: this command on this folder or message was refused (NO or BAD) for its own sake.
	Refused
	// Lost: the connection is unusable (cut, stalled, protocol error); reconnect.
	Lost
)

// String names the class for the log.
func (c Class) String() string {
	switch c {
	case Later:
		return "later"
	case Fix:
		return "fix"
	case Refused:
		return "refused"
	}
	return "lost"
}

// Causes for which detection tries another way.
var (
	ErrNotIMAP = errors.New("the server does not speak IMAP")
	ErrNotPOP3 = errors.New("the server does not speak POP3")
	ErrNoTLS   = errors.New("the server does not offer STARTTLS")
)

// ErrEndless means that it can't be told where a message ends, so that it can't be had whole.
var ErrEndless = errors.New("a line with a dot alone stands within the message, and the server does not mark it (RFC 1939 section 3): where the message ends can't be told")

// Causes that are ours, of which people are told in words of their own.
var (
	ErrReadOnly   = errors.New("not sent: the session only reads")
	ErrInjected   = errors.New("bytes behind the answer to STARTTLS: somebody may be tampering with the connection")
	ErrPreauth    = errors.New("the server says PREAUTH: it would let anybody in without a password")
	ErrNUL        = errors.New("the login or the password contains a NUL, which IMAP can't express")
	ErrNoSecret   = errors.New("no password is known; an empty one is not sent: a directory behind the server may take it for nobody's and let it in")
	errNoTokens   = errors.New("the server offers neither OAUTHBEARER nor XOAUTH2, so it takes no tokens")
	errNoProxy    = errors.New("the server offers no mechanism by which one login can open another's mailbox (AUTH=PLAIN)")
	ErrLiteral    = errors.New("a message does not end where the server said: from there on nothing it sends can be told apart")
	ErrNoFolders  = errors.New("LIST tells of no folder, and INBOX always exists (RFC 9051 section 5.1)")
	ErrNoReply    = errors.New("the server sent what is no answer in POP3")
	ErrUnasked    = errors.New("the server sent something it was not asked for")
	ErrUnsendable = errors.New("the login or the password contains a line break or a NUL, which POP3 can't express")
)

// Error is the voice for the log.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.Server, e.Op)
	if e.Code != "" || e.Text != "" {
		b.WriteString(": the server says ")
		if e.Code != "" {
			fmt.Fprintf(&b, "[%s] ", e.Code)
		}
		fmt.Fprintf(&b, "%q", e.Text)
	}
	if e.Token != nil {
		fmt.Fprintf(&b, ": %v", e.Token)
	}
	if e.Said != "" && e.Said != e.Text {
		fmt.Fprintf(&b, ": the server had said %q", e.Said)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, ": %v", e.Err)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of the *Error in err's chain; Later if there is none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Later
}

// StatusError makes an error of a NO, BAD, BYE or -ERR.
func (l *Link) StatusError(op string, st *Response) *Error {
	return &Error{
		Server: l.Address, Role: l.Options.Role, Op: op, Class: classify(op, st), Code: imap.ResponseCode(st.Code),
		Text: l.Clean(st.Text), Said: l.Said, After: backoffHint(st.Text), Moved: l.Clean(Referral(st)), Err: Kind(l.Clean(st.Kind)),
	}
}

// ErrSignedOut says that what we have signed in with has come to its end, as tokens do. Whether it is still good is for the next
// session to see. Nothing that was asked for is to blame.
var ErrSignedOut = errors.New("the server does not know any more who has signed in")

// Answered reports that the server answered NO, BAD or -ERR to this one command, so
// that the session can be used on, whatever the class.
func Answered(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.answered()
}

func (e *Error) answered() bool {
	return e.Err == Kind("NO") || e.Err == Kind("BAD") || e.Err == Kind(KindErr)
}

// Kind is the cause of what a server refused: the kind of its answer.
type Kind string

func (e Kind) Error() string { return string(e) }

// Excess is an answer that is beyond all bounds. What comes behind it isn't read.
type Excess struct {
	Of    string // what there is too much of
	Whole bool   // all of the account depends on it, not only a folder
}

func (e *Excess) Error() string { return "the server's answer has more than is taken: " + e.Of }

// The commands whose refusals mean something of their own.
const (
	VerbAppend = "APPEND"
	VerbCreate = "CREATE"
)
