package upstream

import (
	"context"
	"fmt"
	"testing"

	"postferry/upstream/link"
	"postferry/wire"
)

// TestFind: what a client searches for is put to another server so that it reads it as it is
// meant, and a refusal leaves the session usable.
func TestFind(t *testing.T) {
	tests := map[string]struct{ command, Script, want string }{
		"quoted": {`a SEARCH FROM "joe smith" UNSEEN`, `
C: P2 UID SEARCH FROM "joe smith" UNSEEN
S: * SEARCH 3 1 2
S: P2 OK
`, "1:3 <nil>"},
		"with literals": {`a UID SEARCH CHARSET UTF-8 OR SUBJECT "ü" TO "a\"b" SEEN`, `
C: P2 UID SEARCH CHARSET UTF-8 OR SUBJECT {2}
S: + go on
C: ü TO {3}
S: + go on
C: a"b SEEN
S: * ESEARCH (TAG "P2") UID ALL 7,9
S: P2 OK
`, "7,9 <nil>"},
		"refused": {`a SEARCH FROM x`, `
C: P2 UID SEARCH FROM "x"
S: P2 BAD what
`, ` server: UID SEARCH: the server says "what": BAD`},
		"a charset refused": {`a SEARCH TEXT "ü"`, `
C: P2 UID SEARCH CHARSET UTF-8 TEXT {2}
S: P2 NO [BADCHARSET (US-ASCII)] no
`, ` server: UID SEARCH: the server says [BADCHARSET] "no": NO`},
		"nothing": {`a SEARCH (FROM x)`, `
C: P2 UID SEARCH (FROM "x")
S: * SEARCH
S: P2 OK
`, " <nil>"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			search, ok := wire.ParseSearch([]byte(tt.command))
			if !ok {
				t.Fatal("no search")
			}
			s := scripted(t, "@"+tt.Script+"C: P3 NOOP\nS: P3 OK\n")
			s.conn.bounds.most = 100
			found, err := s.Searcher.Find(context.Background(), search.Criteria)
			text := fmt.Sprint(err)
			if e, ok := err.(*link.Error); ok {
				e.Server = "server"
				text = e.Error()
			}
			if got := found.String() + " " + text; got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if err := s.Alive(context.Background()); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
