package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// courierLogin is the part of a session before login. It reads octet by octet,
// so that what a client sends ahead is left for imapd.
type courierLogin struct {
	conn    net.Conn
	accepts func(user, password string) bool
}

// run talks with the client until it has logged in. The answer to that command
// is imapd's.
func (l *courierLogin) run() (tag, user string, err error) {
	if err := l.say("* OK [CAPABILITY %s] Courier-IMAP ready.", courierCapability); err != nil {
		return "", "", err
	}
	for {
		args, err := l.command()
		if err != nil {
			return "", "", err
		}
		if len(args) < 2 {
			err = l.say("* BAD Invalid tag")
		} else if len(args) == 4 && strings.EqualFold(args[1], "LOGIN") {
			if l.accepts(args[2], args[3]) {
				return args[0], args[2], nil
			}
			err = l.say("%s NO Login failed.", args[0])
		} else {
			err = l.answer(args[0], strings.ToUpper(args[1]))
		}
		if err != nil {
			return "", "", err
		}
	}
}

// answer answers all other commands.
func (l *courierLogin) answer(tag, verb string) error {
	switch verb {
	case "NOOP":
		return l.say("%s OK NOOP completed", tag)
	case "CAPABILITY":
		return l.say("* CAPABILITY %s\r\n%s OK CAPABILITY completed", courierCapability, tag)
	case "LOGOUT":
		return errors.Join(l.say("* BYE Courier-IMAP server shutting down\r\n%s OK LOGOUT completed", tag), io.EOF)
	}
	return l.say("%s BAD Error in IMAP command", tag)
}

func (l *courierLogin) say(format string, args ...any) error {
	_, err := fmt.Fprintf(l.conn, format+"\r\n", args...)
	return err
}

// command reads a command and splits it at its spaces; quoted strings and
// literals are unwrapped.
func (l *courierLogin) command() ([]string, error) {
	var args []string
	for {
		line, err := l.line()
		if err != nil {
			return nil, err
		}
		size := -1
		if open := strings.LastIndexByte(line, '{'); open >= 0 && strings.HasSuffix(line, "}") {
			if n, err := strconv.Atoi(line[open+1 : len(line)-1]); err == nil && n >= 0 && n <= 4096 {
				line, size = line[:open], n
			}
		}
		args = append(args, splitArgs(line)...)
		if size < 0 {
			return args, nil
		}
		if err := l.say("+ OK"); err != nil {
			return nil, err
		}
		literal := make([]byte, size)
		if _, err := io.ReadFull(l.conn, literal); err != nil {
			return nil, err
		}
		args = append(args, string(literal))
	}
}

func (l *courierLogin) line() (string, error) {
	var line bytes.Buffer
	octet := make([]byte, 1)
	for line.Len() < 16<<10 {
		if _, err := io.ReadFull(l.conn, octet); err != nil {
			return "", err
		}
		if octet[0] == '\n' {
			return strings.TrimSuffix(line.String(), "\r"), nil
		}
		line.WriteByte(octet[0])
	}
	return "", errors.New("line too long")
}

// splitArgs splits at spaces outside quotes.
func splitArgs(line string) []string {
	var args []string
	var arg strings.Builder
	quoted, escaped, begun := false, false, false
	for _, c := range []byte(line) {
		switch {
		case escaped:
			arg.WriteByte(c)
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted, begun = !quoted, true
		case c == ' ' && !quoted:
			if begun {
				args = append(args, arg.String())
			}
			arg.Reset()
			begun = false
		default:
			arg.WriteByte(c)
			begun = true
		}
	}
	if begun {
		args = append(args, arg.String())
	}
	return args
}
