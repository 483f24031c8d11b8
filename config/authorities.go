package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// Roots are the authorities to trust for a server; nil for the system's.
func (s *Server) Roots() (*x509.CertPool, error) {
	text, from := []byte(s.Authorities), "what is configured"
	if s.CA != "" {
		var err error
		if text, err = os.ReadFile(s.CA); err != nil {
			return nil, fmt.Errorf("certificate authorities: %w", err)
		}
		from = s.CA
	}
	if len(text) == 0 {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("certificate authorities: no PEM certificate in %s", from)
	}
	return roots, nil
}

// maxAuthorities bounds the text of certificates that somebody gives, octets.
const maxAuthorities = 100_000

// ParseAuthorities reads certificates in PEM form, and returns them without what is between them. An empty
// text is none.
func ParseAuthorities(text string) (string, error) {
	if len(text) > maxAuthorities {
		return "", fmt.Errorf("this is too long: at most %d octets are expected", maxAuthorities)
	}
	var out bytes.Buffer
	rest := []byte(text)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return "", errors.New("something in it is no certificate")
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return "", fmt.Errorf("a certificate can't be read: %w", err)
		}
		if err := pem.Encode(&out, &pem.Block{Type: block.Type, Bytes: block.Bytes}); err != nil {
			return "", err
		}
	}
	if out.Len() == 0 && len(bytes.TrimSpace([]byte(text))) > 0 {
		return "", errors.New("there is no certificate in PEM form in it")
	}
	return out.String(), nil
}
