package wire

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func decoder(s string) *Decoder {
	return NewDecoder(bufio.NewReader(iotest.OneByteReader(strings.NewReader(s))))
}

func TestDecodeFetch(t *testing.T) {
	d := decoder("* 12 FETCH (UID 7 FLAGS (\\Seen $Junk) BODY[HEADER.FIELDS (DATE \"a b\")] {5}\r\na)\r\nb X-ODD (1 (\"x)\" {2}\r\n)( NIL)) BODY[] NIL)\r\nnext\r\n")
	if got := string(d.Word()); got != "*" {
		t.Fatal(got)
	}
	d.Space()
	if n := d.Number(); n != 12 {
		t.Fatal(n)
	}
	d.Space()
	if got := string(d.Word()); got != "FETCH" {
		t.Fatal(got)
	}
	d.Space()
	var got []string
	d.List(func() {
		item := string(d.Item())
		d.Space()
		switch item {
		case "UID":
			got = append(got, fmt.Sprint(item, " ", d.Number()))
		case "FLAGS":
			d.List(func() { got = append(got, string(d.Word())) })
		case "BODY[]":
			s, isNil := d.String(100)
			got = append(got, fmt.Sprintf("%s %q %v", item, s, isNil))
		case "X-ODD":
			d.Skip()
		default:
			size, _ := d.Literal()
			body, err := io.ReadAll(d.Body())
			got = append(got, fmt.Sprintf("%s %d %q %v", item, size, body, err))
		}
	})
	d.EndLine()
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	want := "UID 7|\\Seen|$Junk|BODY[HEADER.FIELDS (DATE \"a b\")] 5 \"a)\\r\\nb\" <nil>|BODY[] \"NIL\" true"
	if s := strings.Join(got, "|"); s != want {
		t.Fatalf("got  %s\nwant %s", s, want)
	}
	if got := string(d.Text()); got != "next" {
		t.Fatal(got)
	}
}

func TestDecodeStrings(t *testing.T) {
	tests := []struct {
		in, want string
		isNil    bool
	}{
		{"abc x", "abc", false},
		{"~peter)", "~peter", false},
		{`"a \"b\" \\ c"`, `a "b" \ c`, false},
		{`""`, "", false},
		{"nil ", "NIL", true},
		{`"NIL"`, "NIL", false},
		{"{3}\r\nNIL", "NIL", false},
		{"~{3+}\na\x00b", "a\x00b", false},
		{"{0}\r\n", "", false},
		{`a"b"`, `a"b"`, false},
		{"{12}\r\n0123456789ab", "0123456789", false}, // cut at the limit
	}
	for _, tt := range tests {
		d := decoder(tt.in + "\r\n")
		s, isNil := d.String(10)
		if !strings.EqualFold(string(s), tt.want) || isNil != tt.isNil || d.Err() != nil {
			t.Errorf("%q: got %q %v %v", tt.in, s, isNil, d.Err())
		}
	}
}

func TestDiscardFindsTheNextResponse(t *testing.T) {
	for _, bad := range []string{
		"* 1 FETCH (UID x {5}\r\n\r\n)\r\n more)\r\n",
		"* 1 FETCH (UID x)\n",
		"* 1 FETCH (UID \"x {3}\r\n",
		"* 1 FETCH (UID " + strings.Repeat("(", 200) + "\r\n",
		"* 1 FETCH (UID x BODY[] ~{3}\r\nabc Y {0}\r\n)\r\r\n",
		"* 1 FETCH (UID 99999999999999999999)\r\n",
		"* 1 FETCH (UID x" + strings.Repeat("y", 10000) + " {7}\r\n* BAD\r\n)\r\n",
	} {
		if strings.HasPrefix(bad, "* 1 FETCH (UID \"x {3}") {
			bad += "abc\r\n" // a literal by its looks
		}
		d := decoder(bad + "* OK next {5}\r\n")
		d.Word()
		d.Skip()
		d.Skip()
		d.Space()
		d.List(func() { d.Item(); d.Space(); d.Number() })
		var syntax *SyntaxError
		if !errors.As(d.Err(), &syntax) {
			t.Errorf("%.40q: no syntax error but %v", bad, d.Err())
		}
		if err := d.Discard(); err != nil {
			t.Errorf("%.40q: %v", bad, err)
		}
		if got := string(d.Text()); got != "* OK next {5}" {
			t.Errorf("%.40q: next is %q", bad, got)
		}
	}
}

func TestDecoderBounds(t *testing.T) {
	long := strings.Repeat("x", MaxToken+1)
	for name, take := range map[string]func(d *Decoder){
		"word":   func(d *Decoder) { d.Word() },
		"string": func(d *Decoder) { d.String(1 << 30) },
		"item":   func(d *Decoder) { d.Item() },
	} {
		d := NewDecoder(bufio.NewReader(strings.NewReader(long + "\r\n")))
		take(d)
		if !errors.Is(d.Err(), ErrTooLong) || !errors.Is(d.Discard(), ErrTooLong) {
			t.Errorf("%s: %v", name, d.Err())
		}
	}
	d := NewDecoder(bufio.NewReader(strings.NewReader(long + "\r\n")))
	if got := d.Text(); len(got) != MaxToken || d.Err() != nil {
		t.Errorf("text: %d octets, %v", len(got), d.Err())
	}
	d = NewDecoder(bufio.NewReader(io.LimitReader(zeros{}, MaxLine+1<<20)))
	if d.Text(); !errors.Is(d.Err(), ErrTooLong) {
		t.Errorf("line: %v", d.Err())
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestCutLiteral(t *testing.T) {
	d := decoder("{10}\r\nabc")
	size, ok := d.Literal()
	body, err := io.ReadAll(d.Body())
	if size != 10 || !ok || string(body) != "abc" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%d %v %q %v", size, ok, body, err)
	}
	if err := d.Discard(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
}

func TestHugeLiteralIsNotAllocated(t *testing.T) {
	d := decoder("{9000000000000000000}\r\nabc")
	if s, _ := d.String(MaxToken); s != nil || d.Err() == nil {
		t.Fatalf("%q %v", s, d.Err())
	}
}

// A literal too large to be counted is no end of a line: what follows is a message
// and must not be taken for responses.
func TestLiteralBeyondCounting(t *testing.T) {
	for _, size := range []string{"99999999999999999999", "99999999999999999999+", strings.Repeat("9", 80)} {
		d := decoder("* 1 FETCH (BODY[] {" + size + "}\r\n* 2 EXPUNGE\r\n")
		if err := d.Discard(); !errors.Is(err, ErrTooLong) || !errors.Is(d.Discard(), ErrTooLong) {
			t.Errorf("%s: %v", size, err)
		}
	}
	d := decoder("{99999999999999999999}\r\nnext\r\n")
	if _, ok := d.Literal(); ok || !errors.Is(d.Discard(), ErrTooLong) {
		t.Errorf("%v", d.Err())
	}
	for _, line := range []string{"* 1 FETCH (X {x}", "* OK 99999999999999999999", "* OK }", "* OK {5 }"} {
		d := decoder(line + "\r\nnext\r\n")
		if err := d.Discard(); err != nil || string(d.Text()) != "next" {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func FuzzDecoder(f *testing.F) {
	f.Add([]byte("* 12 FETCH (UID 7 FLAGS (\\Seen) BODY[] {3}\r\nabc)\r\n* OK x {5}\r\n"))
	f.Add([]byte("* LIST (\\HasChildren) \"/\" ~{3}\r\nabc\r\n"))
	f.Add([]byte("* X (((NIL \"\\\"\" {1+}\n)))\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		d := NewDecoder(bufio.NewReaderSize(bytes.NewReader(in), 16))
		for i := 0; i < len(in)+1; i++ {
			for d.More() {
				switch d.Peek() % 5 {
				case 0:
					d.Item()
				case 1:
					d.Number()
				case 2:
					if _, ok := d.Literal(); !ok {
						d.String(8)
					}
				case 3:
					d.String(8)
				default:
					d.Skip()
				}
			}
			if d.Err() == nil {
				d.EndLine()
			}
			if d.Err() != nil && d.Discard() != nil {
				return
			}
		}
		t.Fatal("no end")
	})
}
