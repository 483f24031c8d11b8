package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// talk is a conversation in raw IMAP, for what a library would not tell.
type talk struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	tags int
}

// talkTo connects with TLS from the first byte and reads the greeting.
func talkTo(t *testing.T, addr string, cfg *tls.Config) *talk {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	k := &talk{t: t, conn: conn, r: bufio.NewReader(conn)}
	if greeting := k.response(); !strings.HasPrefix(greeting, "* OK ") {
		t.Fatalf("greeting: %q", greeting)
	}
	return k
}

// send sends text as it is.
func (k *talk) send(text string) {
	k.t.Helper()
	if _, err := io.WriteString(k.conn, text); err != nil {
		k.t.Fatal(err)
	}
}

// response reads one response, which must be a line, and returns it without its end.
func (k *talk) response() string {
	k.t.Helper()
	if err := k.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		k.t.Fatal(err)
	}
	line, err := k.r.ReadString('\n')
	if err != nil {
		k.t.Fatalf("%v after %q", err, line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// ask sends a command and returns all responses up to its completion, whose
// tag is replaced by "TAG".
func (k *talk) ask(format string, args ...any) []string {
	k.t.Helper()
	k.tags++
	tag := fmt.Sprintf("T%d", k.tags)
	k.send(tag + " " + fmt.Sprintf(format, args...) + "\r\n")
	return k.until(tag)
}

// until reads responses up to the completion of the command with a tag.
func (k *talk) until(tag string) []string {
	k.t.Helper()
	var all []string
	for {
		line := k.response()
		if rest, ok := strings.CutPrefix(line, tag+" "); ok {
			return append(all, "TAG "+rest)
		}
		all = append(all, line)
	}
}

// completion is a command's last response.
func completion(responses []string) string { return responses[len(responses)-1] }

// imapString spells a string as a literal that needs no invitation.
func imapString(s string) string { return fmt.Sprintf("{%d+}\r\n%s", len(s), s) }
