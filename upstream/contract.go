package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
)

// Options are how a session behaves on the network.
type Options struct {
	// Stall ends a session on which no byte moved for so long while one was
	// awaited.
	Stall time.Duration
	// ReadOnly refuses, before anything is sent, every command that could
	// change the server (SELECT, STORE, APPEND, CREATE, ...). Set for old servers.
	ReadOnly bool
	// Log receives what an operator should see. The caller adds account and server.
	Log zerolog.Logger
	// TLS overrides the TLS configuration derived from the server, for tests; nil otherwise.
	TLS *tls.Config
	// Progress is called whenever the server shows life (connected, greeting,
	// a response); nil for none. It must be quick and not block.
	Progress func()
}

// Dial connects, reads the greeting, starts TLS and learns the capabilities.
func Dial(ctx context.Context, server config.Server, opt Options) (*Session, error) { panic("stub") }

// Session is a connection with a server. Its methods may be used by one
// goroutine at a time.
type Session struct{}

// Login authenticates: AUTHENTICATE PLAIN with SASL-IR where offered, else
// AUTHENTICATE PLAIN, else LOGIN with literals where needed. Afterwards the
// capabilities are those after login, and ID has been exchanged if offered.
func (s *Session) Login(ctx context.Context, c store.Credentials) error { panic("stub") }

// Has reports a capability (case-insensitively), as last announced by the server.
func (s *Session) Has(c imap.Cap) bool { panic("stub") }

// Capabilities returns the server's last announced capabilities, verbatim and in order.
func (s *Session) Capabilities() []string { panic("stub") }

// AppendLimit is the server's APPENDLIMIT in octets (RFC 7889); 0 if it has none.
func (s *Session) AppendLimit() int64 { panic("stub") }

// Detach gives the connection and what has been read ahead of it to the
// relay. The session must not be used afterwards.
func (s *Session) Detach() (net.Conn, *bufio.Reader) { panic("stub") }

// Alive sends NOOP and reads its answer.
func (s *Session) Alive(ctx context.Context) error { panic("stub") }

// Logout says goodbye and closes; Close just closes. Both may be called more than once.
func (s *Session) Logout(ctx context.Context) error { panic("stub") }

// Close closes the connection at once. It is safe to call from any goroutine and unblocks the others.
func (s *Session) Close() error { panic("stub") }

// Namespace is the personal namespace and the prefixes of the others' and
// shared ones (RFC 2342). Without NAMESPACE: prefix "", delimiter from LIST "" "".
type Namespace struct {
	Prefix string   // raw, e.g. "INBOX."
	Delim  byte     // 0 if the server is flat
	Others []string // raw prefixes of other users' and shared namespaces
}

func (s *Session) Namespace(ctx context.Context) (Namespace, error) { panic("stub") }

// Mailbox is one line of LIST.
type Mailbox struct {
	Name       string // raw bytes as the server spells it; INBOX in upper case
	Delim      byte   // 0 for NIL
	Attrs      []imap.MailboxAttr
	Subscribed bool
	Status     *Status // from LIST-STATUS; nil if not given
}

// Status is what STATUS says. Absent items are zero.
type Status struct {
	Messages      uint32
	UIDNext       imap.UID
	UIDValidity   uint32
	HighestModSeq uint64
	Size          uint64 // STATUS=SIZE
}

// List returns all folders with their subscription, special use (where the
// server tells) and, if withStatus and the server has LIST-STATUS, status.
// Subscribed names that no longer exist are left out. One bad line is
// skipped and logged.
func (s *Session) List(ctx context.Context, withStatus bool) ([]Mailbox, error) { panic("stub") }

// Status asks for many folders, pipelined. A folder the server refuses is
// missing from the result.
func (s *Session) Status(ctx context.Context, names []string) (map[string]Status, error) {
	panic("stub")
}

// Selected is what EXAMINE and SELECT tell.
type Selected struct {
	Messages       uint32
	UIDNext        imap.UID // 0 if not told
	UIDValidity    uint32
	HighestModSeq  uint64 // 0 with NOMODSEQ or without CONDSTORE
	PermanentFlags []imap.Flag
	AnyFlag        bool // \* is among the permanent flags
	NotSticky      bool // UIDNOTSTICKY (RFC 4315)
}

// Examine opens a folder read-only (EXAMINE, with (CONDSTORE) where offered).
func (s *Session) Examine(ctx context.Context, name string) (*Selected, error) { panic("stub") }

// Select opens a folder for writing.
func (s *Session) Select(ctx context.Context, name string) (*Selected, error) { panic("stub") }

// Message is a line of a listing.
type Message struct {
	UID    imap.UID
	Flags  []imap.Flag // sorted, without \Recent
	Date   time.Time   // INTERNALDATE; zero if absent or unreadable
	Size   int64       // RFC822.SIZE; -1 if absent
	ModSeq uint64
}

// ListMessages lists the messages of set in the opened folder (UID FLAGS
// INTERNALDATE RFC822.SIZE), calling fn for each as it arrives, in the
// server's order. A message without a UID is skipped and logged. changedSince > 0 restricts to messages
// changed after that mod-sequence (CONDSTORE) and reports their ModSeq.
// An error of fn ends the session's use of the answer, not the session.
func (s *Session) ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(Message) error) error {
	panic("stub")
}

// ListFlags is ListMessages with UID and FLAGS only.
func (s *Session) ListFlags(ctx context.Context, set imap.UIDSet, fn func(Message) error) error {
	panic("stub")
}

// Bodies fetches BODY.PEEK[] of set with one command and calls fn for each
// body as it arrives. size is the announced length; r ends with io.EOF only
// after exactly size octets, otherwise with an error. fn need not read r to
// its end; the rest is discarded. UIDs the server passes over in silence are
// simply not reported. An error of fn is returned at the end of the answer.
// A NO or BAD is an *Error.
func (s *Session) Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	panic("stub")
}

// Headers fetches the fields a Fingerprint is made of
// (BODY.PEEK[HEADER.FIELDS (...)] and RFC822.SIZE) of set.
func (s *Session) Headers(ctx context.Context, set imap.UIDSet, fn func(m Message, header []byte) error) error {
	panic("stub")
}

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
}

// AppendCall is a batch on its way.
type AppendCall struct{}

// SendAppend sends a batch to a folder: one MULTIAPPEND where the server has
// it (all or nothing: every result then carries the same error), else one
// APPEND each. Literals are non-synchronising where the server allows
// (LITERAL+, or LITERAL- up to 4096 octets) and the message is at most
// SyncLiteral octets; otherwise the server's "+" is awaited, which may mean to
// read earlier answers. It returns when the last octet was handed to the
// connection. Several calls may be under way; Wait them in order.
// An error means the connection is lost and the fate of the batch unknown.
func (s *Session) SendAppend(ctx context.Context, mailbox string, batch []Append) (*AppendCall, error) {
	panic("stub")
}

// SyncLiteral is the size above which a literal is announced and the server
// asked first, so that a refusal costs a round trip and not the message. Octets.
const SyncLiteral = 1 << 20

// Wait returns the fate of each message of the batch. An error means the
// connection is lost and the fate unknown.
func (c *AppendCall) Wait(ctx context.Context) ([]AppendResult, error) { panic("stub") }

// Pending reports whether Wait would have to read from the network, i.e.
// whether the answer has not arrived in the read buffer yet.
func (c *AppendCall) Pending() bool { panic("stub") }

// Create makes a folder, with a special use where given and the server has
// CREATE-SPECIAL-USE. ALREADYEXISTS is no error.
func (s *Session) Create(ctx context.Context, name string, use imap.MailboxAttr) error {
	panic("stub")
}

// Subscribe subscribes names, pipelined.
func (s *Session) Subscribe(ctx context.Context, names []string) error { panic("stub") }

// FlagChange adds and removes flags of one message in the opened folder.
type FlagChange struct {
	UID         imap.UID
	Add, Remove []imap.Flag
}

// StoreFlags applies changes (UID STORE ... FLAGS.SILENT), grouped and
// pipelined. A message that is gone is no error.
func (s *Session) StoreFlags(ctx context.Context, changes []FlagChange) error { panic("stub") }

// Search runs UID SEARCH with raw criteria in the opened folder.
func (s *Session) Search(ctx context.Context, criteria string) (imap.UIDSet, error) { panic("stub") }

// Idle waits in the opened folder until the server reports a change, maxWait
// passed or ctx ends (IDLE where offered, else returns after a NOOP).
func (s *Session) Idle(ctx context.Context, maxWait time.Duration) (changed bool, err error) {
	panic("stub")
}

// Error is what went wrong with a server, in two voices.
type Error struct {
	Server string // host:port
	Op     string // "connect", "login", "EXAMINE", ...
	Class  Class
	Code   imap.ResponseCode // the server's, if any
	Text   string            // the server's words, printable and bounded to 500 bytes
	After  time.Duration     // the server's own hint when to try again; 0 if none
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

// Error is the voice for the log.
func (e *Error) Error() string { panic("stub") }

// Summary is a sentence the person at the screen can act on.
func (e *Error) Summary() string { panic("stub") }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of the *Error in err's chain; Later if there is none.
func ClassOf(err error) Class { panic("stub") }
