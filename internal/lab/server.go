package lab

import (
	"net"
	"strconv"

	"postferry/config"
)

// Insecure describes the plain IMAP port, used without TLS.
func (d *Dovecot) Insecure() config.Server {
	return At(config.Server{Security: config.Insecure}, d.IMAP)
}

// StartTLS describes the plain IMAP port, used with STARTTLS.
func (d *Dovecot) StartTLS() config.Server {
	return At(config.Server{Security: config.StartTLS, CA: d.CA.File}, d.IMAP)
}

// ImplicitTLS describes the IMAPS port, trusted through the authority.
func (d *Dovecot) ImplicitTLS() config.Server {
	return At(config.Server{Security: config.ImplicitTLS, CA: d.CA.File}, d.IMAPS)
}

// InsecurePOP3 describes the plain POP3 port, used without TLS.
func (d *Dovecot) InsecurePOP3() config.Server {
	return At(config.Server{Protocol: config.POP3, Security: config.Insecure}, d.POP3)
}

// StartTLSPOP3 describes the plain POP3 port, used with STLS.
func (d *Dovecot) StartTLSPOP3() config.Server {
	return At(config.Server{Protocol: config.POP3, Security: config.StartTLS, CA: d.CA.File}, d.POP3)
}

// ImplicitTLSPOP3 describes the POP3S port, trusted through the authority.
func (d *Dovecot) ImplicitTLSPOP3() config.Server {
	return At(config.Server{Protocol: config.POP3, Security: config.ImplicitTLS, CA: d.CA.File}, d.POP3S)
}

// Pinned describes the IMAPS port, trusted through the certificate's fingerprint.
func (d *Dovecot) Pinned() config.Server {
	return At(config.Server{Security: config.ImplicitTLS, Fingerprint: d.Fingerprint}, d.IMAPS)
}

// At returns the server at another address (host:port), such as a line's in
// front of it.
func At(server config.Server, addr string) config.Server {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return server
	}
	server.Host = host
	server.Port, _ = strconv.Atoi(port) //nolint:errcheck // addresses here come from listeners
	return server
}
