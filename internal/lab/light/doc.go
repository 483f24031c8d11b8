// Package light has an IMAP server for very many clients at once, for tests and benchmarks of what stands
// between clients and servers: it takes next to nothing itself. It must not know what that is, and keeps no mail.
package light
