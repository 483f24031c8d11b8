package proxy

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/lab"
	"postferry/internal/pause"
)

// TestSearches: what a client searches for is looked for on the old server first, in the folder
// that is open, however the command is cut; the new server gets it as it was sent.
func TestSearches(t *testing.T) {
	tests := map[string]struct{ command, want string }{
		"search":      {"a SEARCH TEXT invoice\n", `search 7 "F" TEXT "invoice"`},
		"by UID":      {"a UID SEARCH UNSEEN\n", `search 7 "F" UNSEEN`},
		"sort":        {"a uid sort (DATE) UTF-8 FROM joe\n", `search 7 "F" FROM "joe"`},
		"thread":      {"a THREAD REFERENCES US-ASCII FROM joe\n", `search 7 "F" FROM "joe"`},
		"ESEARCH":     {"a ESEARCH IN (mailboxes (\"a b\" inbox)) TEXT x\n", `search 7 "a b" TEXT "x" search 7 "INBOX" TEXT "x"`},
		"literal":     {"a SEARCH CHARSET UTF-8 TEXT {3+}\nü\n\n", "search 7 \"F\" CHARSET UTF-8 TEXT \"ü\r\""},
		"for nothing": {"a UID SEARCH 1:* NOT DELETED\n", ""},
		"no search":   {"a UID STORE 1 +FLAGS (\\Seen)\n", ""},
		"fetch":       {"a UID FETCH 1:* FLAGS\n", ""},
		"sortish":     {"a UID SORTED x\n", ""},
		"endless":     {"a UID SEARCH UID " + strings.Repeat("1,", 100_000) + "1 TEXT x\n", ""},
	}
	for name, tt := range tests {
		for _, cut := range []int{0, 4, 8, 12, len(tt.command) - 3} {
			g := openedRig(t)
			g.srv.cfg.Proxy.SearchWait = patience
			text := tt.command
			if name == "literal" {
				text = strings.Replace(text, "ü\n\n", "ü\r\n", 1)
			}
			g.client.says("b NOOP\n" + text[:cut])
			pause.For(t.Context(), 5*time.Millisecond)
			g.client.says(text[cut:])
			g.server.hears("b NOOP\n" + text)
			got := slices.DeleteFunc(g.ferry.noted(), func(c string) bool { return !strings.HasPrefix(c, "search") })
			if strings.Join(got, " ") != tt.want {
				t.Errorf("%s, cut at %d: %q", name, cut, got)
			}
			g.kill()
			<-g.ended
		}
	}
}

// openedRig is a relay whose client has opened the folder F.
func openedRig(t *testing.T) *rig {
	t.Helper()
	return openedRigOn(t, pipe)
}

func openedRigOn(t *testing.T, pipe func(testing.TB) (ours, theirs net.Conn)) *rig {
	t.Helper()
	g := newRigOn(t, pipe, nil)
	g.client.says("s SELECT F\n")
	g.server.hears("s SELECT F\n")
	g.server.says("s OK done\n")
	g.client.hears("s OK done\n")
	return g
}

// TestSearchWithSynchronisingLiterals: the new server has the beginning already, and not the
// end before the old one has been searched.
func TestSearchWithSynchronisingLiterals(t *testing.T) {
	g := openedRig(t)
	g.srv.cfg.Proxy.SearchWait = patience
	searched := make(chan struct{})
	g.ferry.search = func(context.Context) {
		g.server.hearsNothing()
		close(searched)
	}
	g.client.says("a SEARCH FROM {3}\n")
	g.server.hears("a SEARCH FROM {3}\n")
	g.server.says("+ go\n")
	g.client.hears("+ go\n")
	g.client.says("joe SUBJECT {1}\n")
	g.server.hears("joe SUBJECT {1}\n")
	g.server.says("+ go\n")
	g.client.hears("+ go\n")
	g.client.says("x UNSEEN\n")
	<-searched
	g.server.hears("x UNSEEN\n")
	if got := g.ferry.noted(); !slices.Contains(got, `search 7 "F" FROM "joe" SUBJECT "x" UNSEEN`) {
		t.Errorf("calls: %q", got)
	}
}

// TestSearchKnowsTheOpenFolder: also behind commands that have not been completed yet.
func TestSearchKnowsTheOpenFolder(t *testing.T) {
	tests := map[string]struct{ before, answer, want string }{
		"another one":         {"b SELECT G\n", "b OK x\n", `search 7 "G" SEEN`},
		"examined":            {"b EXAMINE inbox\n", "b OK x\n", `search 7 "INBOX" SEEN`},
		"refused":             {"b SELECT G\n", "b NO x\n", ""},
		"closed":              {"b CLOSE\n", "b OK x\n", ""},
		"unselected":          {"b UNSELECT\n", "b OK x\n", ""},
		"not closed":          {"b CLOSE\n", "b BAD x\n", `search 7 "F" SEEN`},
		"still open":          {"b NOOP\n", "", `search 7 "F" SEEN`},
		"renamed":             {"b RENAME F G\n", "b OK x\n", `search 7 "G" SEEN`},
		"not renamed":         {"b RENAME F G\n", "b NO x\n", `search 7 "F" SEEN`},
		"another one renamed": {"b RENAME FF G\n", "b OK x\n", `search 7 "F" SEEN`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g := openedRig(t)
			g.srv.cfg.Proxy.SearchWait = patience
			g.client.says(tt.before + "a SEARCH SEEN\n")
			g.server.hears(tt.before)
			if tt.answer != "" {
				g.server.hearsNothing()
				g.server.says(tt.answer)
			}
			g.server.hears("a SEARCH SEEN\n")
			got := slices.DeleteFunc(g.ferry.noted(), func(c string) bool { return !strings.HasPrefix(c, "search") })
			if strings.Join(got, " ") != tt.want {
				t.Errorf("calls: %q", got)
			}
		})
	}
}

// TestSearchInARenamedFolder: also in one below another that is renamed, and in INBOX, which stays what it is.
func TestSearchInARenamedFolder(t *testing.T) {
	for _, tt := range []struct{ open, from, to, want string }{
		{"a/b", "a", "c", "c/b"}, {"a.b.c", "a.b", "x", "x.c"}, {"ab", "a", "c", "ab"}, {"a&AOQ-", "a", "c", "a&AOQ-"}, {"a", "a/b", "c", "a"}, {"inbox", "INBOX", "old", "INBOX"}, {"INBOX.a", "INBOX", "old", "INBOX.a"},
	} {
		g := newRig(t, nil)
		g.srv.cfg.Proxy.SearchWait = patience
		for _, command := range []string{"s SELECT " + tt.open, "r RENAME " + tt.from + " " + tt.to} {
			g.client.says(command + "\n")
			g.server.hears(command + "\n")
			g.server.says(command[:1] + " OK done\n")
			g.client.hears(command[:1] + " OK done\n")
		}
		g.client.says("a SEARCH SEEN\n")
		g.server.hears("a SEARCH SEEN\n")
		if got, want := g.ferry.noted(), fmt.Sprintf("search 7 %q SEEN", tt.want); got[len(got)-1] != want {
			t.Errorf("calls: %q; want %q", got, want)
		}
		g.kill()
		<-g.ended
	}
}

// TestSearchIsBounded: by time, and by the client that leaves.
func TestSearchIsBounded(t *testing.T) {
	for name, wait := range map[string]time.Duration{"bound": 50 * time.Millisecond, "leaves": patience} {
		g := openedRig(t)
		g.srv.cfg.Proxy.SearchWait = wait
		g.ferry.search = func(ctx context.Context) { <-ctx.Done() }
		g.client.says("a SEARCH SEEN\n")
		if name == "leaves" {
			closeWrite(g.client.Conn)
		}
		g.server.hears("a SEARCH SEEN\n")
	}
}

// TestSearchAfterMessagesHaveCome: the new server is made to look at the folder before it
// searches, and the client hears nothing of that but EXISTS.
func TestSearchAfterMessagesHaveCome(t *testing.T) {
	for _, cut := range []int{0, 1, 2, 5, 12, 20, 31, 60, 80} {
		g := openedRig(t)
		g.srv.cfg.Proxy.SearchWait, g.ferry.looked = patience, true
		g.client.says("b NOOP\na SEARCH SEEN\n")
		g.server.hears("b NOOP\n")
		g.server.hearsNothing() // what comes of it could be the other command's
		g.server.says("b OK x\n")
		g.client.hears("b OK x\n")
		g.server.SetReadDeadline(time.Now().Add(patience))
		line, err := g.server.r.ReadString(' ')
		if err != nil || !strings.HasPrefix(line, "PF") {
			t.Fatalf("heard %q, %v", line, err)
		}
		g.server.hears("SEARCH UID 1\n")
		answer := crlf("* SEARCH 1\n* ESEARCH (TAG \"" + line[:len(line)-1] + "\") UID\n* 7 EXISTS\n" + line + "OK searched\n")
		g.server.says(answer[:min(cut, len(answer))])
		pause.For(t.Context(), 2*time.Millisecond)
		g.server.says(answer[min(cut, len(answer)):])
		g.client.hears("* 7 EXISTS\n")
		g.server.hears("a SEARCH SEEN\n")
		g.server.says("* SEARCH 7\na OK done\n")
		g.client.hears("* SEARCH 7\na OK done\n")
		g.kill()
		<-g.ended
	}
}

// TestSearchWithoutMessageNumbers: where they are given up (UIDONLY, RFC 9586) the new server is made to look in a way that it
// does not refuse.
func TestSearchWithoutMessageNumbers(t *testing.T) {
	g := openedRig(t)
	g.srv.cfg.Proxy.SearchWait, g.ferry.looked = patience, true
	g.client.says("b ENABLE UIDONLY\n")
	g.server.hears("b ENABLE UIDONLY\n")
	g.server.says("* ENABLED UIDONLY\nb OK x\n")
	g.client.hears("* ENABLED UIDONLY\nb OK x\n")
	g.client.says("a UID SEARCH SEEN\n")
	g.server.SetReadDeadline(time.Now().Add(patience))
	line, err := g.server.r.ReadString(' ')
	if err != nil {
		t.Fatal(err)
	}
	g.server.hears("UID SEARCH UID 1\n")
	g.server.says("* ESEARCH (TAG \"" + line[:len(line)-1] + "\") UID\n* 7 EXISTS\n" + line + "OK searched\n")
	g.client.hears("* 7 EXISTS\n")
	g.server.hears("a UID SEARCH SEEN\n")
}

// TestUpdatesOfAnEarlierSearch: a search that the client wants to be kept up to date (RFC 5267) is, also by what the new
// server says as it is made to look at the folder.
func TestUpdatesOfAnEarlierSearch(t *testing.T) {
	updates := []string{"* ESEARCH (TAG \"c1\") UID ADDTO (0 7)\n", "* esearch (tag c1) ADDTO (0 7)\n", "* ESEARCH (TAG {2}\nc1) ADDTO (0 7)\n"}
	for _, update := range updates {
		for cut := range len(update) + 10 {
			g := openedRig(t)
			g.srv.cfg.Proxy.SearchWait, g.ferry.looked = patience, true
			g.client.says("a SEARCH SEEN\n")
			g.server.SetReadDeadline(time.Now().Add(patience))
			line, err := g.server.r.ReadString(' ')
			if err != nil {
				t.Fatal(err)
			}
			g.server.hears("SEARCH UID 1\n")
			answer := crlf("* 7 EXISTS\n" + update + "* ESEARCH (TAG \"" + line[:len(line)-1] + "\") ALL 1\n" + line + "OK searched\n")
			g.server.Write([]byte(answer[:cut]))
			pause.For(t.Context(), 2*time.Millisecond)
			g.server.Write([]byte(answer[cut:]))
			g.client.hears("* 7 EXISTS\n" + update)
			g.server.hears("a SEARCH SEEN\n")
			g.server.says("a OK done\n")
			g.client.hears("a OK done\n")
			g.kill()
			<-g.ended
		}
	}
}

// TestDovecotUpdatesAnEarlierSearch: the same with one that does so.
func TestDovecotUpdatesAnEarlierSearch(t *testing.T) {
	d := startDovecot(t)
	p := dovecotProxy(t, d)
	p.ferry.looked = true
	p.ferry.search = func(context.Context) { d.Append(bert, "INBOX", lab.Generate(2, 1, 1000)...) }
	s := newSpeaker(t, dialTLS(t, p.IMAPSAddr().String()))
	s.play("C: a LOGIN " + bert + " pw\nW: a OK\nC: b SELECT INBOX\nW: b OK\nC: c UID SEARCH RETURN (UPDATE COUNT) ALL\nW: c OK\n")
	s.play("C: d SEARCH TEXT x\nW: * 11 EXISTS\nW: * ESEARCH (TAG \"c\") UID ADDTO (0 11)\nW: d OK\n")
}

// TestServerEndsWhileItLooks: nothing waits for its answer any more.
func TestServerEndsWhileItLooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := openedRigOn(t, pipeInMemory)
		g.srv.cfg.Proxy.SearchWait, g.ferry.looked = patience, true
		g.client.says("a SEARCH SEEN\n")
		g.server.SetReadDeadline(time.Now().Add(patience))
		if _, err := g.server.r.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		g.server.says("* BYE I am leaving\n")
		g.server.Close()
		g.endsWith(t, "* BYE I am leaving\n")
		if took := time.Since(begun); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// TestServerThatDoesNotLook: one that answers late holds the client's search up to the bound, and
// its late answer is not taken for the client's.
func TestServerThatDoesNotLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := openedRigOn(t, pipeInMemory)
		g.srv.cfg.Proxy.SearchWait, g.ferry.looked = patience, true
		begun := time.Now()
		g.client.says("a SEARCH SEEN\n")
		g.server.SetReadDeadline(time.Now().Add(patience))
		line, err := g.server.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		tag, _, _ := strings.Cut(line, " ")
		g.server.hears("a SEARCH SEEN\n")
		if held := time.Since(begun); held != refreshBound {
			t.Errorf("held for %v", held)
		}
		g.server.says("* SEARCH 1\n" + tag + " OK late\n* SEARCH 7\na OK done\n")
		g.client.hears("* SEARCH 7\na OK done\n")
	})
}
