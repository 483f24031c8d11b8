package link

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"postferry/report/reason"
	"postferry/store"
)

// This file says why no protected connection came about: crypto/tls has no types for
// what a server answers in a handshake, only the words of the alerts of RFC 8446 section 6.

// remoteAlert is the alert by which a server ended the handshake, in crypto/tls's words; "" if
// it sent none.
func remoteAlert(err error) string {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || op.Err == nil {
		return ""
	}
	return strings.TrimPrefix(op.Err.Error(), "tls: ")
}

// tooOld reports that the server speaks no TLS that is accepted: no version, or in
// that version no key exchange and cipher. Some servers answer with an alert, others with
// what was not offered to them.
func tooOld(err error) bool {
	switch remoteAlert(err) {
	case "protocol version not supported", "insufficient security level", "handshake failure":
		return true
	}
	text := err.Error()
	return strings.Contains(text, "tls: server selected unsupported protocol version") ||
		strings.Contains(text, "tls: server chose an unconfigured cipher suite") ||
		strings.Contains(text, "tls: server does not support") || strings.Contains(text, "tls: no supported versions")
}

// notTLS reports an answer that is no TLS at all.
func notTLS(err error) bool { return errors.As(err, new(tls.RecordHeaderError)) }

// hungUp reports that the server ended the connection in the middle of the handshake.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET)
}

// tlsFault is why a handshake failed, beside certificates.
type tlsFault struct {
	old   bool // old encryption was offered, too
	cause error
}

func (e *tlsFault) Error() string { return "TLS: " + e.cause.Error() }
func (e *tlsFault) Unwrap() error { return e.cause }

// passes reports a fault that may be gone the next time.
func (e *tlsFault) passes() bool {
	return !isCertificate(e.cause) && !notTLS(e.cause) && !tooOld(e.cause) && remoteAlert(e.cause) == ""
}

// summary is for the person at the screen; "" if there is no more to say than what the
// connection's end says.
func (e *tlsFault) summary(who reason.Reason, side store.Side) reason.Reason {
	switch {
	case notTLS(e.cause):
		return reason.Of(reason.TroubleNotTLS, who)
	case tooOld(e.cause) && e.old:
		return reason.Of(reason.TroubleNoCommonTLS, who, e.cause)
	case tooOld(e.cause) && side == store.OldSide:
		return reason.Of(reason.TroubleOldTLSOld, who, e.cause)
	case tooOld(e.cause):
		return reason.Of(reason.TroubleOldTLS, who, e.cause)
	case hungUp(e.cause):
		return reason.Of(reason.TroubleHungUp, who)
	case remoteAlert(e.cause) != "":
		return reason.Of(reason.TroubleTLS, who, remoteAlert(e.cause))
	}
	return ""
}

// certificateSummary says what is wrong with a certificate and what helps.
func certificateSummary(err error, who reason.Reason) reason.Reason {
	var name x509.HostnameError
	var authority x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name) && name.Certificate != nil:
		return reason.Of(reason.TroubleName, who, certificateNames(name.Certificate))
	case errors.As(err, &authority) && selfSigned(authority.Cert):
		return reason.Of(reason.TroubleSelfSigned, who)
	case errors.As(err, &authority) && authority.Cert != nil:
		return reason.Of(reason.TroubleIssuer, who, cleanText(authority.Cert.Issuer.String()))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return reason.Of(reason.TroubleCertificateOld, who, invalid.Detail)
	}
	return reason.Of(reason.TroubleCertificate, who, cleanText(verdict(err)))
}

// certificateKind names what is wrong with a certificate.
func certificateKind(err error) store.ProblemKind {
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, new(x509.HostnameError)):
		return store.CertificateName
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return store.CertificateUntrusted
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return store.CertificateExpired
	}
	return store.Certificate
}

func selfSigned(c *x509.Certificate) bool {
	return c != nil && c.Issuer.String() == c.Subject.String()
}

// shownNames is how many of a certificate's names are shown.
const shownNames = 5

// certificateNames are whom a certificate is made out to.
func certificateNames(c *x509.Certificate) string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 && c.Subject.CommonName != "" {
		names = []string{c.Subject.CommonName}
	}
	switch {
	case len(names) == 0:
		return "none at all"
	case len(names) > shownNames:
		names = append(names[:shownNames], fmt.Sprintf("and %d more", len(names)-shownNames))
	}
	return cleanText(strings.Join(names, ", "))
}

// verdict is what x509 says, without what it is wrapped in.
func verdict(err error) string {
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return verification.Err.Error()
	}
	return err.Error()
}
