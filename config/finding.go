package config

import (
	"fmt"
	"slices"
	"strings"
)

// maxFindings bounds how many mistakes an Error lists one by one.
const maxFindings = 1000

// Finding is one thing to be said about a file: a mistake or a warning.
type Finding struct {
	File string // as the caller named it; "" if unknown
	Line int    // starting at 1; 0 if it belongs to no line
	Key  string // what it is about, e.g. "proxy.imaps"; "" for nothing in particular
	Text string // what is wrong and what was expected; never holds a password

	// Code names the mistake of a list of accounts in snake_case, for programs
	// and translations; Args are the figures in its sentence.
	Code string
	Args map[string]any
}

// Mistake is what is wrong with a line of a list of accounts, as an error.
type Mistake struct {
	Code string // as a Finding's
	Args map[string]any
	Text string
}

func (m *Mistake) Error() string { return m.Text }

// String is the finding as one line, e.g.
//
//	config.toml:12: proxy.imaps: "x" is not host:port; expected e.g. ":993"
func (f Finding) String() string {
	var b strings.Builder
	switch {
	case f.File != "" && f.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", f.File, f.Line)
	case f.File != "":
		fmt.Fprintf(&b, "%s: ", f.File)
	case f.Line > 0:
		fmt.Fprintf(&b, "line %d: ", f.Line)
	}
	if f.Key != "" {
		b.WriteString(f.Key + ": ")
	}
	return b.String() + f.Text
}

// Error is every mistake found in a file, in the order of its lines.
type Error struct {
	Mistakes []Finding // at most 1,000
	Omitted  int       // mistakes beyond those
}

// Error lists the mistakes, one a line.
func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Mistakes)+1)
	for _, m := range e.Mistakes {
		lines = append(lines, m.String())
	}
	if e.Omitted > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", e.Omitted))
	}
	return strings.Join(lines, "\n")
}

// newError makes an Error of mistakes; nil if there are none.
func newError(mistakes []Finding) error {
	if len(mistakes) == 0 {
		return nil
	}
	sortFindings(mistakes)
	e := &Error{Mistakes: mistakes}
	if len(mistakes) > maxFindings {
		e.Mistakes, e.Omitted = mistakes[:maxFindings], len(mistakes)-maxFindings
	}
	return e
}

// sortFindings orders by line; what belongs to no line comes last.
func sortFindings(fs []Finding) {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		switch {
		case a.Line == b.Line:
			return 0
		case a.Line == 0:
			return 1
		case b.Line == 0:
			return -1
		}
		return a.Line - b.Line
	})
}
