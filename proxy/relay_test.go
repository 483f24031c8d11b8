package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postferry/store"
)

func TestRelayPassesBytesThrough(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 LIST \"\" \"*\"\n")
	g.server.hears("a1 LIST \"\" \"*\"\n")
	g.server.says("* LIST () \"/\" {5}\nINBOX\na1 OK done {5}\n")
	g.client.hears("* LIST () \"/\" {5}\nINBOX\na1 OK done {5}\n")
	// Several commands at once, with literals of all kinds.
	text := "a2 APPEND x {3+}\nabc\na3 APPEND y ~{2+}\n\x00\n (x {1+}\n))\na4 NOOP\n"
	g.client.says(text)
	g.server.hears(text)
	g.server.says("a2 OK [APPENDUID 1 2] x\na3 OK y\na4 OK z\n")
	g.client.hears("a2 OK [APPENDUID 1 2] x\na3 OK y\na4 OK z\n")
}

func TestSynchronisingLiteralWaitsForTheServer(t *testing.T) {
	g := newRig(t, nil)
	// The client does not wait; what it sends is not passed on before the server asks.
	g.client.says("a1 APPEND x {8}\nb NOOP\n\n")
	g.server.hears("a1 APPEND x {8}\n")
	g.server.hearsNothing()
	g.server.says("+ go {5}\n")
	g.client.hears("+ go {5}\n")
	g.server.hears("b NOOP\n\n")
	g.server.says("a1 OK x\n")
	g.client.hears("a1 OK x\n")
}

func TestRefusedLiteralIsACommand(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 APPEND x {100}\n")
	g.server.hears("a1 APPEND x {100}\n")
	g.server.says("a1 NO [TRYCREATE] no such folder\n")
	g.client.hears("a1 NO [TRYCREATE] no such folder\n")
	g.client.says("a2 CREATE x\n")
	g.server.hears("a2 CREATE x\n")
	g.server.says("a2 OK created\n")
	g.client.hears("a2 OK created\n")
	if got := g.ferry.noted(); !slices.Contains(got, `changed 7 CREATE "x" ""`) {
		t.Errorf("calls: %q", got)
	}
}

func TestUnansweredNonsenseDelaysOnlyOnce(t *testing.T) {
	g := newRig(t, func(g *rig, _ *entry) { g.srv.cfg.Proxy.VisitWait = 100 * time.Millisecond })
	g.client.says("a1 NONSENSE\n")
	g.server.hears("a1 NONSENSE\n")
	g.server.says("* BAD what\n")
	g.client.hears("* BAD what\n")
	g.client.says("a2 SELECT x\n")
	g.server.hears("a2 SELECT x\n")
	g.server.says("a2 OK x\n")
	g.client.hears("a2 OK x\n")
	g.srv.cfg.Proxy.VisitWait = time.Hour
	g.client.says("a3 SELECT x\n")
	g.server.hears("a3 SELECT x\n")
}

func TestChangedFoldersAreReportedBeforeTheClientLearns(t *testing.T) {
	g := newRig(t, nil)
	reported := make(chan struct{})
	g.ferry.changed = func(ctx context.Context) error {
		g.client.hears("* 1 EXISTS\n") // what came before is not held up
		g.client.hearsNothing()
		close(reported)
		return errors.New("the disk is full")
	}
	g.client.says("a1 RENAME {1+}\nx \"y z\"\n")
	g.server.hears("a1 RENAME {1+}\nx \"y z\"\n")
	g.server.says("* 1 EXISTS\na1 OK x\n")
	<-reported
	g.client.hears("a1 OK x\n")
	g.ferry.changed = nil
	g.client.says("a2 DELETE gone\na3 CREATE no\n")
	g.server.hears("a2 DELETE gone\na3 CREATE no\n")
	g.server.says("a3 NO x\na2 OK x\n")
	g.client.hears("a3 NO x\na2 OK x\n")
	if got := g.ferry.noted(); !slices.Equal(got, []string{
		`hold 7 ["x" "y z"]`, `renaming 7 "x" "y z"`, `changed 7 RENAME "x" "y z"`, `let go 7 ["x" "y z"]`,
		`hold 7 ["gone"]`, `hold 7 ["no"]`, `let go 7 ["no"]`, `changed 7 DELETE "gone" ""`, `let go 7 ["gone"]`}) {
		t.Errorf("calls: %q", got)
	}
}

// TestFolderCommandsWaitForTheCopying: CREATE, DELETE and RENAME reach the new server only
// once nothing is copied into their folders, however their names are spelled; and what was
// held is let go when the connection ends first.
func TestFolderCommandsWaitForTheCopying(t *testing.T) {
	const silent = "RENAME F H" // at a server that doesn't answer what it was given last
	for _, command := range []string{"CREATE F", "DELETE \"F\"", "RENAME F G", silent, "DELETE {1+}\nF", "rename {1+}\nF {1+}\nG"} {
		inBubble(t, command, func(t *testing.T) {
			g := newRigInMemory(t, nil)
			rests, heard := make(chan struct{}), make(chan struct{})
			g.ferry.hold = func([]string) {
				<-heard
				g.server.hearsNothing()
				close(rests)
			}
			hears := sync.OnceFunc(func() { close(heard) })
			defer hears()
			begun := time.Now()
			g.client.says("a0 NOOP\na1 " + command + "\n")
			g.server.hears("a0 NOOP\n") // what came before is not held up
			if command != silent {
				g.server.says("a0 OK x\n")
				g.client.hears("a0 OK x\n")
			}
			hears()
			<-rests
			g.server.hears("a1 " + command + "\n")
			if held := time.Since(begun) > changeBound; held != (command == silent) {
				t.Errorf("it reached the new server after %v", time.Since(begun))
			}
			g.client.Close()
			g.server.Close()
			g.ends(t)
			noted := g.ferry.noted()
			if last := noted[len(noted)-1]; !strings.HasPrefix(last, "let go 7 [\"F\"") && !slices.ContainsFunc(noted, func(n string) bool { return strings.HasPrefix(n, "let go") }) {
				t.Errorf("calls: %q", noted)
			}
		})
	}
}

func TestRenamingIsReportedBeforeTheServerHears(t *testing.T) {
	g := newRig(t, nil)
	reported := make(chan struct{}, 2)
	g.ferry.renaming = func(ctx context.Context) error {
		g.server.hearsNothing()
		reported <- struct{}{}
		return errors.New("the disk is full")
	}
	g.client.says("a1 RENAME a b\na2 RENAME b c\n")
	<-reported
	g.server.hears("a1 RENAME a b\n")
	g.server.hearsNothing() // what the second means depends on the first
	g.server.says("a1 OK x\n")
	g.client.hears("a1 OK x\n")
	<-reported
	g.server.hears("a2 RENAME b c\n")
	g.server.says("a2 NO x\n")
	g.client.hears("a2 NO x\n")
	if got := g.ferry.noted(); !slices.Equal(got, []string{
		`hold 7 ["a" "b"]`, `renaming 7 "a" "b"`, `changed 7 RENAME "a" "b"`, `let go 7 ["a" "b"]`,
		`hold 7 ["b" "c"]`, `renaming 7 "b" "c"`, `changed 7 RENAME "b" "b"`, `let go 7 ["b" "c"]`}) {
		t.Errorf("calls: %q", got)
	}
}

func TestNamesAreUTF8AfterEnable(t *testing.T) {
	for _, enabled := range []string{"UTF8=ACCEPT", "imap4rev2"} {
		g := newRig(t, nil)
		g.client.says("a1 SELECT \"&AOQ-\"\na2 ENABLE x\n")
		g.server.hears("a1 SELECT \"&AOQ-\"\na2 ENABLE x\n")
		g.server.says("a1 OK x\n* ENABLED CONDSTORE " + enabled + "\na2 OK x\n")
		g.client.hears("a1 OK x\n* ENABLED CONDSTORE " + enabled + "\na2 OK x\n")
		g.client.says("a3 SELECT \"ä&\"\n")
		g.server.hears("a3 SELECT \"ä&\"\n")
		if got := g.ferry.noted(); !slices.Equal(got, []string{`visit 7 "&AOQ-"`, `visit 7 "&AOQ-&-"`}) {
			t.Errorf("calls: %q", got)
		}
	}
}

func TestCommandsThatWouldBreakTheRelay(t *testing.T) {
	g := newRig(t, nil)
	g.client.says("a1 NOOP\na2 COMPRESS DEFLATE\na3 NOOP\n")
	g.server.hears("a1 NOOP\n")
	g.server.hearsNothing()
	g.client.hearsNothing() // not before a1 is answered
	g.server.says("a1 OK x\n")
	g.client.hears("a1 OK x\na2 BAD Not possible after login\n")
	g.server.hears("a3 NOOP\n")
	g.server.says("a3 OK x\n")
	g.client.hears("a3 OK x\n")
	for _, line := range []string{"STARTTLS\n", "AUTHENTICATE PLAIN\n", "UNAUTHENTICATE\n", "login {1}\n", "LOGIN {1+}\na {1+}\nb\n"} {
		g.client.says("] " + line)
		g.client.hears("] BAD Not possible after login\n")
	}
	g.client.says("z NOOP\n")
	g.server.hears("z NOOP\n")
}

// TestRefusalIsBounded: what the relay answers itself waits for a server that doesn't answer what came before, but not for ever.
func TestRefusalIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRigInMemory(t, nil)
		g.client.says("a1 NOOP\na2 LOGIN a b\n")
		g.server.hears("a1 NOOP\n")
		time.Sleep(refusalBound - time.Second)
		g.client.hearsNothing()
		g.client.hears("a2 BAD Not possible after login\n")
	})
}

func TestCapabilitiesAreFiltered(t *testing.T) {
	tests := []struct{ name, server, client string }{
		{"untagged", "* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN auth=x IDLE COMPRESS=DEFLATE UNAUTHENTICATE X\n", "* CAPABILITY IMAP4rev1 IDLE X\n"},
		{"tagged", "a1 OK [CAPABILITY IMAP4rev1 LOGINDISABLED LOGIN-REFERRALS MAILBOX-REFERRALS IDLE] COMPRESS=DEFLATE stays\n", "a1 OK [CAPABILITY IMAP4rev1 IDLE] COMPRESS=DEFLATE stays\n"},
		{"tag", "CAPABILITY OK [CAPABILITY A STARTTLS] x\n", "CAPABILITY OK [CAPABILITY A] x\n"},
		{"status", "* ok [capability A STARTTLS B] x\n", "* ok [capability A B] x\n"},
		{"another code", "* OK [X CAPABILITY STARTTLS] x\n", "* OK [X CAPABILITY STARTTLS] x\n"},
		{"in text", "* OK CAPABILITY STARTTLS\n", "* OK CAPABILITY STARTTLS\n"},
		{"bare LF", "* CAPABILITY STARTTLS A\r\n", "* CAPABILITY A\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRig(t, nil)
			g.server.says("* 1 EXISTS\n" + tt.server + "* 2 EXISTS\n")
			g.client.hears("* 1 EXISTS\n" + tt.client + "* 2 EXISTS\n")
			for _, c := range []byte(crlf(tt.server)) { // in pieces
				g.server.Write([]byte{c})
			}
			g.client.hears(tt.client)
		})
	}
}

// TestThousandsOfCommandsAtOnce: they are all passed on and completed, without a pause.
func TestThousandsOfCommandsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newRigInMemory(t, nil)
		const n = 5 * maxFlow
		var commands strings.Builder
		for i := range n {
			fmt.Fprintf(&commands, "%d NOOP\r\n", i)
		}
		begun := time.Now()
		go g.client.Write([]byte(commands.String()))
		go func() {
			for {
				line, err := g.server.r.ReadString('\n')
				if err != nil {
					return
				}
				io.WriteString(g.server.Conn, strings.Replace(line, "NOOP", "OK x", 1))
			}
		}()
		g.client.hears(strings.ReplaceAll(commands.String(), "NOOP", "OK x"))
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

func TestMegabytesOfUIDs(t *testing.T) {
	g := newRig(t, nil)
	set := strings.Repeat("123456789,", 300_000) + "1"
	text := "a1 UID FETCH " + set + " (FLAGS)\na2 NOOP\n"
	go g.client.Write([]byte(crlf(text)))
	g.server.hears(text)
	answer := "* SEARCH" + strings.Repeat(" 123456789", 300_000) + "\na1 OK x\n"
	go g.server.Write([]byte(crlf(answer)))
	g.client.hears(answer)
}

func TestSelectWithMegabytesOfUIDs(t *testing.T) {
	g := newRig(t, nil)
	text := "a1 SELECT x (QRESYNC (1 2 " + strings.Repeat("123456789,", 100_000) + "1))\na2 NOOP\n"
	go g.client.Write([]byte(crlf(text)))
	g.server.hears(text)
	if got := g.ferry.noted(); !slices.Equal(got, []string{`visit 7 "x"`}) {
		t.Errorf("calls: %q", got)
	}
}

func TestUnknownAndFinishedAccountsAreOnlyRelayed(t *testing.T) {
	for _, account := range []store.Account{{}, {ID: 7, State: store.Finished}} {
		g := newRig(t, func(_ *rig, in *entry) { in.account = account })
		g.client.says("a1 SELECT x\na2 CREATE y\n")
		g.server.hears("a1 SELECT x\na2 CREATE y\n")
		g.server.says("a1 OK x\na2 OK y\n")
		g.client.hears("a1 OK x\na2 OK y\n")
		if got := g.ferry.noted(); len(got) > 0 {
			t.Errorf("calls: %q", got)
		}
	}
}

func TestTagTooLong(t *testing.T) {
	g := newRig(t, nil)
	g.client.says(strings.Repeat("x", 300) + " NOOP\n")
	g.endsWith(t, "* BYE The tag is too long\n")
}

// inBubble runs a test of a table in a bubble, in which time passes.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// TestCutAnywhere ends the connection of either side after every byte of a
// conversation. Nothing may hang or leak, and what went through is a prefix of
// what was sent.
func TestCutAnywhere(t *testing.T) {
	up := crlf("a1 SELECT \"x\"\na2 APPEND y {3+}\nabc\na3 CREATE {1+}\nz\na4 NOOP\n")
	down := crlf("* 1 FETCH (BODY[] {3}\nabc)\n* CAPABILITY A STARTTLS\n* OK [X {1}\n]] x\na1 OK done\na2 OK x\n")
	shown := strings.Replace(down, " STARTTLS", "", 1)
	for cut := 0; cut <= max(len(up), len(down)); cut++ {
		for _, side := range []string{"client", "server", "both"} {
			u, d := up, down
			if side != "server" {
				u = up[:min(cut, len(up))]
			}
			if side != "client" {
				d = down[:min(cut, len(down))]
			}
			var c, s string
			synctest.Test(t, func(t *testing.T) { c, s = converseUntilCut(t, u, d, side) })
			c, _, _ = strings.Cut(c, "* BYE [UNAVAILABLE]")
			if !strings.HasPrefix(shown, c) && !strings.HasPrefix(down, c) || !strings.HasPrefix(up, s) {
				t.Fatalf("cut of %s at %d: client heard %q, server heard %q", side, cut, c, s)
			}
			if side == "server" && len(d) == len(down) && c != shown {
				t.Fatalf("cut of %s at %d: client heard only %q", side, cut, c)
			}
		}
	}
}

// converseUntilCut has a client say up and a server down, and one or both end what they say. It returns what they have heard.
func converseUntilCut(t *testing.T, up, down, side string) (client, server string) {
	g := newRigInMemory(t, nil)
	g.client.Write([]byte(up))
	g.server.Write([]byte(down))
	if side != "server" {
		closeWrite(g.client.Conn)
	}
	if side != "client" {
		closeWrite(g.server.Conn)
	}
	var all sync.WaitGroup
	read := func(p *peer, heard *string) {
		p.SetReadDeadline(time.Now().Add(2 * leavingBound))
		b, _ := io.ReadAll(p.r)
		*heard = string(b)
	}
	all.Go(func() { read(g.client, &client) })
	all.Go(func() { read(g.server, &server) })
	all.Wait()
	g.ends(t)
	return client, server
}
