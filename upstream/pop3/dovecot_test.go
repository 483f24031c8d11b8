package pop3

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/upstream/link"
)

var oddPassword = "p\xe4ß \"q\" \\ %§ {5}"

func dial(t testing.TB, server config.Server, c store.Credentials) *Session {
	t.Helper()
	s, err := Dial(t.Context(), server, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.Login(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDovecot(t *testing.T) {
	d := lab.StartDovecot(t, lab.DovecotOptions{Users: []lab.User{{Login: "ann", Password: "hush-0f-ann"}, {Login: "bob", Password: oddPassword}}})
	mails := lab.Generate(1, 40, 4096)
	d.FillMaildir("ann", "INBOX", mails)
	d.Open("ann", "INBOX") // a POP3 session takes \\Recent away; that can't be helped
	before := d.Snapshot("ann")
	t.Run("security", func(t *testing.T) {
		for name, server := range map[string]config.Server{
			"TLS": d.ImplicitTLSPOP3(), "STLS": d.StartTLSPOP3(), "none": d.InsecurePOP3(),
		} {
			s := dial(t, server, store.Credentials{Login: "bob", Password: store.Secret(oddPassword)})
			if !s.Has("UIDL") || !s.Has("pipelining") {
				t.Errorf("%s: %q", name, s.Capabilities())
			}
			answer, err := Probe(t.Context(), server, link.Options{})
			if err != nil || !strings.HasPrefix(answer.Greeting, "lab ") || (len(answer.Certificates) == 1) != (name != "none") || len(answer.Capabilities) < 3 {
				t.Errorf("%s: %+v, %v", name, answer, err)
			}
		}
		unknown := d.ImplicitTLSPOP3()
		unknown.CA = ""
		if _, err := Dial(t.Context(), unknown, testOptions(t)); link.ClassOf(err) != link.Fix {
			t.Errorf("unknown authority: %v", err)
		}
		s, err := Dial(t.Context(), d.InsecurePOP3(), testOptions(t))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var e *link.Error
		if err := s.Login(t.Context(), store.Credentials{Login: "ann", Password: "wrong"}); !errors.As(err, &e) || e.Class != link.Fix || e.Code != "AUTH" {
			t.Errorf("wrong password: %v", err)
		}
	})
	t.Run("messages", func(t *testing.T) {
		s := dial(t, d.InsecurePOP3(), ann)
		n, list, err := s.List(t.Context())
		if err != nil || n != len(mails) || len(list) != n {
			t.Fatalf("%d, %d listed, %v", n, len(list), err)
		}
		at := 0
		err = s.Bodies(t.Context(), list, func(m Message, size int64, body io.Reader) error {
			got, err := io.ReadAll(body)
			if m != list[at] || m.UID == "" || err != nil || int64(len(got)) != size || size != m.Size {
				t.Errorf("%d: %+v, %d octets of %d, %v", at, m, len(got), size, err)
			}
			at++
			return nil
		})
		if err != nil || at != n {
			t.Fatalf("%d bodies, %v", at, err)
		}
		at = 0
		err = s.Headers(t.Context(), list, true, func(m Message, header []byte) error {
			if m != list[at] || !bytes.HasSuffix(header, []byte("\r\n\r\n")) {
				t.Errorf("header of %+v: %q", m, header)
			}
			at++
			return nil
		})
		if err != nil || at != n {
			t.Fatalf("%d headers, %v", at, err)
		}
		if err := s.Logout(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Alive(t.Context()); link.ClassOf(err) != link.Lost {
			t.Errorf("after the end: %v", err)
		}
	})
	if diff := before.Diff(d.Snapshot("ann")); diff != "" {
		t.Errorf("the mailbox has changed: %s", diff)
	}
}

// A session that has ended has left the mailbox to others.
func TestLock(t *testing.T) {
	d := lab.StartDovecot(t, lab.DovecotOptions{
		Users: []lab.User{{Login: "ann", Password: "hush-0f-ann"}}, ExtraConfig: "pop3_lock_session = yes\n",
	})
	first := dial(t, d.InsecurePOP3(), ann)
	second, err := Dial(t.Context(), d.InsecurePOP3(), testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer second.link.Close()
	in := make(chan error, 1)
	go func() { in <- second.Login(t.Context(), ann) }()
	select {
	case err := <-in:
		t.Errorf("not locked: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	if err := first.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-in; err != nil {
		t.Errorf("still locked: %v", err)
	}
}
