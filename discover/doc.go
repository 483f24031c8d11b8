// Package discover finds a mail domain's old server, and says whether the
// domain's MX leads to the new one already.
//
// A Finder looks at what the domain publishes (SRV, RFC 6186 and RFC 8314;
// autoconfig, draft-ietf-mailmaint-autoconfig), at who receives its mail (MX),
// and at the names mail servers usually have. Each gives candidates: a
// protocol, a security, a host and a port. Candidates are connected to, up to
// the point where somebody would log in, and the best one is found: IMAP
// before POP3, protected before unprotected, a good certificate before a bad
// one, what the domain publishes before what is guessed. Everything that was
// looked at is an entry of the Report, with a code that a program can
// translate beside its sentence.
//
// Names asks several DNS servers, the domain's own among them, how far a change of its
// MX has got and where the names lead that mail clients go by. What a single server tells
// is no finding.
//
// # What it must not do
//
// Whoever enters a domain, or owns it, decides where the Finder connects to. So:
//
//   - Private, loopback and other special addresses are refused unless
//     Finder.AllowPrivate is set; link-local ones (metadata services of cloud
//     providers) and multicast always. A name is resolved once, and what was
//     checked is what is dialled. That goes for web servers and the domain's
//     name servers, too.
//   - Ports below 1024 other than 110, 143, 993 and 995 are refused. Where
//     another port is published (RFC 6186 allows it), nothing but a TLS
//     handshake is sent before the server has greeted as a mail server.
//   - Only https is asked for autoconfig, on port 443, with a certificate that
//     is trusted, 3 redirects and 256 KiB at most. Unprotected copies could
//     come from anybody.
//   - Every step has a bound, and so has the whole (10 seconds).
//   - No password is ever sent. What servers say is bounded and made printable.
//
// The package knows nothing of accounts, ledgers and pages.
package discover
