package lab

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	// poured is how many messages one APPEND of Pour has, and pouredAhead how many such
	// commands may be under way.
	poured      = 1000
	pouredAhead = 4
)

// Pour puts n small messages into a folder that is there, in any format and as fast as the server takes them:
// for folders that are larger than files could be written for. Each has a text and a date of its own.
func (d *Dovecot) Pour(login, folder string, n int) {
	d.tb.Helper()
	d.mu.Lock()
	password := d.users[login].password
	d.mu.Unlock()
	conn, err := net.Dial("tcp", d.IMAP)
	if err != nil {
		d.tb.Fatalf("lab: %v", err)
	}
	defer conn.Close()
	r, w := bufio.NewReader(conn), bufio.NewWriterSize(conn, 1<<20)
	secret := base64.StdEncoding.EncodeToString([]byte("\x00" + login + "\x00" + password))
	fmt.Fprintf(w, "a AUTHENTICATE PLAIN %s\r\n", secret)
	sent, done := 0, 0
	for ; done*poured < n; done++ {
		for sent < done+pouredAhead && sent*poured < n {
			pour(w, folder, sent*poured, min((sent+1)*poured, n))
			sent++
		}
		if err := w.Flush(); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
		if err := awaitPoured(r); err != nil {
			d.tb.Fatalf("lab: %v", err)
		}
	}
}

// pour writes one APPEND.
func pour(w *bufio.Writer, folder string, from, to int) {
	fmt.Fprintf(w, "p APPEND %q", folder)
	for i := from; i < to; i++ {
		date := defaultDate.Add(time.Duration(i) * time.Minute)
		text := fmt.Sprintf("From: lab@example.com\r\nTo: %s@example.com\r\nDate: %s\r\nSubject: poured %d\r\nMessage-ID: <%d@lab.example>\r\n\r\n%s\r\n",
			"somebody", date.Format(time.RFC1123Z), i, i, strings.Repeat("poured ", 30+i%7))
		fmt.Fprintf(w, " (\\Seen) \"%s\" {%d+}\r\n%s", date.Format("02-Jan-2006 15:04:05 -0700"), len(text), text)
	}
	fmt.Fprint(w, "\r\n")
}

// awaitPoured reads to the end of an APPEND.
func awaitPoured(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "a NO") || strings.HasPrefix(line, "p ") {
			if !strings.HasPrefix(line, "p OK") {
				return fmt.Errorf("%s", strings.TrimSpace(line))
			}
			return nil
		}
	}
}
