package discover

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"
)

// examine says what is wrong with a certificate, all of it at once: who fixes
// the date wants to know of the name, too.
func examine(chain []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) *Certificate {
	leaf := chain[0]
	c := &Certificate{
		Fingerprint: fingerprint(leaf), Names: certificateNames(leaf), Issuer: printable(leaf.Issuer.String()),
		NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), Problems: []Message{},
	}
	const day = "2006-01-02"
	at := now
	switch {
	case now.After(leaf.NotAfter):
		c.Problems = append(c.Problems, say(codeExpired, "date", c.NotAfter.Format(day)))
		at = leaf.NotAfter
	case now.Before(leaf.NotBefore):
		c.Problems = append(c.Problems, say(codeNotYet, "date", c.NotBefore.Format(day)))
		at = leaf.NotBefore
	}
	if leaf.VerifyHostname(host) != nil {
		c.Problems = append(c.Problems, say(codeOtherName, "names", strings.Join(c.Names, ", "), "host", host))
	}
	between := x509.NewCertPool()
	for _, x := range chain[1:] {
		between.AddCert(x)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: at})
	var unknown x509.UnknownAuthorityError
	switch {
	case err == nil:
	case errors.As(err, &unknown) && leaf.CheckSignatureFrom(leaf) == nil, errors.As(err, &unknown) && leaf.Issuer.String() == leaf.Subject.String():
		c.Problems = append(c.Problems, say(codeSelfSigned))
	case errors.As(err, &unknown):
		c.Problems = append(c.Problems, say(codeUnknownCA, "issuer", c.Issuer))
	default:
		c.Problems = append(c.Problems, say(codeInvalidCert, "cause", err.Error()))
	}
	return c
}

// fingerprint is the SHA-256 of a certificate, as openssl writes it.
func fingerprint(x *x509.Certificate) string {
	sum := sha256.Sum256(x.Raw)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// certificateNames are whom a certificate is made out to, 20 at most.
func certificateNames(x *x509.Certificate) []string {
	names := []string{}
	for _, n := range x.DNSNames {
		names = append(names, printable(n))
	}
	for _, ip := range x.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && x.Subject.CommonName != "" {
		names = append(names, printable(x.Subject.CommonName))
	}
	return names[:min(len(names), 20)]
}
