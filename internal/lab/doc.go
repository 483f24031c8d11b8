// Package lab runs real mail servers and awkward networks for tests and
// benchmarks. It must not be imported by anything that is shipped, and it must
// not know wire, upstream, syncer, proxy or store: what it observes is the
// independent witness those packages are checked against.
//
// Everything takes a testing.TB, ends when the test ends and fails the test if
// it can't start. Nothing outlives the test, not even when the test binary is
// killed.
//
//	old := lab.StartDovecot(t, lab.DovecotOptions{
//		Format: "maildir", Separator: ".", Prefix: "INBOX.",
//		Users:      []lab.User{{Login: "anna@example.com", Password: "secret"}},
//		SpecialUse: map[string]string{"Gesendet": `\Sent`},
//	})
//	old.FillMaildir("anna@example.com", "INBOX.Grüße", lab.Generate(1, 100, 4096))
//	old.Open("anna@example.com", "INBOX.Grüße") // until then all of it is \Recent
//	before := old.Snapshot("anna@example.com")
//	...
//	if diff := before.Diff(old.Snapshot("anna@example.com")); diff != "" { ... }
//	if diff := lab.SameMail(before, new.Snapshot("anna@example.com"), rename); diff != "" { ... }
//
// A server is described to the code under test as a configuration does, by
// Insecure, StartTLS, ImplicitTLS and Pinned; lab.At puts a line in front of it:
//
//	slow := lab.DelayLine(t, old.IMAP, 50*time.Millisecond)
//	broken := lab.FaultLine(t, slow.Addr, func(conn int) lab.Plan {
//		return lab.Plan{ToClient: lab.Fault{Kind: lab.Cut, At: 4711}}
//	})
//	domain.Old = lab.At(old.Insecure(), broken.Addr)
//
// For what no real server does there are package script, which plays a transcript, and Odd, a
// server in memory whose oddities can be switched on; StartPOP3 is the same for POP3. For very many
// clients there is package light. What tests need besides mail servers is in packages of its own:
// browser, nameserver and powercut.
package lab
