package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash/fnv"

	"postferry/internal/asciifold"
	"postferry/store"
)

// fingerprintFields are the header fields a fingerprint is made of. They
// identify a message as well as anything that every server passes on
// unchanged does (RFC 5322 section 3.6).
var fingerprintFields = [...]string{"Message-ID", "Date", "From", "Sender", "Subject"}

// Indices of fingerprintFields.
const (
	fieldMessageID = 0
	fieldDate      = 1
	fieldFrom      = 2
	fieldSender    = 3
)

// markFields are what other tools mark their copies with, to find them again: isync
// (mbsync) and OfflineIMAP.
var markFields = [...]string{"X-TUID", "X-OfflineIMAP"}

// Fingerprint makes a message's fingerprint of its header and its size in
// octets. The header may be the message's whole header or only the
// fingerprintFields and markFields as HEADER.FIELDS gives them: the result is the same. Line
// ends, folding, runs of white space, the case of field names, NUL and 8-bit
// octets make no difference, as servers rewrite those; of a field that comes
// twice the first counts. The size has a part in it only if there is no
// Message-ID, and without markFields.
func Fingerprint(header []byte, size int64) store.Fingerprint {
	var values [len(fingerprintFields)][]byte
	var seen [len(fingerprintFields)]bool
	EachField(header, func(name, value []byte) {
		for i, field := range fingerprintFields {
			if !seen[i] && asciifold.Compare(string(name), field) == 0 {
				values[i], seen[i] = CollapseSpace(value), true
			}
		}
		for _, field := range markFields {
			if asciifold.Compare(string(name), field) == 0 {
				size -= int64(len(name) + len(":") + len(value))
			}
		}
	})
	if len(values[fieldFrom]) > 0 {
		values[fieldSender] = nil
	}
	hasID := len(values[fieldMessageID]) > 0 && string(values[fieldMessageID]) != "<>"
	if !hasID {
		values[fieldMessageID] = binary.BigEndian.AppendUint64(nil, uint64(size))
	}
	sum := sha256.Sum256(bytes.Join(values[:], []byte{0}))
	fp := store.Fingerprint(sum[:])
	fp[0] &^= messageIDBit
	if hasID {
		fp[0] |= messageIDBit
	}
	return fp
}

// DateMark tells most headers with different Date fields from one another; 0 for none, or an
// unknown one.
type DateMark uint32

// DateMarkOf is a header's.
func DateMarkOf(header []byte) (mark DateMark) {
	EachField(header, func(name, value []byte) {
		if mark == 0 && asciifold.Compare(string(name), fingerprintFields[fieldDate]) == 0 {
			h := fnv.New32a()
			_, _ = h.Write(CollapseSpace(value))
			mark = DateMark(h.Sum32())
		}
	})
	return mark
}

// messageIDBit of a fingerprint's first octet says that a Message-ID is in it.
const messageIDBit = 1

// HasMessageID tells whether a fingerprint has a Message-ID in it.
func HasMessageID(fp store.Fingerprint) bool { return fp[0]&messageIDBit != 0 }

// EachField calls fn with the name and the folded value of each field of a
// header, up to the empty line. What has no field name (an mbox "From " line,
// garbage) is passed over together with its continuation lines.
func EachField(header []byte, fn func(name, value []byte)) {
	for len(header) > 0 {
		field := header[:fieldEnd(header)]
		header = header[len(field):]
		if len(bytes.TrimRight(field, "\r\n")) == 0 {
			return
		}
		name, value, ok := bytes.Cut(field, []byte(":"))
		name = bytes.TrimRight(name, " \t")
		if ok && isFieldName(name) {
			fn(name, value)
		}
	}
}

// fieldEnd returns the length of the first line of b with the continuation
// lines that follow it. An empty line has none.
func fieldEnd(b []byte) int {
	end := lineEnd(b)
	if len(bytes.TrimRight(b[:end], "\r\n")) == 0 {
		return end
	}
	for end < len(b) && (b[end] == ' ' || b[end] == '\t') {
		end += lineEnd(b[end:])
	}
	return end
}

// lineEnd returns the length of the first line of b with its LF.
func lineEnd(b []byte) int {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return i + 1
	}
	return len(b)
}

// isFieldName tells whether it is printable ASCII without space and colon (RFC 5322 section 2.2).
func isFieldName(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return len(b) > 0
}

// CollapseSpace drops what servers rewrite (octets from 0x80, control characters)
// and makes each run of white space one blank, none at the ends.
func CollapseSpace(value []byte) []byte {
	out := make([]byte, 0, len(value))
	for _, c := range value {
		switch {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			if len(out) > 0 && out[len(out)-1] != ' ' {
				out = append(out, ' ')
			}
		case c > ' ' && c < 0x7f:
			out = append(out, c)
		}
	}
	return bytes.TrimRight(out, " ")
}

// maxHeader bounds what headerCapture keeps of a message. Octets.
const maxHeader = 256 << 10

// HeaderCapture is an io.Writer that keeps the header of the message written
// to it, up to and including the empty line, and at most maxHeader octets.
// The zero value is ready.
type HeaderCapture struct {
	kept []byte
	done bool
}

// Write never fails.
func (h *HeaderCapture) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0 && !h.done; {
		line := rest[:min(lineEnd(rest), maxHeader-len(h.kept))]
		rest = rest[len(line):]
		h.kept = append(h.kept, line...)
		h.done = endsHeader(h.kept) || len(h.kept) == maxHeader
	}
	return len(p), nil
}

// Header returns what was kept.
func (h *HeaderCapture) Header() []byte { return h.kept }

// Done reports whether the header is complete or full, so that writing more
// changes nothing.
func (h *HeaderCapture) Done() bool { return h.done }

// endsHeader reports whether the last line of b is an empty one, with its LF.
func endsHeader(b []byte) bool {
	b, ok := bytes.CutSuffix(b, []byte("\n"))
	if !ok {
		return false
	}
	b = bytes.TrimSuffix(b, []byte("\r"))
	return len(b) == 0 || b[len(b)-1] == '\n'
}

// Header is the header of a whole message.
func Header(body []byte) []byte {
	for i := 0; i < len(body) && i < maxHeader; {
		end := bytes.IndexByte(body[i:], '\n')
		if end < 0 {
			break
		}
		line := bytes.TrimSuffix(body[i:i+end], []byte("\r"))
		i += end + 1
		if len(line) == 0 {
			return body[:i]
		}
	}
	return body[:min(len(body), maxHeader)]
}
