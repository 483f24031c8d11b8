package link

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestClassify(t *testing.T) {
	tests := []struct {
		op, kind, line string
		want           Class
	}{
		{"EXAMINE", "NO", "[UNAVAILABLE] x", Later},
		{"EXAMINE", "NO", "[INUSE] x", Later},
		{"EXAMINE", "NO", "[SERVERBUG] x", Later},
		{"EXAMINE", "NO", "[LIMIT] x", Later},
		{"EXAMINE", "NO", "[throttled] x", Later},
		{"EXAMINE", "NO", "[NONEXISTENT] x", Refused},
		{"EXAMINE", "NO", "Mailbox unavailable", Refused},
		{"EXAMINE", "BYE", "x", Lost},
		{"EXAMINE", "BYE", "[UNAVAILABLE] x", Later},
		{"EXAMINE", "BYE", "Request is throttled. Suggested Backoff Time: 5 seconds", Later},
		{"connect", "BYE", "x", Later},
		{"login", "BYE", "x", Later},
		{"connect", "BYE", "[REFERRAL imap://b/] x", Fix},
		{"login", "NO", "[REFERRAL imap://b/] x", Fix},
		{"EXAMINE", "NO", "[REFERRAL imap://b/c] x", Refused},
		{"EXAMINE", "NO", "EXAMINE Unsafe Login. Please contact kefu@188.com for help", Fix},
		{"EXAMINE", "BAD", "x", Refused},
		{"UID FETCH", "NO", "[OVERQUOTA] Account exceeded command or bandwidth limits.", Later},
		{"APPEND", "NO", "[OVERQUOTA] x", Fix},
		{"APPEND", "NO", "[ALERT] You exceeded your mail quota.", Fix},
		{"APPEND", "NO", "[TOOBIG] x", Refused},
		{"login", "NO", "[AUTHENTICATIONFAILED] Temporary madness", Fix},
		{"login", "NO", "[AUTHORIZATIONFAILED] x", Fix},
		{"login", "NO", "[EXPIRED] x", Fix},
		{"login", "NO", "[PRIVACYREQUIRED] x", Fix},
		{"login", "NO", "[ALERT] Too many simultaneous connections", Later},
		{"login", "NO", "Internal error occurred", Later},
		{"login", "NO", "Service unavailable", Later},
		{"login", "BAD", "User is authenticated but not connected.", Later},
		{"login", "BAD", "x", Fix},
	}
	for _, tt := range tests {
		st := ParseResponse(tt.kind, []byte(tt.line))
		if got := classify(tt.op, &st); got != tt.want {
			t.Errorf("%s: %s %s: got %v, want %v", tt.op, tt.kind, tt.line, got, tt.want)
		}
	}
}

func TestTooMany(t *testing.T) {
	for text, want := range map[string]bool{
		"Too many simultaneous connections. (Failure)":                                         true,
		"Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)": true,
		"Too many connections from your IP":                                                    true,
		"Too many open connections":                                                            true,
		"LOGIN Rate limit hit":                                                                 false,
		"Server busy":                                                                          false,
	} {
		for _, op := range []string{OpLogin, OpConnect, "EXAMINE"} {
			if got := TooMany(&Error{Op: op, Text: text}); got != (want && op != "EXAMINE") {
				t.Errorf("%s: %q: %v", op, text, got)
			}
		}
	}
	if TooMany(nil) {
		t.Error("no error is too many")
	}
}

func TestReferral(t *testing.T) {
	for line, want := range map[string]string{
		"[REFERRAL IMAP://ann;AUTH=*@SERVER2/] x":          "server2",
		"[REFERRAL imap://a@b.example:1143/c imap://d/] x": "b.example:1143",
		"[REFERRAL http://b/] x":                           "",
		"[REFERRAL] x":                                     "",
		"[REFERRAL imap://[::1%x/] x":                      "",
		"[TRYCREATE imap://b/] x":                          "",
	} {
		st := ParseResponse("NO", []byte(line))
		if got := Referral(&st); got != want {
			t.Errorf("%s: got %q", line, got)
		}
	}
}

// FuzzStatus: what servers say in status responses is never trusted.
func FuzzStatus(f *testing.F) {
	f.Add("NO", "[REFERRAL imap://a@b/ imap://c] x {5}")
	f.Add("OK", "[APPENDUID 1 2:4,7] Suggested Backoff Time: 5 seconds")
	f.Add("BYE", "[X (\"]\" ] too many connections")
	f.Fuzz(func(t *testing.T, kind, line string) {
		st := ParseResponse(kind, []byte(line))
		l := &Link{Secrets: []string{"secret"}}
		for _, op := range []string{OpLogin, OpConnect, "EXAMINE", VerbAppend} {
			e := l.StatusError(op, &st)
			if e.After < 0 || e.After > MaxBackoff || len(e.Text) > 3*maxText || strings.Contains(e.Text+e.Moved, "secret") {
				t.Fatalf("%+v", e)
			}
			if strings.ContainsAny(e.Error()+e.Summary().String(), "\r\n\x00\x1b") {
				t.Fatalf("%q %q", e.Error(), e.Summary().String())
			}
		}
	})
}

func TestParseStatus(t *testing.T) {
	for line, want := range map[string]Response{
		"":                                 {},
		"hello":                            {Text: "hello"},
		"[alert] hello [x]":                {Code: "ALERT", Text: "hello [x]"},
		"[UIDNEXT 5]":                      {Code: "UIDNEXT", Args: "5"},
		`[PERMANENTFLAGS (\Seen x] \*)] y`: {Code: "PERMANENTFLAGS", Args: `(\Seen x] \*)`, Text: "y"},
		`[BADCHARSET ("a\"]" b)] y`:        {Code: "BADCHARSET", Args: `("a\"]" b)`, Text: "y"},
		"[open":                            {Text: "[open"},
		"[X (] y":                          {Code: "X", Args: "(", Text: "y"},
		"[] y":                             {Text: "y"},
	} {
		want.Kind = "OK"
		if got := ParseResponse("OK", []byte(line)); got != want {
			t.Errorf("%q: got %+v, want %+v", line, got, want)
		}
	}
}

func TestBackoffHint(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"Request is throttled. Suggested Backoff Time: 28532 milliseconds": 28532 * time.Millisecond,
		"suggested backoff time: 5 seconds.":                               5 * time.Second,
		"Suggested Backoff Time: 4294967295 seconds":                       MaxBackoff,
		"Suggested Backoff Time: 99999999999999999999":                     0,
		"Suggested Backoff Time: ":                                         0,
		"Suggested Backoff Time: -5 milliseconds":                          0,
		"nothing": 0,
	} {
		if got := backoffHint(text); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestCleanText(t *testing.T) {
	l := &Link{}
	if got := l.Clean("a\x00b\x1b[31m\xffü\u0085 " + strings.Repeat("x", 1000)); len(got) > maxText+10 || !strings.HasPrefix(got, "a b [31m?ü ") {
		t.Errorf("got %q", got)
	}
}

func TestSummaries(t *testing.T) {
	for want, e := range map[string]*Error{
		"imap.old.example refused the password":     {Op: OpLogin, Class: Fix, Err: Kind("NO")},
		"is full. Make room":                        {Op: "APPEND", Class: Fix, Code: "OVERQUOTA"},
		"has expired":                               {Op: OpLogin, Class: Fix, Code: "EXPIRED"},
		"does not take passwords":                   {Op: OpLogin, Class: Fix, Code: "PRIVACYREQUIRED"},
		"does not answer as a mail server":          {Op: OpConnect, Class: Fix, Err: ErrNotIMAP},
		"tampering":                                 {Op: OpConnect, Class: Fix, Err: ErrInjected},
		"shows another certificate":                 {Op: OpConnect, Class: Fix, Err: fmt.Errorf("TLS: %w", &fingerprintError{})},
		"No protected connection":                   {Op: OpConnect, Class: Fix, Err: errors.New("x")},
		`refused EXAMINE (it says "no").`:           {Op: "EXAMINE", Class: Refused, Text: "no"},
		"was lost. It is made again":                {Op: "NOOP", Class: Lost},
		`not available at the moment (it says "x")`: {Op: "NOOP", Class: Later, Text: "x"},
		"only reads there":                          {Op: "STORE", Class: Refused, Err: ErrReadOnly},
	} {
		e.Server = "imap.old.example:993"
		if got := e.Summary().String(); !strings.Contains(got, want) || !strings.Contains(got, "imap.old.example") || strings.Contains(got, "993") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
