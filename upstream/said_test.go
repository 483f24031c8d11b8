package upstream

import (
	"context"
	"errors"
	"strings"
	"testing"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
	"postferry/upstream/pop3"
	"postferry/upstream/transcript"
)

// TestSaid: what a server says of its own accord before something goes wrong reaches the
// person, as far as it is still about that.
func TestSaid(t *testing.T) {
	const in = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\nC: P1 AUTHENTICATE PLAIN AGFubgBodXNoLTBmLWFubg==\n"
	tests := map[string]struct {
		Script string
		want   string
		not    string
	}{
		"alert at login, then BAD": {in + `S: P1 OK [ALERT] Please enable IMAP access
C: P2 CAPABILITY
S: * CAPABILITY IMAP4rev1
S: P2 OK
C: P3 NOOP
S: * BAD [ALERT] IMAP is switched off
S: P3 BAD no`, `refused NOOP (it says "no", and before that "IMAP is switched off")`, ""},
		"alert at login, then the end": {in + `S: P1 OK [ALERT] Please enable IMAP access
C: P2 CAPABILITY
S: * CAPABILITY IMAP4rev1`, `was lost (it said "Please enable IMAP access")`, ""},
		"alert, then the end at LIST": {in + `S: P1 OK [CAPABILITY IMAP4rev1] in
C: P2 NOOP
S: * BAD [ALERT] Please enable IMAP access`, `was lost (it said "Please enable IMAP access")`, ""},
		"untagged NO, then BYE": {in + `S: P1 OK [CAPABILITY IMAP4rev1] in
C: P2 NOOP
S: * NO the index is broken
S: * BYE closing`, `was lost (it says "closing", and before that "the index is broken")`, ""},
		"BYE alone": {in + `S: P1 OK [CAPABILITY IMAP4rev1] in
C: P2 NOOP
S: * BYE backend gone`, `was lost (it says "backend gone")`, ""},
		"odd characters": {in + "S: P1 OK [CAPABILITY IMAP4rev1] in\nC: P2 NOOP\nS| \"* NO a\\x1b[31mb\\u0085c\\r\\n\"\nS: P2 NO",
			`refused NOOP (it said "a [31mb c")`, "\x1b"},
		"the password": {"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello\nC: P1 AUTHENTICATE PLAIN AGFubgBodXNoLTBmLWFubg==\nS: * NO hush-0f-ann is no password\nS: P1 NO no",
			"refused the password", "hush-0f-ann is"},
		"a refused password": {in + "S: P1 NO [AUTHENTICATIONFAILED] Application-specific password required",
			`refused the password of this account (it says "Application-specific password required")`, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := transcript.Serve(t, transcript.Parse(t, tt.Script))
			s, err := Dial(context.Background(), server, testOptions(t))
			if err == nil {
				defer s.Close()
				if err = s.Login(context.Background(), store.Credentials{Login: "ann", Password: "hush-0f-ann"}); err == nil {
					err = s.Alive(context.Background())
				}
			}
			e, ok := errors.AsType[*link.Error](err)
			if !ok || !strings.Contains(e.Summary().String(), tt.want) {
				t.Fatalf("%v\nwant %q", summaryOf(err), tt.want)
			}
			if tt.not != "" && strings.Contains(e.Summary().String()+e.Error(), tt.not) {
				t.Errorf("%s\n%v", e.Summary(), e)
			}
		})
	}
}

func summaryOf(err error) string {
	if e, ok := errors.AsType[*link.Error](err); ok {
		return e.Summary().String()
	}
	return "no error of a server"
}

// TestSaidIsForgotten: what was said before something that went well is not blamed for what fails later.
func TestSaidIsForgotten(t *testing.T) {
	server := transcript.Serve(t, transcript.Parse(t, `@ IMAP4rev1
C: P2 NOOP
S: * NO your mailbox is nearly full
S: P2 OK
C: P3 NOOP
S: P3 NO not now`))
	s, err := Dial(context.Background(), server, testOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Login(context.Background(), store.Credentials{Login: "ann", Password: "hush-0f-ann"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Alive(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := summaryOf(s.Alive(context.Background())); strings.Contains(got, "nearly full") || !strings.Contains(got, "not now") {
		t.Error(got)
	}
}

// TestSaidByPOP3: a line that is no answer is shown, but not that of something that isn't a mail server.
func TestSaidByPOP3(t *testing.T) {
	const in = "S: +OK hello\nC: CAPA\nS: +OK\nS: USER\nS: .\nC: USER ann\n"
	for script, want := range map[string]string{
		"S: +OK hello\nC: CAPA\nS: +ERR Server error":                           `(it said "+ERR Server error")`,
		"S: SSH-2.0-OpenSSH_9":                                                  "does not answer as a mail server",
		in + "S: +ERR Server error":                                             `(it said "+ERR Server error")`,
		in + "S: ERR the index is broken":                                       `(it said "ERR the index is broken")`,
		in + "S: +OK\nC: PASS hush-0f-ann\nS: * BAD backend gone":               `(it said "* BAD backend gone")`,
		in + "S: +OK\nC: PASS hush-0f-ann\nS: -ERR [AUTH] POP3 is switched off": `POP3 is switched off`,
		in + "S: +OK\nC: PASS hush-0f-ann\nS: -ERR [SYS/TEMP] try at night":     `try at night`,
	} {
		server := transcript.Serve(t, transcript.Parse(t, script))
		server.Protocol = config.POP3
		s, err := pop3.Dial(context.Background(), server, testOptions(t))
		if err == nil {
			defer s.Close()
			err = s.Login(context.Background(), store.Credentials{Login: "ann", Password: "hush-0f-ann"})
		}
		if err == nil {
			t.Errorf("%s: no error", script)
			continue
		}
		if got := summaryOf(err); !strings.Contains(got, want) || strings.Contains(got+err.Error(), "OpenSSH") {
			t.Errorf("%s\n%v\nwant %q", got, err, want)
		}
	}
}
