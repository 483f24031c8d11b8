// Package transcript plays conversations with mail servers that were written down, for the tests of
// package upstream and what is below it. It knows no protocol but for the login with which most
// conversations in IMAP begin.
package transcript

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"postferry/config"
	"postferry/upstream/link"
)

// Script is a conversation as the server has it. Its lines:
//
//	S: text       the server sends text and CRLF
//	S| "text"     the server sends the Go string as it is
//	C: text       the client must send text and CRLF
//	C| "text"     the client must send the Go string
//	@ CAPS        greeting and login of ann, who then has these capabilities
//	= text        the test must come to this result
//	# text        a remark
//
// At its end the server closes the connection.
type Script struct {
	Steps  []step
	result []string
}

type step struct {
	Send bool
	Data string
}

func Parse(t testing.TB, text string) Script {
	t.Helper()
	var sc Script
	add := func(send bool, data string) { sc.Steps = append(sc.Steps, step{send, data}) }
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "S:", "C:":
			add(kind == "S:", rest+"\r\n")
		case "S|", "C|":
			data, err := strconv.Unquote(rest)
			if err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			add(kind == "S|", data)
		case "@":
			add(true, "* OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\r\n")
			add(false, "P1 AUTHENTICATE PLAIN AGFubgBodXNoLTBmLWFubg==\r\n")
			add(true, "P1 OK [CAPABILITY IMAP4rev1 "+rest+"] welcome\r\n")
		case "=":
			sc.result = append(sc.result, rest)
		case "#", "":
		default:
			t.Fatalf("what is %q?", line)
		}
	}
	return sc
}

// Play is the server's part.
func (sc Script) Play(nc net.Conn) error {
	defer nc.Close()
	r := bufio.NewReader(nc)
	nc.SetDeadline(time.Now().Add(30 * time.Second))
	for _, st := range sc.Steps {
		if st.Send {
			if _, err := io.WriteString(nc, st.Data); err != nil {
				return fmt.Errorf("server: %q: %w", st.Data, err)
			}
			continue
		}
		got := make([]byte, len(st.Data))
		n, err := io.ReadFull(r, got)
		if string(got[:n]) != st.Data {
			return fmt.Errorf("client: got %q, %v; want %q", got[:n], err, st.Data)
		}
	}
	if rest, _ := io.ReadAll(io.LimitReader(r, int64(r.Buffered()))); len(rest) > 0 {
		return fmt.Errorf("client: got %q behind the end", rest)
	}
	return nil
}

// Serve plays a script to the first connection. What went wrong is reported
// when the test ends.
func Serve(t testing.TB, sc Script) config.Server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	played := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			err = sc.Play(nc)
		}
		played <- err
	}()
	t.Cleanup(func() {
		ln.Close()
		if err := <-played; err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	addr := ln.Addr().(*net.TCPAddr)
	return config.Server{Security: config.Insecure, Host: addr.IP.String(), Port: addr.Port}
}

// Verdict is an error, its class and hint, on one line.
func Verdict(err error) string {
	if err == nil {
		return "ok"
	}
	text := err.Error()
	if e, ok := errors.AsType[*link.Error](err); ok {
		text = strings.ReplaceAll(text, e.Server, "server")
		return fmt.Sprintf("%v %v: %s", e.Class, e.After, text)
	}
	return text
}

// Each wants the conversations in a folder to come to the results they
// tell; verb is the first word of their name.
func Each(t *testing.T, folder string, parse func(testing.TB, string) Script, act func(t *testing.T, text, verb string, say func(string, ...any))) {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			verb, _, _ := strings.Cut(name, "-")
			var got []string
			act(t, string(text), verb, func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) })
			want := parse(t, string(text)).result
			if g, w := strings.Join(got, "\n= "), strings.Join(want, "\n= "); g != w {
				t.Errorf("got\n= %s\nwant\n= %s", g, w)
			}
		})
	}
}
