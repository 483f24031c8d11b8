package lab

import (
	"bufio"
	"errors"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
)

// oddReader reads commands.
type oddReader struct{ r *bufio.Reader }

func newOddReader(conn net.Conn) *oddReader { return &oddReader{bufio.NewReader(conn)} }

// errOddSyntax is a command that the server can't read on.
var errOddSyntax = errors.New("lab: not a command")

// line reads a line without its end.
func (r *oddReader) line() (string, error) {
	line, err := r.r.ReadString('\n')
	if err != nil {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// octets reads a literal.
func (r *oddReader) octets(n int) (string, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r.r, b)
	return string(b), err
}

// oddLiteral finds the announcement at the end of a line.
var oddLiteral = regexp.MustCompile(`^(.*)\{([0-9]+)(\+?)\}$`)

// args reads the rest of a command that starts with line: words, quoted
// strings and literals as what they stand for, lists as they are. enough says,
// of what was read so far, that no literal may follow.
func (c *OddConn) args(line string, enough func(args []string) bool) (args []string, err error) {
	for {
		m := oddLiteral.FindStringSubmatch(line)
		if m == nil {
			return append(args, oddWords(line)...), nil
		}
		args = append(args, oddWords(m[1])...)
		if enough(args) || m[3] != "" && !c.has("LITERAL+") {
			return args, errOddSyntax // and what follows is taken for commands
		}
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return args, errOddSyntax
		}
		if m[3] == "" {
			c.say("+ go on\r\n")
		}
		literal, err := c.in.octets(n)
		if err != nil {
			return args, err
		}
		args = append(args, literal)
		if line, err = c.in.line(); err != nil {
			return args, err
		}
	}
}

// oddWords splits a line.
func oddWords(line string) (words []string) {
	for line = strings.TrimLeft(line, " "); line != ""; line = strings.TrimLeft(line, " ") {
		n, word := oddWord(line)
		words = append(words, word)
		line = line[n:]
	}
	return words
}

// oddWord returns the first word and its length in the line.
func oddWord(line string) (int, string) {
	switch line[0] {
	case '"':
		var word []byte
		for i := 1; i < len(line); i++ {
			switch {
			case line[i] == '"':
				return i + 1, string(word)
			case line[i] == '\\' && i+1 < len(line):
				i++
			}
			word = append(word, line[i])
		}
		return len(line), string(word)
	case '(':
		depth := 0
		for i := range len(line) {
			switch line[i] {
			case '(':
				depth++
			case ')':
				if depth--; depth == 0 {
					return i + 1, line[:i+1]
				}
			}
		}
		return len(line), line
	}
	if n := strings.IndexByte(line, ' '); n >= 0 {
		return n, line[:n]
	}
	return len(line), line
}

// oddQuote writes a name as a quoted string.
func oddQuote(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
}

// oddSet is a set of UIDs.
type oddSet [][2]uint32

// parseOddSet reads a set; last is what "*" stands for.
func parseOddSet(text string, last uint32) (set oddSet) {
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, ":")
		if !isRange {
			to = from
		}
		a, b := oddNumber(from, last), oddNumber(to, last)
		set = append(set, [2]uint32{min(a, b), max(a, b)})
	}
	return set
}

func oddNumber(text string, last uint32) uint32 {
	if text == "*" {
		return last
	}
	n, _ := strconv.ParseUint(text, 10, 32) //nolint:errcheck // what is none matches nothing
	return uint32(n)
}

func (s oddSet) has(uid uint32) bool {
	for _, r := range s {
		if r[0] <= uid && uid <= r[1] {
			return true
		}
	}
	return false
}
