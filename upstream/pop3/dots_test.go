package pop3

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"postferry/internal/lab"
	"postferry/upstream/link"
)

// dotMails are messages with lines that begin with a dot, and what can be had of each from a
// server that stuffs no dots; "" for those whose end can't be told.
var dotMails = []struct{ body, want string }{
	{"Subject: 0\r\n\r\nplain\r\n", "Subject: 0\r\n\r\nplain\r\n"},
	{"Subject: 1\r\n\r\nbefore\r\n.\r\nafter\r\n", ""},
	{"Subject: 2\r\n\r\n.profile\r\n", "Subject: 2\r\n\r\n.profile\r\n"},
	{"Subject: 3\r\n\r\n.\r\n.\r\n.\r\nthree of them\r\n", ""},
	{"Subject: 4\r\n\r\n.. two\r\n.one\r\n", "Subject: 4\r\n\r\n.. two\r\n.one\r\n"},
	{"Subject: 5\r\n\r\nlong\r\n.\r\n" + strings.Repeat("text\r\n", 20_000), ""},
	{"Subject: 6\r\n\r\nthe end\r\n.\r\n", ""},
	{"Subject: 7\r\n\r\nplain\r\n", "Subject: 7\r\n\r\nplain\r\n"},
}

// TestWithoutDotStuffing: of a server that stuffs no dots, a message in which a dot stands
// alone is not to be had, all others come as they are, and the session goes on.
func TestWithoutDotStuffing(t *testing.T) {
	for name, odd := range map[string]lab.POP3Oddities{
		"modern": {Capabilities: []string{"TOP", "UIDL", "PIPELINING"}}, "one by one": {Capabilities: []string{"TOP", "UIDL"}},
		"no TOP": {NoTOP: true}, "no TOP, pipelined": {NoTOP: true, Capabilities: []string{"PIPELINING"}}, "old": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			odd.Unstuffed = true
			var mails []lab.POP3Mail
			for i, m := range dotMails {
				mails = append(mails, lab.POP3Mail{UID: fmt.Sprint("id", i), Body: []byte(m.body)})
			}
			opt := testOptions(t)
			opt.Quirks = &link.Quirks{}
			server := lab.StartPOP3(t, odd, mails...)
			got := map[uint32]string{}
			var endless error
			for range 3 { // what it learns of the server may cost the session, as with its callers
				s, err := Dial(t.Context(), server.Server(), opt)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				if err := s.Login(t.Context(), ann); err != nil {
					t.Fatal(err)
				}
				_, list, err := s.List(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				endless = s.Bodies(t.Context(), list, func(m Message, size int64, r io.Reader) error {
					body, err := io.ReadAll(r)
					if err != nil || int64(len(body)) != size {
						return fmt.Errorf("%d of %d octets, %w", len(body), size, err)
					}
					got[m.Number] = string(body)
					return nil
				})
				if link.ClassOf(endless) == link.Refused {
					if err := s.Alive(t.Context()); err != nil {
						t.Error(err)
					}
					break
				}
			}
			if !errors.Is(endless, link.ErrEndless) || link.ClassOf(endless) != link.Refused {
				t.Errorf("error %v", endless)
			}
			for i, m := range dotMails {
				if body, came := got[uint32(i+1)]; body != m.want || came != (m.want != "") {
					t.Errorf("message %d: %.60q, %v", i, body, came)
				}
			}
		})
	}
}

// TestDotAtTheEnd: where nothing but the size tells that more must follow.
func TestDotAtTheEnd(t *testing.T) {
	const body = "Subject: x\r\n\r\nbefore\r\n.\r\nafter\r\n"
	for name, step := range map[string]string{
		"at once":        `S| "+OK\r\nSubject: x\r\n\r\nbefore\r\n.\r\nafter\r\n.\r\n"` + "\n",
		"later":          `S| "+OK\r\nSubject: x\r\n\r\nbefore\r\n.\r\n"` + "\nC: NOOP\n" + `S| "after\r\n.\r\n+OK\r\n"` + "\n",
		"a reply within": `S| "+OK\r\nSubject: x\r\n\r\nbefore\r\n.\r\n"` + "\nC: NOOP\n" + `S| "-- \r\n.\r\n+OK\r\n"` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Dial(t.Context(), serve(t, parseScript(t, "@-\nC: RETR 1\n"+step+"C: NOOP\nS: +OK\n")), testOptions(t))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Login(t.Context(), ann); err != nil {
				t.Fatal(err)
			}
			s.opt.Quirks.Distrust(givesTop)
			came := false
			err = s.Bodies(t.Context(), []Message{{Number: 1, Size: int64(len(body))}}, func(Message, int64, io.Reader) error {
				came = true
				return nil
			})
			if came || !errors.Is(err, link.ErrEndless) {
				t.Errorf("came: %v, %v", came, err)
			}
			if err := s.Alive(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}
