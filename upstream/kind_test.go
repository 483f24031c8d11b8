package upstream

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

func TestKind(t *testing.T) {
	refused := func(op, code, text string) *Error {
		st := &status{kind: "NO", code: code, text: text}
		return &Error{Op: op, Class: classify(op, st), Code: imap.ResponseCode(code), Text: text, After: backoffHint(text), Err: errKind("NO")}
	}
	fix := func(op string, err error) *Error { return &Error{Op: op, Class: Fix, Err: err} }
	tests := []struct {
		err  *Error
		want store.ProblemKind
	}{
		{refused(opLogin, "AUTHENTICATIONFAILED", "no"), store.LoginRefused},
		{refused(opLogin, "", "wrong password"), store.LoginRefused},
		{refused(opLogin, "EXPIRED", "no"), store.PasswordExpired},
		{refused(opLogin, "PRIVACYREQUIRED", "no"), store.NoEncryption},
		{refused(opLogin, "", "Too many connections from your address"), store.TooManyConnections},
		{refused(verbAppend, "OVERQUOTA", "full"), store.OverQuota},
		{refused(verbAppend, "", "quota exceeded"), store.OverQuota},
		{refused("EXAMINE", "", "no such mailbox"), store.FolderRefused},
		{refused("EXAMINE", "UNAVAILABLE", "backend is down"), store.Unavailable},
		{refused("EXAMINE", "THROTTLED", "slow down"), store.Throttled},
		{refused("EXAMINE", "", "Suggested Backoff Time: 5000 milliseconds"), store.Throttled},
		{&Error{Op: opLogin, Class: Later, Code: CodeInUse, Text: "locked", Err: errKind("-ERR")}, store.MaildropInUse},
		{fix(opConnect, &fingerprintError{}), store.CertificateChanged},
		{fix(opConnect, fmt.Errorf("TLS: %w", x509.UnknownAuthorityError{})), store.CertificateUntrusted},
		{fix(opConnect, ErrNoTLS), store.NoEncryption},
		{fix(opConnect, errors.New("TLS: no")), store.NoEncryption},
		{fix(opConnect, ErrNotIMAP), store.NotMailServer},
		{fix(opConnect, ErrNotPOP3), store.NotMailServer},
		{fix(opConnect, errUnprotected), store.NoEncryption},
		{&Error{Op: opConnect, Class: Later, Err: errNoMailServer}, store.NoMailServer},
		{fix(opConnect, errPreauth), store.OpenToAll},
		{fix(opConnect, errInjected), store.Tampering},
		{fix(opLogin, errNUL), store.PasswordUnsendable},
		{fix(opLogin, errUnsendable), store.PasswordUnsendable},
		{&Error{Op: opConnect, Class: Later, Err: errors.New("refused")}, store.Unreachable},
		{&Error{Op: opConnect, Class: Later, Text: "busy", Err: errKind("BYE")}, store.Unavailable},
		{&Error{Op: "FETCH", Class: Lost, Err: io.ErrUnexpectedEOF}, store.Lost},
		{&Error{Op: "FETCH", Class: Lost, Err: errLiteral}, store.Protocol},
		{&Error{Op: opLogin, Class: Fix, Moved: "other.example", Err: errKind("NO")}, store.AccountMoved},
		{&Error{Op: "EXAMINE", Class: Refused, Moved: "other.example", Err: errKind("NO")}, store.FolderMoved},
	}
	for _, test := range tests {
		if got := test.err.Kind(); got != test.want {
			t.Errorf("%v: %s, want %s", test.err, got, test.want)
		}
	}
}

func TestSide(t *testing.T) {
	for role, want := range map[string]store.Side{RoleOld: store.OldSide, RoleNew: store.NewSide, "": ""} {
		e := &Error{Role: role, Server: "[2001:db8::1]:993"}
		if e.Side() != want || e.Host() != "2001:db8::1" {
			t.Errorf("%q: %q, %q", role, e.Side(), e.Host())
		}
	}
}
