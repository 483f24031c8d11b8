package pop3

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/upstream/link"
	"postferry/upstream/transcript"
)

// The trace has everything but what is private.
func TestTrace(t *testing.T) {
	const talk = `S: +OK hello
C: CAPA
S: +OK
S: USER
S: .
C: USER ann
S: +OK send PASS for ann
C: PASS hush-0f-ann
S: +OK hush-0f-ann in
C: CAPA
S: +OK
S: USER
S: .
C: STAT
S: +OK 1 9
C: LIST
S: +OK
S: 1 9
S: .
C: UIDL
S: +OK
S: 1 private
S: .
C: RETR 1
S: +OK here it is
S: private
S: .
`
	const want = `-: connected
S: +OK hello
C: CAPA
S: +OK
S: USER
C: USER [secret]
S: +OK [masked]
C: PASS [secret]
S: +OK [masked]
C: CAPA
S: +OK
S: USER
C: STAT
S: +OK 1 9
C: LIST
S: +OK
S: [1 lines]
C: UIDL
S: +OK
S: [1 lines]
C: RETR 1
S: +OK here it is
S: [9 octets]
-: closed
`
	var out bytes.Buffer
	tracer := link.NewTracer(&out, zerolog.Nop())
	opt := testOptions(t)
	opt.Trace = tracer.Session("ann")
	server := serve(t, transcript.Parse(t, talk))
	s, err := Dial(t.Context(), server, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Login(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.List(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.each(t.Context(), asking{verb: "RETR", window: 1}, []Message{{Number: 1}}, func(Message, io.Reader) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := s.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for line := range strings.Lines(out.String()) {
		_, rest, _ := strings.Cut(line, " ") // behind the time
		got.WriteString(strings.TrimPrefix(rest, "1 "+server.Address()+" ann "))
	}
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}
