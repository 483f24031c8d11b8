package wire

import (
	"fmt"
	"strings"
	"testing"
)

// commandEvents scans input in pieces of the given size (0: all at once) and
// writes down what is reported, and where. It answers a synchronising literal
// with "+" unless its announced size is 13.
func commandEvents(input []byte, piece int) (log []string) {
	var s CommandScanner
	pos := 0
	for pos < len(input) {
		end := len(input)
		if piece > 0 {
			end = min(end, pos+piece)
		}
		n, ev := s.Scan(input[pos:end])
		pos += n
		switch ev {
		case CommandVerb:
			log = append(log, fmt.Sprintf("%d verb %q %d", pos, s.Tag(), s.Verb()))
		case CommandLiteral:
			log = append(log, fmt.Sprintf("%d literal %q %+v", pos, s.Tag(), s.Literal()))
			s.Continue(s.Literal().Size != 13)
		case CommandEnd:
			log = append(log, fmt.Sprintf("%d end %q %d %q", pos, s.Tag(), s.Verb(), s.Args()))
		case CommandBad:
			return append(log, fmt.Sprintf("%d bad", pos))
		case CommandMore:
			if pos != end {
				panic("stopped early")
			}
		}
	}
	return append(log, fmt.Sprintf("undecided %v", s.Undecided()))
}

func responseEvents(input []byte, piece int) (log []string) {
	var s ResponseScanner
	pos := 0
	for pos < len(input) {
		end := len(input)
		if piece > 0 {
			end = min(end, pos+piece)
		}
		n, done := s.Scan(input[pos:end])
		pos += n
		if done {
			log = append(log, fmt.Sprintf("%d %d %q %d %q %q", pos, s.Kind(), s.Tag(), s.Status(), s.Name(), s.Code()))
		} else if pos != end {
			panic("stopped early")
		}
	}
	return append(log, fmt.Sprintf("undecided %v between %v", s.Undecided(), s.Between()))
}

// commandArgs returns verb and arguments of each command of input.
func commandArgs(input string) (got []string) {
	var s CommandScanner
	b := []byte(input)
	for len(b) > 0 {
		n, ev := s.Scan(b)
		b = b[n:]
		if ev == CommandEnd {
			got = append(got, fmt.Sprintf("%s %s %q", s.Tag(), s.Verb(), s.Args()))
		}
		s.Continue(true)
	}
	return got
}

func TestCommandArguments(t *testing.T) {
	tests := []struct{ name, input, want string }{
		{"atom", "a1 select INBOX\r\n", `a1 SELECT ["INBOX"]`},
		{"bare LF", "a1 SELECT INBOX\n", `a1 SELECT ["INBOX"]`},
		{"parameters", "a1 EXAMINE Foo (CONDSTORE)\r\n", `a1 EXAMINE ["Foo"]`},
		{"quoted", `a1 SELECT "a \"b\\c\" d" (CONDSTORE)` + "\r\n", `a1 SELECT ["a \"b\\c\" d"]`},
		{"empty quoted", "a1 SELECT \"\"\r\n", `a1 SELECT [""]`},
		{"literal", "a1 SELECT {7}\r\nIN\r\nBOX\r\n", `a1 SELECT ["IN\r\nBOX"]`},
		{"literal+ and more", "a1 SELECT {5+}\r\nINBOX (QRESYNC (1 2))\r\n", `a1 SELECT ["INBOX"]`},
		{"literal8", "a1 CREATE ~{3+}\r\na\x00b\r\n", `a1 CREATE ["a\x00b"]`},
		{"empty literal", "a1 CREATE {0}\r\n\r\n", `a1 CREATE [""]`},
		{"rename", `a1 RENAME "a b" {3+}` + "\r\nc d\r\n", `a1 RENAME ["a b" "c d"]`},
		{"rename both literal", "a1 RENAME {1}\r\na {1}\r\nb\r\n", `a1 RENAME ["a" "b"]`},
		{"tilde atom", "a1 CREATE ~peter\r\n", `a1 CREATE ["~peter"]`},
		{"glued brace", "a1 CREATE x{5}\r\n", `a1 CREATE ["x{5}"]`},
		{"text in quotes is no literal", "a1 CREATE \"{5}\"\r\n", `a1 CREATE ["{5}"]`},
		{"utf-8", "a1 CREATE \"Entwürfe\"\r\n", `a1 CREATE ["Entwürfe"]`},
		{"tag with bracket", "] DELETE x\r\n", `] DELETE ["x"]`},
		{"login", "a LOGIN joe \"p w\"\r\n", `a LOGIN ["joe" "p w"]`},
		{"authenticate", "a AUTHENTICATE PLAIN\r\n", `a AUTHENTICATE ["PLAIN"]`},
		{"initial response", "a authenticate PLAIN =\r\n", `a AUTHENTICATE ["PLAIN" "="]`},
		{"done", "DONE\r\n", `DONE  []`},
		{"no argument", "a SELECT\r\n", `a SELECT []`},
		{"space only", "a SELECT \r\n", `a SELECT []`},
		{"unclosed quote", "a SELECT \"x\r\n", `a SELECT []`},
		{"glued quote", "a SELECT \"x\"y\r\n", `a SELECT []`},
		{"literal elsewhere", "a GETQUOTA {3+}\r\nfoo (MESSAGES)\r\n", `a  []`},
		{"status", "a STATUS {3+}\r\nfoo (MESSAGES)\r\n", `a STATUS ["foo"]`},
		{"list", "a LIST \"\" \"*\" RETURN (STATUS (MESSAGES))\r\n", `a LIST []`},
		{"append", "a APPEND x {3+}\r\na\r\n (\\Seen) ~{1+}\r\nb\r\n", `a  []`},
		{"too long", "a SELECT " + strings.Repeat("x", 8193) + "\r\n", `a SELECT []`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := commandArgs(tt.input + "z NOOP\r\n")
			if len(got) != 2 || got[0] != tt.want || got[1] != "z NOOP []" {
				t.Errorf("got %q; want %s and the NOOP", got, tt.want)
			}
		})
	}
}

func TestCommandLiteralRefused(t *testing.T) {
	got := commandEvents([]byte("a SELECT {13}\r\nb SELECT x\r\n"), 0)
	want := []string{
		`8 verb "a" 19`, `15 literal "a" {Size:13 NonSync:false Binary:false}`,
		`23 verb "b" 19`, `27 end "b" 19 ["x"]`, "undecided false",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestCommandTagTooLong(t *testing.T) {
	got := commandEvents([]byte(strings.Repeat("t", MaxTag)+" NOOP\r\n"), 0)
	if len(got) != 3 {
		t.Errorf("longest tag: %v", got)
	}
	got = commandEvents([]byte(strings.Repeat("t", MaxTag+1)+" NOOP\r\n"), 0)
	if fmt.Sprint(got) != "[257 bad]" {
		t.Errorf("too long a tag: %v", got)
	}
}

func TestResponses(t *testing.T) {
	tests := []struct {
		name, input string
		responses   int
		last        string // kind, tag, status, name, code of the last
	}{
		{"untagged status", "* OK [UIDNEXT 5] next\r\n", 1, `0 "" 1 "OK" "UIDNEXT"`},
		{"tagged", "a] NO [TRYCREATE] no\r\n", 1, `1 "a]" 2 "NO" "TRYCREATE"`},
		{"lower case", "a ok [capability X] done\r\n", 1, `1 "a" 1 "OK" "CAPABILITY"`},
		{"fetch", "* 1 FETCH (BODY[] {5}\r\na\r\nbc FLAGS ())\r\n", 1, `0 "" 0 "1" ""`},
		{"glued literal", "* 1 FETCH (BODY[]{5}\r\na\r\nbc)\r\n", 1, `0 "" 0 "1" ""`},
		{"two literals", "* LIST () \"/\" {3}\r\nfoo (X ~{2}\r\n\r\n)\r\n", 1, `0 "" 0 "LIST" ""`},
		{"text like a literal", "* OK see {5}\r\na BAD foo {5}\r\n", 2, `1 "a" 3 "BAD" ""`},
		{"text behind a code", "* NO [ALERT] foo {5}\r\n* BYE {3}\r\n", 2, `0 "" 4 "BYE" ""`},
		{"literal in a code", "* OK [BADCHARSET ({5}\r\nUTF-8)] text {7}\r\na OK x\r\n", 2, `1 "a" 1 "OK" ""`},
		{"bracket in a quoted string", "* OK [X \"]\\\"\" {1}\r\n]] {9}\r\na OK x\r\n", 2, `1 "a" 1 "OK" ""`},
		{"continuation", "+ go {5}\r\n+\r\n+ \r\n", 3, `2 "" 0 "" ""`},
		{"empty text", "a OK\r\n* OK\r\n", 2, `0 "" 1 "OK" ""`},
		{"capability", "* CAPABILITY IMAP4rev1\r\n", 1, `0 "" 0 "CAPABILITY" ""`},
		{"bare LF", "* 1 EXISTS\n* 2 EXISTS\n", 2, `0 "" 0 "2" ""`},
		{"unclosed code", "* OK [UNSEEN 5\r\na OK x\r\n", 2, `1 "a" 1 "OK" ""`},
		{"long name", "* ABCDEFGHIJKLMNOPQRSTUV {1}\r\nx\r\na OK x\r\n", 2, `1 "a" 1 "OK" ""`},
		{"no kind", "*\r\na OK x\r\n", 2, `1 "a" 1 "OK" ""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log := responseEvents([]byte(tt.input), 0)
			events, end := log[:len(log)-1], log[len(log)-1]
			if len(events) != tt.responses || end != "undecided false between true" {
				t.Fatalf("%q %s", events, end)
			}
			if want := fmt.Sprintf("%d %s", len(tt.input), tt.last); events[len(events)-1] != want {
				t.Errorf("got %s; want %s", events[len(events)-1], want)
			}
		})
	}
}

func TestLongLiteralIsSteppedOver(t *testing.T) {
	var s ResponseScanner
	line := []byte("* 1 FETCH (BODY[] {1000000}\r\n")
	if _, end := s.Scan(line); end {
		t.Fatal("ended before its literal")
	}
	data := []byte(strings.Repeat("a OK\r\n", 100000))
	for len(data) > 400000 {
		if _, end := s.Scan(data[:1000]); end {
			t.Fatal("ended within its literal")
		}
		data = data[1000:]
	}
}

func TestScannersDoNotAllocate(t *testing.T) {
	var c CommandScanner
	var r ResponseScanner
	commands := []byte("a SELECT \"x y\"\r\nb UID FETCH 1:* (FLAGS)\r\nc APPEND x {3+}\r\nabc\r\nd RENAME {1+}\r\na b\r\n")
	responses := []byte("* 1 FETCH (BODY[] {5}\r\nabcde)\r\n* OK [UIDNEXT 5] x\r\na OK done\r\n+ go\r\n")
	n := testing.AllocsPerRun(100, func() {
		for b := commands; len(b) > 0; {
			n, _ := c.Scan(b)
			b = b[n:]
		}
		for b := responses; len(b) > 0; {
			n, _ := r.Scan(b)
			b = b[n:]
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCommandScanner(f *testing.F) {
	f.Add([]byte("a LOGIN {3}\r\njoe {2+}\r\npw\r\nDONE\r\nb SELECT \"x\\\"\"\r\n"))
	f.Add([]byte("a SELECT {13}\r\nb UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS ({4}\r\nDate)])\r\n"))
	f.Add([]byte("a CREATE ~{1+}\r\nx\r\nc RENAME a ~\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		want := fmt.Sprint(commandEvents(input, 0))
		for _, piece := range []int{1, 2, 3, 7, 31, 33} {
			if got := fmt.Sprint(commandEvents(input, piece)); got != want {
				t.Fatalf("in pieces of %d\ngot  %s\nwant %s", piece, got, want)
			}
		}
	})
}

func FuzzResponseScanner(f *testing.F) {
	f.Add([]byte("* OK [BADCHARSET ({5}\r\nUTF-8)] x {5}\r\n* 1 FETCH (X {2}\r\nab)\r\na OK\r\n"))
	f.Add([]byte("+ {5}\r\n+\r\n* BYE [X \"]\\\"\" {0}\r\n]\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		want := fmt.Sprint(responseEvents(input, 0))
		for _, piece := range []int{1, 2, 3, 7, 31, 33} {
			if got := fmt.Sprint(responseEvents(input, piece)); got != want {
				t.Fatalf("in pieces of %d\ngot  %s\nwant %s", piece, got, want)
			}
		}
	})
}

func BenchmarkResponseScannerFlags(b *testing.B) {
	line := []byte("* 12345 FETCH (UID 123456 FLAGS (\\Seen) INTERNALDATE \"01-Jan-2024 00:00:00 +0000\" RFC822.SIZE 8192)\r\n")
	var s ResponseScanner
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		s.Scan(line)
	}
}
