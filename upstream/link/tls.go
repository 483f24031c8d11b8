package link

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"postferry/config"
)

// tlsConfig derives how a server's certificate is checked.
func tlsConfig(server config.Server, opt Options) (*tls.Config, error) {
	if opt.TLS != nil {
		c := opt.TLS.Clone()
		if c.ServerName == "" {
			c.ServerName = server.Host
		}
		return c, nil
	}
	if opt.SharedTLS != nil {
		return opt.SharedTLS.of(server)
	}
	c := &tls.Config{ServerName: server.Host, MinVersion: tls.VersionTLS12}
	if server.TLS10 {
		c.MinVersion, c.CipherSuites = tls.VersionTLS10, allCipherSuites()
	}
	if server.Fingerprint != nil {
		// The chain is not checked, but the one certificate is.
		c.InsecureSkipVerify = true
		c.VerifyConnection = pinned(server.Fingerprint)
		return c, nil
	}
	var err error
	c.RootCAs, err = server.Roots()
	return c, err
}

// pinned accepts the one certificate with this SHA-256.
func pinned(want []byte) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the server showed no certificate")
		}
		got := sha256.Sum256(state.PeerCertificates[0].Raw)
		if subtle.ConstantTimeCompare(got[:], want) != 1 {
			return &fingerprintError{got: got}
		}
		return nil
	}
}

// fingerprintError is a certificate that is not the pinned one.
type fingerprintError struct{ got [sha256.Size]byte }

func (e *fingerprintError) Error() string {
	return fmt.Sprintf("the certificate's SHA-256 fingerprint is %X, which is not the accepted one", e.got)
}

// allCipherSuites are all that there are, those that are not safe among them: key
// exchange by RSA alone, 3DES, RC4.
func allCipherSuites() (ids []uint16) {
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		ids = append(ids, suite.ID)
	}
	return ids
}

// isCertificate reports that a certificate was not accepted.
func isCertificate(err error) bool {
	return errors.As(err, new(*tls.CertificateVerificationError)) || errors.As(err, new(*fingerprintError)) ||
		errors.As(err, new(x509.HostnameError)) || errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(x509.CertificateInvalidError))
}
