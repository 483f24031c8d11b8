package message

import (
	"bytes"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
)

// What some servers refuse and others have taken for years. A message is
// always tried as it is first, twice if the server gives no reason. Only when the
// new server refuses it, standing alone, all that applies to it is mended at
// once, noted in the ledger, and tried once more.
//
//   - NUL octets become 0x80, as Dovecot shows them to clients. So size and
//     fingerprint stay (RFC 9051 section 4.3.1: no literal holds a NUL).
//   - A bare LF becomes CRLF (RFC 5322 section 2.3). A bare CR stays: servers
//     take it, and it may be part of binary content.
//   - A last line without its CRLF gets one.
//   - mbox separators ("From ", ">From ") before the header go; a blank
//     before a field's colon goes (RFC 5322 section 4.5.1); a line in the
//     header that is no field continues the field before it; text without any
//     header gets the empty line that ends an empty one.
//   - Lines over 998 octets (RFC 5322 section 2.1.1) stay, as long as the
//     server doesn't speak of them. Then those of the header are folded at
//     white space, which means the same (section 2.2.3). Those of the body are
//     never broken: that would change what is said there.
//   - If the server speaks of flags or keywords, those that it names go, else all
//     keywords, else all flags; the message stays. If that isn't enough, the message is
//     mended as well. Where there is nothing to mend, and the server says nothing of what is
//     wrong, the flags go. The copy gets them afterwards (storeLeftOut).

// maxLine is the longest line of a message without its CRLF (RFC 5322 section 2.1.1). Octets.
const maxLine = 998

// Repair is a message made acceptable, and what was done for it.
type Repair struct {
	Body  []byte
	Flags []imap.Flag
	What  []reason.Reason
	Dated bool // it is the date that was replaced, and nothing else
}

// Reason is all that was done.
func (r *Repair) Reason() reason.Reason { return reason.All(r.What...) }

// Did notes something that was done.
func (r *Repair) Did(what reason.Code, values ...any) {
	r.What = append(r.What, reason.Of(what, values...))
}

// RepairMessage mends what the new server may have meant by its words. ok is
// false if there is nothing to mend. body and flags are not changed.
func RepairMessage(body []byte, flags []imap.Flag, words string) (r Repair, ok bool) {
	if len(body) == 0 {
		return Repair{}, false
	}
	words = strings.ToLower(words)
	r = Repair{Body: body, Flags: flags}
	if ContainsAny(words, "flag", "keyword") && r.leaveFlags(words) {
		return r, true
	}
	r.octets()
	r.header(strings.Contains(words, "line") && ContainsAny(words, "long", "length", "998", "1000"))
	if len(r.What) == 0 && !ContainsAny(words, WordsOnMessages...) {
		r.leaveOut(flags)
	}
	return r, len(r.What) > 0
}

// WordsOnMessages are words by which servers say what is wrong with a message.
var WordsOnMessages = []string{"nul", "newline", "header", "too big", "too large", "too long", "size", "zero byte", "virus", "spam"}

func ContainsAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

// octets mends NULs and line ends of the whole message.
func (r *Repair) octets() {
	if bytes.IndexByte(r.Body, 0) >= 0 {
		r.Body = bytes.ReplaceAll(r.Body, []byte{0}, []byte{0x80})
		r.Did(reason.NULReplaced)
	}
	if bare := bytes.Count(r.Body, []byte("\n")) - bytes.Count(r.Body, []byte("\r\n")); bare > 0 {
		r.Body = endLines(r.Body, bare)
		r.Did(reason.BareLFMade)
	}
	switch {
	case bytes.HasSuffix(r.Body, []byte("\n")):
	case bytes.HasSuffix(r.Body, []byte("\r")):
		r.Body = slices.Concat(r.Body, []byte("\n"))
		r.Did(reason.EndCompleted)
	default:
		r.Body = slices.Concat(r.Body, []byte("\r\n"))
		r.Did(reason.EndAdded)
	}
}

// endLines puts a CR before each of the bare LFs.
func endLines(body []byte, bare int) []byte {
	out := make([]byte, 0, len(body)+bare)
	for i, c := range body {
		if c == '\n' && (i == 0 || body[i-1] != '\r') {
			out = append(out, '\r')
		}
		out = append(out, c)
	}
	return out
}

// header mends the lines up to the first empty one. All lines end in CRLF by now.
func (r *Repair) header(fold bool) {
	rest := r.separators()
	header := rest[:headerLength(rest)]
	if len(header) > 0 && !hasField(header) {
		r.Body = slices.Concat([]byte("\r\n"), rest)
		r.Did(reason.HeaderAdded)
		return
	}
	var b headerRepair
	for lines := header; len(lines) > 0; {
		n := lineEnd(lines)
		b.line(lines[:n], fold)
		lines = lines[n:]
	}
	r.What = append(r.What, b.what()...)
	if len(b.what()) > 0 {
		r.Body = slices.Concat(b.out, rest[len(header):])
	} else {
		r.Body = rest
	}
}

// separators takes the lines off that a mailbox in mbox form has before each message.
func (r *Repair) separators() (rest []byte) {
	rest = r.Body
	for (bytes.HasPrefix(rest, []byte("From ")) || bytes.HasPrefix(rest, []byte(">From "))) && !isField(rest[:lineEnd(rest)]) {
		rest = rest[lineEnd(rest):]
	}
	switch {
	case len(rest) == 0: // nothing else is there
		return r.Body
	case len(rest) < len(r.Body):
		r.Did(reason.MboxRemoved)
	}
	return rest
}

// headerLength is up to and without the empty line, or all there is.
func headerLength(b []byte) int {
	for i := 0; i < len(b); {
		n := lineEnd(b[i:])
		if len(bytes.TrimRight(b[i:i+n], "\r\n")) == 0 {
			return i
		}
		i += n
	}
	return len(b)
}

func hasField(header []byte) bool {
	for len(header) > 0 {
		n := lineEnd(header)
		if isField(header[:n]) {
			return true
		}
		header = header[n:]
	}
	return false
}

// isField tells whether a line begins a field, perhaps with blanks before its colon.
func isField(line []byte) bool {
	name, _, ok := bytes.Cut(line, []byte(":"))
	return ok && isFieldName(bytes.TrimRight(name, " \t"))
}

// headerRepair writes a header anew, line by line.
type headerRepair struct {
	out                     []byte
	blanks, strange, folded bool
}

func (h *headerRepair) what() (what []reason.Reason) {
	if h.blanks {
		what = append(what, reason.Of(reason.BlanksRemoved))
	}
	if h.strange {
		what = append(what, reason.Of(reason.LinesJoined))
	}
	if h.folded {
		what = append(what, reason.Of(reason.LinesFolded))
	}
	return what
}

// line takes over one line with its line end.
func (h *headerRepair) line(line []byte, fold bool) {
	switch {
	case isField(line):
		name, value, _ := bytes.Cut(line, []byte(":"))
		bare := bytes.TrimRight(name, " \t")
		if len(bare) < len(name) {
			h.blanks = true
			line = slices.Concat(bare, []byte(":"), value)
		}
	case len(h.out) == 0: // nothing before it to be joined to
		h.strange = true
		line = slices.Concat([]byte("X-Original-Line: "), bytes.TrimLeft(line, " \t"))
	case line[0] != ' ' && line[0] != '\t':
		h.strange = true
		line = slices.Concat([]byte(" "), line)
	}
	if fold {
		line = h.fold(line)
	}
	h.out = append(h.out, line...)
}

// fold breaks a line before the last white space that leaves its beginning
// short enough; what has no white space there stays.
func (h *headerRepair) fold(line []byte) []byte {
	for len(line) > maxLine+len("\r\n") {
		at := bytes.LastIndexAny(line[:maxLine+1], " \t")
		before := bytes.TrimSpace(line[:max(at, 0)])
		if len(before) == 0 || before[len(before)-1] == ':' || len(bytes.TrimSpace(line[at:])) == 0 {
			break
		}
		h.folded = true
		h.out = append(append(h.out, line[:at]...), "\r\n"...)
		line = line[at:]
	}
	return line
}

// leaveFlags leaves those flags out that the server names, else all keywords, else all. It
// returns false if there are none.
func (r *Repair) leaveFlags(words string) bool {
	var keywords, named []imap.Flag
	for _, f := range r.Flags {
		if !strings.HasPrefix(string(f), `\`) {
			keywords = append(keywords, f)
		}
		if namesFlag(words, f) {
			named = append(named, f)
		}
	}
	switch {
	case len(named) > 0:
		r.leaveOut(named)
	case len(keywords) > 0:
		r.Flags = WithoutFlags(r.Flags, keywords)
		r.Did(reason.KeywordsLeft)
	default:
		r.leaveOut(r.Flags)
	}
	return len(r.What) > 0
}

// leaveOut leaves flags out.
func (r *Repair) leaveOut(flags []imap.Flag) {
	if len(flags) > 0 {
		r.Flags = WithoutFlags(r.Flags, flags)
		r.Did(reason.FlagsLeft, JoinFlags(flags))
	}
}

// namesFlag tells whether a server's words, in lower case, have a flag among them, with or
// without its backslash.
func namesFlag(words string, f imap.Flag) bool {
	name := strings.TrimPrefix(string(f), `\`)
	for word := range strings.FieldsFuncSeq(words, func(r rune) bool { return strings.ContainsRune(" \t'\"`,;:()[]<>\\", r) }) {
		if strings.EqualFold(strings.TrimRight(word, ".!?"), name) {
			return true
		}
	}
	return false
}

func JoinFlags(flags []imap.Flag) string {
	names := make([]string, len(flags))
	for i, f := range flags {
		names[i] = string(f)
	}
	return strings.Join(names, " ")
}
