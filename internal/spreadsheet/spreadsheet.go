// Package spreadsheet writes CSV (RFC 4180) for people who open it with a spreadsheet
// program. Such a program takes a cell that begins with "=" and some other characters
// for a formula, and a formula can fetch a web address or start a program. What mail
// servers and their users call folders, and say, must not become one.
package spreadsheet

import (
	"encoding/csv"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Writer writes lines of cells.
type Writer struct{ csv *csv.Writer }

// NewWriter writes to w, at the latest in Flush.
func NewWriter(w io.Writer) *Writer { return &Writer{csv.NewWriter(w)} }

// Write writes a line. Cells that would be formulas get an apostrophe in front, by
// which spreadsheet programs know text.
func (w *Writer) Write(cells ...string) error {
	line := make([]string, len(cells))
	for i, c := range cells {
		line[i] = Text(c)
	}
	return w.csv.Write(line)
}

// Flush writes what is left, and returns the first error of all writes.
func (w *Writer) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}

// formula are the characters that begin one, the wide ones of East Asian keyboards
// included; separators are those at which a program that expects another list
// separator than the comma begins a new cell, in whatever it is quoted.
const (
	formula    = "=+-@\uff1d\uff0b\uff0d\uff20"
	separators = "\t\r\n;"
)

// Text is a cell as no spreadsheet program takes it for a formula.
func Text(cell string) string {
	if !strings.ContainsAny(cell, formula+separators) {
		return cell
	}
	var out strings.Builder
	begins := true
	for rest := cell; rest != ""; {
		c, width := utf8.DecodeRuneInString(rest)
		separates := strings.ContainsRune(separators, c)
		if begins && (strings.ContainsRune(formula, c) || separates && len(rest) == len(cell)) {
			out.WriteByte('\'')
		}
		out.WriteString(rest[:width])
		rest = rest[width:]
		begins = separates || begins && (c == '"' || unicode.IsSpace(c))
	}
	return out.String()
}
