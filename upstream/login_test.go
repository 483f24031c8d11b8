package upstream

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/upstream/link"
	"postferry/upstream/transcript"
	"postferry/wire"
)

func TestLogin(t *testing.T) {
	const plain = "AGFubgBodXNoLTBmLWFubg==" // \0ann\0hush-0f-ann
	tests := []struct {
		name, Script, want, summary, log string
		password                         store.Secret
		id                               []wire.Field
		noPassword                       bool
	}{
		{name: "SASL-IR, capabilities asked for", Script: `
S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] hello
C: P1 AUTHENTICATE PLAIN ` + plain + `
S: P1 OK in
C: P2 CAPABILITY
S: * CAPABILITY IMAP4rev1 APPENDLIMIT=1000
S: P2 OK
`, want: "ok"},
		{name: "without SASL-IR, capabilities by themselves", Script: `
S: * OK hello
C: P1 CAPABILITY
S: * CAPABILITY IMAP4rev1 AUTH=plain
S: P1 OK
C: P2 AUTHENTICATE PLAIN
S: +
C: ` + plain + `
S: * CAPABILITY IMAP4rev1 MULTIAPPEND
S: P2 OK in
`, want: "ok"},
		{name: "one challenge too many", Script: `
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello
C: P1 AUTHENTICATE PLAIN ` + plain + `
S: + what else?
C: *
S: P1 BAD cancelled
C: P2 LOGIN "ann" "hush-0f-ann"
S: P2 OK [CAPABILITY IMAP4rev1] in
`, want: "ok"},
		{name: "LOGIN, quoted", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 OK [CAPABILITY IMAP4rev1] in
`, want: "ok"},
		{name: "LOGIN, on somebody's behalf", id: []wire.Field{{Name: "name", Value: "T\"b"}, {Name: "x-originating-ip", Value: "192.0.2.1"}}, Script: `
S: * OK [CAPABILITY IMAP4rev1 ID] hello
C: P1 ID ("name" "T\"b" "x-originating-ip" "192.0.2.1")
S: * ID ("name" "Dovecot")
S: P1 OK
C: P2 LOGIN "ann" "hush-0f-ann"
S: P2 OK [CAPABILITY IMAP4rev1 ID] in
`, want: "ok"},
		{name: "LOGIN, on somebody's behalf, refused", id: []wire.Field{{Name: "name", Value: "x"}}, Script: `
S: * OK [CAPABILITY IMAP4rev1 ID] hello
C: P1 ID ("name" "x")
S: P1 BAD no
C: P2 LOGIN "ann" "hush-0f-ann"
S: P2 OK [CAPABILITY IMAP4rev1] in
`, want: "ok"},
		{name: "LOGIN, on somebody's behalf, where that can't be told", id: []wire.Field{{Name: "name", Value: "x"}}, Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 OK [CAPABILITY IMAP4rev1] in
`, want: "ok"},
		{name: "LOGIN, literal", password: "pä{3}", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" {6}
S: + go on
C: pä{3}
S: P1 OK [CAPABILITY IMAP4rev1] in
`, want: "ok"},
		{name: "LOGIN, literal unasked", password: `a"\`, Script: `
S: * OK [CAPABILITY IMAP4rev1 LITERAL-] hello
C: P1 LOGIN "ann" {3}
S: + go on
C: a"\
S: P1 OK [CAPABILITY IMAP4rev1] in
`, want: "ok"},
		{name: "AUTH=PLAIN announced but refused", Script: `
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello
C: P1 AUTHENTICATE PLAIN ` + plain + `
S: P1 NO Unsupported authentication mechanism
C: P2 LOGIN "ann" "hush-0f-ann"
S: P2 OK [CAPABILITY IMAP4rev1] in
`, want: "ok"},
		{name: "referral", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 NO [REFERRAL IMAP://ann;AUTH=*@SERVER2.example:1143/] Specified user is invalid on this server. Try SERVER2.
`, want: `fix 0s: server: login: the server says [REFERRAL] "Specified user is invalid on this server. Try SERVER2.": NO`,
			summary: "127.0.0.1 says that this account is kept on another server, server2.example:1143. Put that one into the configuration, or have the account moved back."},
		{name: "referral that need not be followed", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 OK [REFERRAL IMAP://ann@SERVER2/] better use SERVER2
C: P2 CAPABILITY
S: * CAPABILITY IMAP4rev1
S: P2 OK
`, want: "ok", log: "another one is the account's home"},
		{name: "too many connections", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 NO [ALERT] Too many simultaneous connections. (Failure)
`, want: `later 0s: server: login: the server says [ALERT] "Too many simultaneous connections. (Failure)": NO`,
			summary: `127.0.0.1 allows no more connections at the moment (it says "Too many simultaneous connections. (Failure)"). It is tried again by itself; if it stays so, other programs use up what it allows.`},
		{name: "unsafe", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 NO LOGIN Unsafe Login. Please contact kefu@188.com for help
`, want: `fix 0s: server: login: the server says "LOGIN Unsafe Login. Please contact kefu@188.com for help": NO`,
			summary: `127.0.0.1 lets only programs in that it knows (it says "LOGIN Unsafe Login. Please contact kefu@188.com for help"). Allow IMAP for others in the account's settings there, then run it again, or import it again.`},
		{name: "LOGIN, literal refused", password: "ä", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" {2}
S: P1 NO no literals
`, want: `fix 0s: server: login: the server says "no literals": NO`},
		{name: "wrong password", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 NO [AUTHENTICATIONFAILED] Authentication failed.
`, want: `fix 0s: server: login: the server says [AUTHENTICATIONFAILED] "Authentication failed.": NO`,
			summary: "127.0.0.1 refused the password of this account (it says \"Authentication failed.\"). Correct it on the import page, or in the list and import that again."},
		{name: "no code", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 NO LOGIN failed
`, want: `fix 0s: server: login: the server says "LOGIN failed": NO`},
		{name: "no code, but it passes", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 NO Temporary authentication failure
`, want: `later 0s: server: login: the server says "Temporary authentication failure": NO`},
		{name: "throttled", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 NO [UNAVAILABLE] Request is throttled. Suggested Backoff Time: 299 seconds
`, want: `later 4m59s: server: login: the server says [UNAVAILABLE] "Request is throttled. Suggested Backoff Time: 299 seconds": NO`,
			summary: "127.0.0.1 asks for a pause of 4m59s. It is tried again by itself."},
		{name: "the server repeats the password", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: P1 BAD unknown command: LOGIN ann hush-0f-ann
`, want: `fix 0s: server: login: the server says "(words that repeat the password are left out)": BAD`},
		{name: "the server repeats the SASL answer", Script: `
S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello
C: P1 AUTHENTICATE PLAIN ` + plain + `
S: P1 NO what is ` + plain + `?
`, want: `fix 0s: server: login: the server says "(words that repeat the password are left out)": NO`},
		{name: "BYE", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
C: P1 LOGIN "ann" "hush-0f-ann"
S: * BYE too many connections
`, want: `later 0s: server: login: the server says "too many connections": BYE: unexpected EOF`},
		{name: "LOGINDISABLED", Script: `
S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hello
`, want: `fix 0s: server: login: the server says [PRIVACYREQUIRED] "": the server does not take passwords on this connection (LOGINDISABLED)`},
		{name: "PREAUTH", Script: `
S: * PREAUTH [CAPABILITY IMAP4rev1] as somebody
`, want: `fix 0s: server: login: the server says PREAUTH: it would let anybody in without a password`},
		{name: "no password", noPassword: true, Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
`, want: `fix 0s: server: login: no password is known; an empty one is not sent: a directory behind the server may take it for nobody's and let it in`,
			summary: "No password is known for this account at 127.0.0.1. Enter it on the import page, or import the list with it."},
		{name: "NUL", password: "a\x00b", Script: `
S: * OK [CAPABILITY IMAP4rev1] hello
`, want: `fix 0s: server: login: the login or the password contains a NUL, which IMAP can't express`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			opt := testOptions(t)
			opt.Log = zerolog.New(&log).Level(zerolog.TraceLevel)
			opt.ID = tt.id
			s, err := Dial(context.Background(), transcript.Serve(t, transcript.Parse(t, tt.Script)), opt)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			c := ann
			if tt.password != "" {
				c.Password = tt.password
			}
			if tt.noPassword {
				c.Password = ""
			}
			err = s.Login(context.Background(), c)
			if got := transcript.Verdict(err); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if e, ok := err.(*link.Error); ok && tt.summary != "" && e.Summary().String() != tt.summary {
				t.Errorf("summary %q", e.Summary().String())
			}
			if !strings.Contains(log.String(), tt.log) {
				t.Errorf("not in the log: %s", log.String())
			}
			if !tt.noPassword && strings.Contains(log.String(), c.Password.Reveal()) || strings.Contains(log.String(), plain) {
				t.Errorf("a secret in the log: %s", log.String())
			}
		})
	}
}

// TestIDGoesWithTheNextCommand: it costs no round trip, and its refusal nothing.
func TestIDGoesWithTheNextCommand(t *testing.T) {
	for _, answer := range []string{"S: * ID NIL\nS: P2 OK\n", "S: P2 BAD whatever\n"} {
		s, err := dialScript(t, "S: * OK [CAPABILITY IMAP4rev1 ID] hello\n"+
			"C: P1 LOGIN \"ann\" \"hush-0f-ann\"\nS: P1 OK [CAPABILITY IMAP4rev1 ID] in\nC: P2 ID (\"name\" \"Postferry\")\n"+
			"C: P3 NOOP\n"+answer+"S: P3 OK\n")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if err := s.Login(context.Background(), ann); err != nil {
			t.Fatal(err)
		}
		if err := s.Alive(context.Background()); err != nil {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

func TestAppendLimit(t *testing.T) {
	s := scripted(t, "@ APPENDLIMIT=35651584 X\n")
	if got := s.AppendLimit(); got != 35651584 {
		t.Errorf("got %d", got)
	}
	if got := strings.Join(s.Capabilities(), " "); got != "IMAP4rev1 APPENDLIMIT=35651584 X" {
		t.Errorf("got %s", got)
	}
}

// TestLoginWaitsForItsTurn: until then nothing is sent.
func TestLoginWaitsForItsTurn(t *testing.T) {
	s, err := dialScript(t, "S: * OK [CAPABILITY IMAP4rev1] hello\nC: P1 LOGIN \"ann\" \"hush-0f-ann\"\nS: P1 OK [CAPABILITY IMAP4rev1] in\n")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	turn := make(chan struct{})
	s.conn.opt.Turn = turn
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Login(ended, ann); !errors.Is(err, context.Canceled) {
		t.Fatalf("before its turn: %v", err)
	}
	close(turn)
	if err := s.Login(context.Background(), ann); err != nil {
		t.Errorf("in its turn: %v", err)
	}
}
