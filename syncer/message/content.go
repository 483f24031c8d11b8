package message

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"slices"
	"strings"

	"postferry/internal/asciifold"
)

// Content is what stays of a message whatever server keeps it, so that two with the same
// header fields of a fingerprint can be told apart: one that came back by a list, with its
// footer, or an earlier draft.
type Content struct {
	text   [16]byte // SHA-256 of what is behind the header, without CRs, as Courier stores it, and with NULs as Dovecot shows them
	fields string   // the names of the header's fields, but for those that servers and tools add
	header [16]byte // SHA-256 of the header without CRs and the line ends behind it, and with X for NULs and octets above 127, as Cyrus writes it
}

// Says tells whether two messages with the same fingerprint are one.
func (c Content) Says(other Content) bool { return c.text == other.text && c.fields == other.fields }

// same tells whether two messages are one whatever their fingerprints are: all of them is the same.
func (c Content) same(other Content) bool { return c.text == other.text && c.header == other.header }

// addedFields are header fields that servers and other tools add to their copies and take
// away, besides those that begin with X-.
var addedFields = []string{"status", "content-length", "lines", "xref"}

// ReadContent reads a message.
func ReadContent(r io.Reader) (c Content, err error) {
	var header HeaderCapture
	text := HashWithoutLineEnds{Hash: sha256.New()}
	text.To = bufio.NewWriterSize(text.Hash, 8<<10)
	in := bufio.NewReader(r)
	for !header.Done() {
		line, err := in.ReadSlice('\n')
		header.Write(line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return Content{}, err
		}
	}
	if _, err := io.Copy(plainText{&text}, in); err != nil {
		return Content{}, err
	}
	return Content{text: [16]byte(text.Sum()), fields: fieldNames(header.Header()), header: headerSum(header.Header())}, nil
}

// headerSum is the sum of a header as every server keeps it.
func headerSum(header []byte) [16]byte {
	plain := make([]byte, 0, len(header))
	for _, c := range withoutMarks(header) {
		switch {
		case c == '\r':
		case c == 0 || c > 127:
			plain = append(plain, 'X')
		default:
			plain = append(plain, c)
		}
	}
	sum := sha256.Sum256(bytes.TrimRight(plain, "\n"))
	return [16]byte(sum[:16])
}

// withoutMarks is a header without the fields with which other tools mark their copies.
func withoutMarks(header []byte) []byte {
	var rest []byte
	mark := false
	for len(header) > 0 {
		n := lineEnd(header)
		line := header[:n]
		header = header[n:]
		if line[0] != ' ' && line[0] != '\t' { // not the rest of the field before
			name, _, _ := bytes.Cut(line, []byte(":"))
			mark = slices.ContainsFunc(markFields[:], func(field string) bool { return asciifold.Compare(string(name), field) == 0 })
		}
		if !mark {
			rest = append(rest, line...)
		}
	}
	return rest
}

// plainText passes NULs on as 0x80, and no CRs.
type plainText struct{ w io.Writer }

func (n plainText) Write(p []byte) (int, error) {
	text := bytes.ReplaceAll(p, []byte{'\r'}, nil)
	if bytes.IndexByte(text, 0) >= 0 {
		text = bytes.ReplaceAll(text, []byte{0}, []byte{0x80})
	}
	_, err := n.w.Write(text)
	return len(p), err
}

// fieldNames are the names of a header's fields, sorted.
func fieldNames(header []byte) string {
	var names []string
	EachField(header, func(name, _ []byte) {
		lower := strings.ToLower(string(name))
		if !strings.HasPrefix(lower, "x-") && !slices.Contains(addedFields, lower) {
			names = append(names, lower)
		}
	})
	slices.Sort(names)
	return strings.Join(names, "\n")
}

// MarkOctets is how many octets of a header are those with which other tools mark their copies.
func MarkOctets(header []byte) (octets int64) {
	EachField(header, func(name, value []byte) {
		for _, field := range markFields {
			if asciifold.Compare(string(name), field) == 0 {
				octets += int64(len(name) + len(":") + len(value))
			}
		}
	})
	return octets
}

// HashWithoutLineEnds hashes what is written to it with its line ends made alike.
type HashWithoutLineEnds struct {
	Hash hash.Hash
	To   *bufio.Writer
	crs  int // that may belong to a line end
	lfs  int // held back, as they may be the last
}

// Write never fails.
func (l *HashWithoutLineEnds) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		switch rest[0] {
		case '\r':
			l.crs++
			rest = rest[1:]
			continue
		case '\n':
			l.crs = 0
			l.lfs++
			rest = rest[1:]
			continue
		}
		n := bytes.IndexAny(rest, "\r\n")
		if n < 0 {
			n = len(rest)
		}
		l.text(rest[:n])
		rest = rest[n:]
	}
	return len(p), nil
}

// text hashes a part of a line and what was held back before it.
func (l *HashWithoutLineEnds) text(b []byte) {
	l.repeat('\n', l.lfs)
	l.repeat('\r', l.crs)
	l.lfs, l.crs = 0, 0
	_, _ = l.To.Write(b) // a hash never fails
}

func (l *HashWithoutLineEnds) repeat(c byte, n int) {
	for range n {
		_ = l.To.WriteByte(c)
	}
}

func (l *HashWithoutLineEnds) Sum() []byte {
	if l.crs > 0 { // after the last line end: they are text, and it isn't the last
		l.text(nil)
	}
	l.repeat('\n', l.lfs-1)
	_ = l.To.Flush()
	return l.Hash.Sum(nil)[:16]
}
