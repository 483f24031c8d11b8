package wire

import (
	"strings"
	"testing"
)

func TestParseSearch(t *testing.T) {
	tests := map[string]string{ // "" for nothing to look for
		`a SEARCH TEXT invoice`:                                        `TEXT "invoice"`,
		`a UID SEARCH SUBJECT "two words" UNSEEN`:                      `SUBJECT "two words" UNSEEN`,
		`a search from {3+}` + "\r\njoe\r\n":                           `FROM "joe"`,
		"a SEARCH TEXT {4}\r\na\r\nb OR SEEN TO x\r\n":                 "TEXT \"a\r\nb\" OR SEEN TO \"x\"",
		`a SEARCH RETURN (MIN MAX COUNT) BODY x`:                       `BODY "x"`,
		`a UID SEARCH RETURN (SAVE ALL) CHARSET UTF-8 SUBJECT "Grüße"`: `CHARSET UTF-8 SUBJECT "Grüße"`,
		`a SEARCH CHARSET UTF-8 SUBJECT plain`:                         `SUBJECT "plain"`,
		`a SEARCH SUBJECT "Grüße"`:                                     `CHARSET UTF-8 SUBJECT "Grüße"`,
		`a SORT (REVERSE DATE) UTF-8 FROM joe`:                         `FROM "joe"`,
		`a UID SORT RETURN (PARTIAL 1:50) (DATE) US-ASCII UNSEEN`:      `UNSEEN`,
		`a UID THREAD REFERENCES UTF-8 TEXT "ä"`:                       `CHARSET UTF-8 TEXT "ä"`,
		`a SEARCH SINCE 1-Feb-2024 LARGER 1000 KEYWORD $Label1`:        `SINCE 1-Feb-2024 LARGER 1000 KEYWORD $Label1`,
		`a SEARCH ON "1-Feb-2024"`:                                     `ON 1-Feb-2024`,
		`a SEARCH HEADER Message-ID "<x@y>"`:                           `HEADER "Message-ID" "<x@y>"`,
		`a SEARCH (OR (FROM a SEEN) (NOT TO b)) FLAGGED`:               `(OR (FROM "a" SEEN) (NOT TO "b")) FLAGGED`,
		`a SEARCH FUZZY TEXT invioce`:                                  `TEXT "invioce"`,
		`a SEARCH 1:100 TEXT x`:                                        `TEXT "x"`,
		`a SEARCH UID 5:10 TEXT x`:                                     `TEXT "x"`,
		`a SEARCH $ TEXT x`:                                            `TEXT "x"`,
		`a SEARCH TEXT x MODSEQ 620162338`:                             `TEXT "x"`,
		`a SEARCH MODSEQ "/flags/\\draft" all 620162338 TEXT x`:        `TEXT "x"`,
		`a SEARCH OR UID 5 TEXT x FROM y`:                              `FROM "y"`,
		`a SEARCH NOT (UID 5 TEXT x) FROM y`:                           `FROM "y"`,
		`a SEARCH NEW FROM y`:                                          `FROM "y"`,
		`a SEARCH NOT DELETED FROM y`:                                  `NOT DELETED FROM "y"`,
		`a SEARCH DELETED`:                                             `DELETED`,
		`a ESEARCH TEXT x`:                                             `TEXT "x"`,
		`a ESEARCH IN (selected) TEXT x`:                               `TEXT "x"`,
		`a ESEARCH IN (mailboxes "Sent Mail") TEXT x`:                  `[Sent Mail]TEXT "x"`,
		`a ESEARCH IN (selected mailboxes (A "B c")) RETURN () TEXT x`: `[A B c]TEXT "x"`,
		`a ESEARCH IN (personal) TEXT x`:                               "",
		`a SEARCH ALL`:                                                 "",
		`a SEARCH 1:*`:                                                 "",
		`a UID SEARCH UID 1:*`:                                         "",
		`a UID SEARCH 1:* NOT DELETED`:                                 "",
		`a SEARCH UNDELETED UNDRAFT`:                                   "",
		`a SEARCH RECENT`:                                              "",
		`a SEARCH`:                                                     "",
		`a SEARCH TEXT`:                                                "",
		`a SEARCH TEXT (x)`:                                            "",
		`a SEARCH FROM x SOMETHING new`:                                "",
		`a SEARCH (FROM x`:                                             "",
		`a SEARCH FROM x)`:                                             "",
		`a SEARCH ()`:                                                  "",
		`a SEARCH FROM "x`:                                             "",
		"a SEARCH FROM {5}\r\nx":                                       "",
		"a SEARCH FROM \"a\x00b\"":                                     "",
		`a SEARCH SINCE "1-Feb-2024 OR x"`:                             "",
		`a UID FETCH 1 FLAGS`:                                          "",
		`a FETCH TEXT x`:                                               "",
		`a SEARCH TEXT ` + strings.Repeat("x", maxSearch):              "",
		`a SEARCH ` + strings.Repeat("(", 1000) + "SEEN":               "",
		`a SEARCH ` + strings.Repeat("NOT ", 1000) + "SEEN":            "",
	}
	for command, want := range tests {
		s, ok := ParseSearch([]byte(command))
		got := ""
		if ok {
			got = s.Criteria.String()
			if len(s.Folders) > 0 {
				got = "[" + strings.Join(s.Folders, " ") + "]" + got
			}
		}
		if got != want {
			t.Errorf("%.80q:\ngot  %s\nwant %s", command, got, want)
		}
	}
}

// FuzzParseSearch: whatever is parsed can be sent: no atom breaks the line.
func FuzzParseSearch(f *testing.F) {
	f.Add([]byte("a SEARCH OR (FROM {3}\r\nx\"y SEEN) NOT SINCE \"1-Feb-2024\"\r\n"))
	f.Add([]byte("a UID SORT RETURN (ALL) (DATE) UTF-8 TEXT \"\\\"ä\" MODSEQ \"/f\" all 1"))
	f.Fuzz(func(t *testing.T, command []byte) {
		s, ok := ParseSearch(command)
		for _, p := range s.Criteria.Parts() {
			if ok && !p.String && strings.ContainsAny(p.Text, "\r\n\"\x00{") {
				t.Fatalf("%q has the part %q", command, p.Text)
			}
		}
	})
}
