package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"postferry/config"
)

// mail sends a letter by e-mail.
func (t *Teller) mail(ctx context.Context, l *letter) *failure {
	s := &t.Config.Notify.SMTP
	if s.Host == "" {
		return &failure{error: errors.New("the configuration names no server for e-mail any more"), final: true, serving: true}
	}
	client, err := newClient(s)
	if err != nil {
		return &failure{error: masked(s, err)}
	}
	msg, err := t.message(s, l)
	if err != nil {
		return &failure{error: err, final: true, serving: true}
	}
	if err := client.DialWithContext(ctx); err != nil {
		return &failure{error: fmt.Errorf("%s: %w", s.Address(), masked(s, err))}
	}
	err = client.Send(msg)
	_ = client.Close() // what the server has taken it has
	var refused *mail.SendError
	if errors.As(err, &refused) && refused.ErrorCode() >= 400 {
		return &failure{error: fmt.Errorf("%s: %w", s.Address(), masked(s, err)), final: !refused.IsTemp(), serving: true}
	}
	if err != nil {
		return &failure{error: fmt.Errorf("%s: %w", s.Address(), masked(s, err))}
	}
	return nil
}

// message is a letter as e-mail. It says that no person has written it (RFC 3834 section 5).
func (t *Teller) message(s *config.SMTP, l *letter) (*mail.Msg, error) {
	m := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(m.FromFormat("Postferry", s.From), m.To(l.To)); err != nil {
		return nil, err
	}
	_, host, _ := strings.Cut(s.From, "@")
	m.SetMessageIDWithValue(l.ID + "@" + host)
	m.SetDateWithValue(time.Now())
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.Subject(l.Subject)
	m.SetBodyString(mail.TypeTextPlain, l.Text)
	return m, nil
}

// newClient reaches the server for e-mail, with TLS unless somebody has written out that there is none.
func newClient(s *config.SMTP) (*mail.Client, error) {
	trust := &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, err
		}
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM form", s.CA)
		}
	}
	options := []mail.Option{mail.WithPort(s.Port), mail.WithTimeout(attemptBound), mail.WithTLSConfig(trust)}
	signIn := mail.SMTPAuthAutoDiscover
	switch s.Security {
	case config.ImplicitTLS:
		options = append(options, mail.WithSSL())
	case config.StartTLS:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	default:
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
		signIn = mail.SMTPAuthPlainNoEnc // on this machine only; the configuration sees to that
	}
	if s.Login != "" {
		options = append(options, mail.WithSMTPAuth(signIn), mail.WithUsername(s.Login), mail.WithPassword(s.Secret.Reveal()))
	}
	return mail.NewClient(s.Host, options...)
}

// masked is an error without the password, which a server may have repeated in one of the forms
// in which it was sent.
func masked(s *config.SMTP, err error) error {
	password := s.Secret.Reveal()
	if password == "" {
		return err
	}
	encoded := base64.StdEncoding.EncodeToString
	forms := []string{password, "[secret]", encoded([]byte(password)), "[secret]", encoded([]byte("\x00" + s.Login + "\x00" + password)), "[secret]"}
	return errors.New(strings.NewReplacer(forms...).Replace(err.Error()))
}
