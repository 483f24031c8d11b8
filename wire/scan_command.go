package wire

import "bytes"

// Verb is a command the relay treats specially.
type Verb uint8

// The verbs. VerbNone is a line without a verb (IDLE's DONE, an empty line),
// VerbOther any command that is simply passed on.
const (
	VerbNone Verb = iota
	VerbOther
	VerbAuthenticate
	VerbCapability
	VerbClose
	VerbCompress
	VerbCreate
	VerbDelete
	VerbESearch
	VerbExamine
	VerbID
	VerbIdle
	VerbList
	VerbLogin
	VerbLogout
	VerbNoop
	VerbNotify
	VerbRename
	VerbSearch
	VerbSelect
	VerbSort
	VerbStartTLS
	VerbStatus
	VerbThread
	VerbUID
	VerbUnauthenticate
	VerbUnselect
)

var verbNames = [...]string{"", "", "AUTHENTICATE", "CAPABILITY", "CLOSE", "COMPRESS", "CREATE", "DELETE", "ESEARCH", "EXAMINE",
	"ID", "IDLE", "LIST", "LOGIN", "LOGOUT", "NOOP", "NOTIFY", "RENAME", "SEARCH", "SELECT", "SORT", "STARTTLS", "STATUS",
	"THREAD", "UID", "UNAUTHENTICATE", "UNSELECT"}

// String returns the verb as it is sent, "" for VerbNone and VerbOther.
func (v Verb) String() string {
	if int(v) < len(verbNames) {
		return verbNames[v]
	}
	return ""
}

func verbOf(name []byte) Verb {
	for v, s := range verbNames {
		if s != "" && string(name) == s {
			return Verb(v)
		}
	}
	return VerbOther
}

// args is the number of leading astring arguments that are gathered.
func (v Verb) args() int {
	switch v {
	case VerbSelect, VerbExamine, VerbCreate, VerbDelete, VerbStatus:
		return 1
	case VerbRename, VerbLogin, VerbAuthenticate:
		return 2
	}
	return 0
}

// CommandEvent is what Scan stopped for.
type CommandEvent uint8

const (
	// CommandMore: all bytes are scanned and nothing is to be reported yet.
	CommandMore CommandEvent = iota
	// CommandVerb: tag and verb are known; the bytes scanned end with the verb.
	CommandVerb
	// CommandLiteral: a synchronising literal is announced; the bytes scanned
	// end with its line. What follows is its data only if the server sends "+",
	// and a new command if it completes the tag instead: tell with Continue.
	CommandLiteral
	// CommandEnd: the bytes scanned end with the last one of the command.
	CommandEnd
	// CommandBad: the tag is longer than MaxTag. The scanner is of no more use.
	CommandBad
)

type commandState uint8

const (
	inStart commandState = iota
	inTag
	inVerb
	beforeArg // spaces in front of an argument
	inAtom
	inQuoted
	inEscape
	afterArg // a quoted string or literal ended: a space or the end must follow
	inRest   // nothing more to be gathered
	inLiteral
	inWait // a synchronising literal was announced
	inBad
)

// maxArg is the longest argument, in octets, that is gathered.
const maxArg = 8192

// CommandScanner follows what a client sends. The zero value is ready.
type CommandScanner struct {
	state  commandState
	verb   Verb
	broken bool // the arguments are not what the verb asks for
	gather bool // the literal under way is an argument
	nargs  int  // arguments gathered, the one under way not counted
	left   int  // octets of the literal still to come
	lit    Literal
	word   token
	tail   tail
	tagLen int
	tag    [MaxTag]byte
	arg    [2][]byte
}

// Tag returns the tag of the command under way or just ended. It is valid
// until the next call of Scan. A line without a space is all tag.
func (s *CommandScanner) Tag() []byte { return s.tag[:s.tagLen] }

// Verb returns the verb of the command under way or just ended.
func (s *CommandScanner) Verb() Verb { return s.verb }

// Literal returns the last literal announced.
func (s *CommandScanner) Literal() Literal { return s.lit }

// Undecided reports whether a command has begun whose verb is not known yet.
func (s *CommandScanner) Undecided() bool {
	return s.state == inTag || s.state == inVerb
}

// Args returns the leading arguments of the command just ended, unquoted and
// unescaped: the mailboxes of SELECT, EXAMINE, CREATE, DELETE, STATUS and RENAME, login
// and password of LOGIN, mechanism and initial response of AUTHENTICATE. They
// are valid until the next call of Scan. What is malformed or longer than 8192
// octets gives none.
func (s *CommandScanner) Args() [][]byte {
	if s.broken {
		return nil
	}
	return s.arg[:s.nargs]
}

// Continue tells, after CommandLiteral, whether the literal's data follows or,
// because the command was completed instead, a new command.
func (s *CommandScanner) Continue(data bool) {
	if s.state != inWait {
		return
	}
	if data {
		s.startLiteral()
		return
	}
	s.state = inStart
}

func (s *CommandScanner) begin() {
	s.state, s.tagLen = inTag, 0
	s.verb, s.broken, s.nargs = VerbNone, false, 0
	s.word.reset()
	s.tail.reset()
}

// endLine ends the command with its line.
func (s *CommandScanner) endLine() CommandEvent {
	s.state = inStart
	return CommandEnd
}

// Scan scans the beginning of b and stops behind the first thing to report.
func (s *CommandScanner) Scan(b []byte) (n int, ev CommandEvent) {
	for n < len(b) {
		used, ev := s.step(b[n:])
		n += used
		if ev != CommandMore {
			return n, ev
		}
		if used == 0 { // waiting for Continue, or beyond help
			break
		}
	}
	return n, CommandMore
}

// step scans one byte or more of b, which is not empty.
func (s *CommandScanner) step(b []byte) (int, CommandEvent) {
	switch s.state {
	case inStart:
		s.begin()
		return s.scanTag(b)
	case inTag:
		return s.scanTag(b)
	case inVerb:
		return s.scanVerb(b)
	case inRest:
		return s.scanRest(b)
	case inLiteral:
		return s.scanLiteral(b)
	case inWait, inBad:
		return 0, CommandMore
	}
	return s.scanArg(b)
}

func (s *CommandScanner) scanTag(b []byte) (int, CommandEvent) {
	for i, c := range b {
		switch {
		case c == ' ':
			s.state = inVerb
			return i + 1, CommandMore
		case c == '\n':
			if s.tagLen > 0 && s.tag[s.tagLen-1] == '\r' {
				s.tagLen--
			}
			return i + 1, s.endLine()
		case s.tagLen == MaxTag:
			s.state = inBad
			return i + 1, CommandBad
		}
		s.tag[s.tagLen] = c
		s.tagLen++
	}
	return len(b), CommandMore
}

func (s *CommandScanner) scanVerb(b []byte) (int, CommandEvent) {
	for i, c := range b {
		if c == ' ' || c == '\r' || c == '\n' || s.word.long() {
			s.verb = verbOf(s.word.bytes())
			s.state = inRest
			if s.verb.args() > 0 {
				s.state = beforeArg
			}
			return i, CommandVerb
		}
		s.word.add(c)
	}
	return len(b), CommandMore
}

// scanRest looks for the end of the line only.
func (s *CommandScanner) scanRest(b []byte) (int, CommandEvent) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		s.tail.add(b)
		return len(b), CommandMore
	}
	lit, ok := s.tail.end(b[:i])
	if !ok {
		return i + 1, s.endLine()
	}
	s.gather = false
	return i + 1, s.announce(lit)
}

// announce deals with a line that ends in a literal's announcement.
func (s *CommandScanner) announce(lit Literal) CommandEvent {
	s.lit = lit
	if !lit.NonSync {
		s.state = inWait
		return CommandLiteral
	}
	s.startLiteral()
	return CommandMore
}

func (s *CommandScanner) startLiteral() {
	s.state, s.left = inLiteral, s.lit.Size
	if s.left == 0 {
		s.endLiteral()
	}
}

func (s *CommandScanner) scanLiteral(b []byte) (int, CommandEvent) {
	n := min(len(b), s.left)
	if s.gather {
		s.keep(b[:n]...)
	}
	if s.left -= n; s.left == 0 {
		s.endLiteral()
	}
	return n, CommandMore
}

func (s *CommandScanner) endLiteral() {
	s.tail.reset()
	if s.state = inRest; s.gather {
		s.endArg(afterArg)
	}
}
