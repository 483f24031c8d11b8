package link

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
		st := &Response{Kind: "NO", Code: code, Text: text}
		return &Error{Op: op, Class: classify(op, st), Code: imap.ResponseCode(code), Text: text, After: backoffHint(text), Err: Kind("NO")}
	}
	fix := func(op string, err error) *Error { return &Error{Op: op, Class: Fix, Err: err} }
	tests := []struct {
		err  *Error
		want store.ProblemKind
	}{
		{refused(OpLogin, "AUTHENTICATIONFAILED", "no"), store.LoginRefused},
		{refused(OpLogin, "", "wrong password"), store.LoginRefused},
		{refused(OpLogin, "EXPIRED", "no"), store.PasswordExpired},
		{refused(OpLogin, "PRIVACYREQUIRED", "no"), store.NoEncryption},
		{refused(OpLogin, "", "Too many connections from your address"), store.TooManyConnections},
		{refused(VerbAppend, "OVERQUOTA", "full"), store.OverQuota},
		{refused(VerbAppend, "", "quota exceeded"), store.OverQuota},
		{refused("EXAMINE", "", "no such mailbox"), store.FolderRefused},
		{refused("EXAMINE", "UNAVAILABLE", "backend is down"), store.Unavailable},
		{refused("EXAMINE", "THROTTLED", "slow down"), store.Throttled},
		{refused("EXAMINE", "", "Suggested Backoff Time: 5000 milliseconds"), store.Throttled},
		{&Error{Op: OpLogin, Class: Later, Code: CodeInUse, Text: "locked", Err: Kind("-ERR")}, store.MaildropInUse},
		{fix(OpConnect, &fingerprintError{}), store.CertificateChanged},
		{fix(OpConnect, fmt.Errorf("TLS: %w", x509.UnknownAuthorityError{})), store.CertificateUntrusted},
		{fix(OpConnect, ErrNoTLS), store.NoEncryption},
		{fix(OpConnect, errors.New("TLS: no")), store.NoEncryption},
		{fix(OpConnect, ErrNotIMAP), store.NotMailServer},
		{fix(OpConnect, ErrNotPOP3), store.NotMailServer},
		{fix(OpConnect, errUnprotected), store.NoEncryption},
		{&Error{Op: OpConnect, Class: Later, Err: ErrNoMailServer}, store.NoMailServer},
		{fix(OpConnect, ErrPreauth), store.OpenToAll},
		{fix(OpConnect, ErrInjected), store.Tampering},
		{fix(OpLogin, ErrNUL), store.PasswordUnsendable},
		{fix(OpLogin, ErrUnsendable), store.PasswordUnsendable},
		{&Error{Op: OpConnect, Class: Later, Err: errors.New("refused")}, store.Unreachable},
		{&Error{Op: OpConnect, Class: Later, Text: "busy", Err: Kind("BYE")}, store.Unavailable},
		{&Error{Op: "FETCH", Class: Lost, Err: io.ErrUnexpectedEOF}, store.Lost},
		{&Error{Op: "FETCH", Class: Lost, Err: ErrLiteral}, store.Protocol},
		{&Error{Op: OpLogin, Class: Fix, Moved: "other.example", Err: Kind("NO")}, store.AccountMoved},
		{&Error{Op: "EXAMINE", Class: Refused, Moved: "other.example", Err: Kind("NO")}, store.FolderMoved},
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
