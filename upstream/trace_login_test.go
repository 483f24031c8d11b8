package upstream

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/upstream/link"
	"postferry/upstream/transcript"
)

// What is sent while a login is under way is masked, whenever the server answers: it may
// have ended the login in the same segment as it asked for more.
func TestTraceHidesLogin(t *testing.T) {
	const password, plain = "s3cretpass\xc3\xa4", "AGFubgBzM2NyZXRwYXNzw6Q="
	for _, tt := range []struct{ name, Script string }{
		{"OK right behind the challenge", `
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello
C: P1 AUTHENTICATE PLAIN
S| "+ \r\nP1 OK [CAPABILITY IMAP4rev1] in\r\n"
C: ` + plain + `
`},
		{"NO right behind the challenge", `
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello
C: P1 AUTHENTICATE PLAIN
S| "+ \r\nP1 NO no\r\n"
C: ` + plain + `
`},
		{"two challenges and the end at once", `
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello
C: P1 AUTHENTICATE PLAIN
S| "+ \r\n+ \r\nP1 OK [CAPABILITY IMAP4rev1] in\r\n"
C: ` + plain + `
C: *
`},
		{"OK right behind the go-ahead for a literal", `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" {12}
S| "+ go on\r\nP1 OK [CAPABILITY IMAP4rev1] in\r\n"
C: ` + password + `
`},
		{"another tag's answer in between", `
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello
C: P1 AUTHENTICATE PLAIN
S| "P1 OK\r\n+ \r\n"
`},
		{"BAD, then LOGIN", `
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hello
C: P1 AUTHENTICATE PLAIN
S| "+ \r\nP1 BAD no\r\n"
C: ` + plain + `
C: P2 LOGIN "ann" {12}
S| "+ go on\r\nP2 OK [CAPABILITY IMAP4rev1] in\r\n"
C: ` + password + `
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			opt := testOptions(t)
			opt.Trace = link.NewTracer(&out, zerolog.Nop()).Session("ann")
			s, err := Dial(context.Background(), transcript.Serve(t, transcript.Parse(t, tt.Script)), opt)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(s.Login(context.Background(), store.Credentials{Login: "ann", Password: password}))
			s.Close()
			for _, secret := range []string{"s3cret", "AGFubgBz"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("shows %q:\n%s", secret, &out)
				}
			}
			if !strings.Contains(out.String(), "[secret]") {
				t.Errorf("no login in\n%s", &out)
			}
		})
	}
}
