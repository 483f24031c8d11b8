package config

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// ListEncoding is how the characters of a list are written. Servers are given
// passwords in UTF-8 (RFC 4616 section 2), whatever the list was written in.
type ListEncoding string

const (
	// ListUTF8 is UTF-8; or UTF-16, if the list begins with its byte order
	// mark. A line in any other encoding is a mistake: nothing is guessed,
	// because a wrong guess is a wrong password.
	ListUTF8 ListEncoding = ""
	// ListWindows1252 is what Western European spreadsheets write; it includes Latin-1.
	ListWindows1252 ListEncoding = "windows-1252"
	// ListWindows1251 is what Russian spreadsheets write.
	ListWindows1251 ListEncoding = "windows-1251"
	// ListBytes leaves passwords as they are, octet for octet: for servers that
	// keep them in an old encoding themselves. Logins must be UTF-8 all the same.
	ListBytes ListEncoding = "bytes"
)

// ParseListEncoding reads an encoding's name.
func ParseListEncoding(name string) (ListEncoding, error) {
	switch e := ListEncoding(strings.ToLower(name)); e {
	case ListUTF8, "utf-8", "utf8":
		return ListUTF8, nil
	case ListWindows1252, "latin1", "iso-8859-1":
		return ListWindows1252, nil
	case ListWindows1251, ListBytes:
		return e, nil
	}
	return "", fmt.Errorf("unknown encoding; expected utf-8, %s, %s or %s", ListWindows1252, ListWindows1251, ListBytes)
}

// decodeList makes UTF-8 of r. decoded says that it was something else. A byte order mark is believed rather than
// the encoding that somebody has named: read by that, the passwords would be wrong, and nobody be told.
func decodeList(r *bufio.Reader, e ListEncoding) (utf8 io.Reader, decoded bool) {
	mark, _ := r.Peek(len(byteOrderMark)) // what can't be read is found when it is read
	switch {
	case e == ListBytes, string(mark) == byteOrderMark:
		return r, false
	case strings.HasPrefix(string(mark), "\xff\xfe"), strings.HasPrefix(string(mark), "\xfe\xff"):
		return transform.NewReader(r, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()), true
	case e == ListWindows1252:
		return transform.NewReader(r, charmap.Windows1252.NewDecoder()), true
	case e == ListWindows1251:
		return transform.NewReader(r, charmap.Windows1251.NewDecoder()), true
	}
	return r, false
}

// byteOrderMark is that of UTF-8.
const byteOrderMark = "\ufeff"

// notText tells whether a list is a file of another kind: above all the workbook of a spreadsheet program (a ZIP
// archive or an OLE file), of which each line would be a mistake that nobody can do anything about.
func notText(r *bufio.Reader) bool {
	begin, _ := r.Peek(8) // what can't be read is found when it is read
	for _, kind := range []string{"PK\x03\x04", "\xd0\xcf\x11\xe0", "%PDF-", "{\\rtf", "\x1f\x8b", "\x7fELF"} {
		if strings.HasPrefix(string(begin), kind) {
			return true
		}
	}
	return false
}
