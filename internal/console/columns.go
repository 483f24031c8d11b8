package console

import (
	"fmt"
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"

	"postferry/internal/table"
)

// lines that come one by one have columns of fixed widths.
const (
	nameWidth = 30 // of logins and folders, in cells
	belowIn   = 4  // what goes on below a line is indented by so many
)

// writeLine writes a name, figures and words as a line of a terminal; what does not fit goes below.
func writeLine(w io.Writer, name, figures, words string) {
	name = Printable(name)
	if runewidth.StringWidth(name) > nameWidth {
		fmt.Fprintln(w, table.Wrap(name, belowIn))
		name = ""
	}
	line := fmt.Sprintf("%s %s  %s", pad(name, nameWidth), figures, words)
	if runewidth.StringWidth(line) <= table.Width {
		fmt.Fprintln(w, strings.TrimRight(line, " "))
		return
	}
	fmt.Fprintf(w, "%s %s\n", pad(name, nameWidth), figures)
	writeBelow(w, words)
}

// writeBelow writes a sentence below a line.
func writeBelow(w io.Writer, sentence string) {
	fmt.Fprintf(w, "%s%s\n", strings.Repeat(" ", belowIn), table.Wrap(sentence, belowIn))
}

// pad makes text so many cells wide, whatever its script.
func pad(text string, cells int) string {
	return runewidth.FillRight(Printable(text), cells)
}

// IsTerminal reports whether w (or r) is a person's.
func IsTerminal(w any) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
