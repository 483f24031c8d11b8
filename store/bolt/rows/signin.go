package rows

import (
	"strings"

	"postferry/store"
	"postferry/store/seal"
)

// signInPlace and consentPlace are where a secret is sealed for.
func signInPlace(key []byte) seal.Place { return seal.PlaceOf("sign-in", key) }

func consentPlace(key []byte) seal.Place { return seal.PlaceOf("consent", key) }

// EncodeSignIn makes the row of how Postferry signs in, with its secret sealed.
func EncodeSignIn(key []byte, s *store.SignIn, sealer *seal.Sealer) []byte {
	var e encoder
	e.text(string(s.Method))
	for _, text := range []string{s.Login, s.Separator, s.Tenant, s.ClientID, s.Issuer, s.Scope, s.SetBy} {
		e.text(text)
	}
	e.time(s.Created)
	e.text(sealer.SealAt(signInPlace(key), s.Secret))
	return e
}

// DecodeSignIn reads the row of how Postferry signs in, with its secret sealed.
func DecodeSignIn(key, row []byte, sealer *seal.Sealer) (s store.SignIn, err error) {
	side, domain, ok := strings.Cut(string(key), "\x00")
	if !ok {
		return s, ErrKey
	}
	d := decoder{rest: row}
	s = store.SignIn{Domain: domain, Side: store.Side(side), Method: store.SignInMethod(d.text())}
	for _, text := range []*string{&s.Login, &s.Separator, &s.Tenant, &s.ClientID, &s.Issuer, &s.Scope, &s.SetBy} {
		*text = d.text()
	}
	s.Created = d.time()
	box := d.text()
	if err := d.done(); err != nil || sealer == nil {
		return s, err
	}
	s.Secret, err = sealer.OpenAt(signInPlace(key), box)
	return s, err
}

// EncodeConsent makes a consent's row, with its refresh token sealed.
func EncodeConsent(key []byte, c *store.Consent, sealer *seal.Sealer) []byte {
	var e encoder
	e.text(c.Login)
	e.text(c.Issuer)
	e.text(c.ClientID)
	e.time(c.Granted)
	e.text(sealer.SealAt(consentPlace(key), c.Refresh))
	if !c.Sent.IsZero() {
		e.time(c.Sent)
	}
	return e
}

// DecodeConsent reads a consent's row, with its refresh token sealed.
func DecodeConsent(key, row []byte, sealer *seal.Sealer) (c store.Consent, err error) {
	parts := strings.SplitN(string(key), "\x00", 3)
	if len(parts) != 3 {
		return c, ErrKey
	}
	d := decoder{rest: row}
	c = store.Consent{Mailbox: store.Mailbox{Side: store.Side(parts[0]), Domain: parts[1], Login: d.text()}, Issuer: d.text(), ClientID: d.text(), Granted: d.time()}
	box := d.text()
	if d.more() { // a token of which it isn't known what came of it
		c.Sent = d.time()
	}
	if err := d.done(); err != nil || sealer == nil {
		return c, err
	}
	c.Refresh, err = sealer.OpenAt(consentPlace(key), box)
	return c, err
}
