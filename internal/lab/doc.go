// Package lab runs real mail servers and awkward networks for tests and
// benchmarks. It must not be imported by anything that is shipped, and it must
// not know wire, upstream, syncer, proxy or store: what it observes is the
// independent witness those packages are checked against.
//
// Everything takes a testing.TB, stops when the test ends and fails the test
// if it can't start. Nothing outlives the test, not even when the test binary
// is killed.
//
//	old := lab.StartDovecot(t, lab.DovecotOptions{
//		Format: "maildir", Separator: ".", Prefix: "INBOX.",
//		Users:      []lab.User{{Login: "anna@example.com", Password: "secret"}},
//		SpecialUse: map[string]string{"Gesendet": `\Sent`},
//	})
//	old.FillMaildir("anna@example.com", "INBOX.Grüße", lab.Generate(1, 100, 4096))
//	slow := lab.DelayLine(t, old.IMAP, 50*time.Millisecond)
//	domain.Old = lab.At(old.Insecure(), slow.Addr)
//	before := old.Snapshot("anna@example.com")
//
// The servers of a Dovecot are IMAP (plain and STARTTLS on one port), IMAPS,
// POP3 and POP3S; Insecure, StartTLS, ImplicitTLS and Pinned describe the
// first two as a configuration does.
package lab
