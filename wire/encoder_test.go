package wire

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
)

func TestEncoder(t *testing.T) {
	date := time.Date(2024, 2, 3, 4, 5, 6, 0, time.FixedZone("", -5400))
	tests := []struct {
		write func(e *Encoder)
		want  string
	}{
		{func(e *Encoder) { e.Raw("a1 NOOP").CRLF() }, "a1 NOOP\r\n"},
		{func(e *Encoder) { e.Raw("a1 EXAMINE").SP().Mailbox("iNbOx") }, "a1 EXAMINE INBOX"},
		{func(e *Encoder) { e.Mailbox(`a"b\c ü`) }, `"a\"b\\c ü"`},
		{func(e *Encoder) { e.Mailbox("Entw\xfcrfe") }, "\"Entw\xfcrfe\""},
		{func(e *Encoder) { e.Date(date) }, `" 3-Feb-2024 04:05:06 -0130"`},
		{func(e *Encoder) { e.Literal(5, true).Literal(7, false) }, "{5+}\r\n{7}\r\n"},
		{func(e *Encoder) { e.Number(18446744073709551615) }, "18446744073709551615"},
		{func(e *Encoder) {
			e.Flags([]imap.Flag{`\Seen`, `\Recent`, "$Junk", `\*`, "a b", "x\r\nA1 DELETE y", "", `\`, "ü", "]"})
		}, `(\Seen $Junk)`},
		{func(e *Encoder) { e.Flags(nil) }, "()"},
		{func(e *Encoder) { e.UIDs(imap.UIDSetNum(1, 2, 3, 9)) }, "1:3,9"},
	}
	for _, tt := range tests {
		var b strings.Builder
		w := bufio.NewWriter(&b)
		e := NewEncoder(w)
		tt.write(e)
		if err := e.Err(); err != nil {
			t.Errorf("%q: %v", tt.want, err)
		}
		w.Flush()
		if b.String() != tt.want {
			t.Errorf("got %q, want %q", b.String(), tt.want)
		}
	}
}

func TestEncoderRefuses(t *testing.T) {
	for name, write := range map[string]func(e *Encoder){
		"line end in a name": func(e *Encoder) { e.Mailbox("a\r\nb") },
		"NUL in a name":      func(e *Encoder) { e.Mailbox("a\x00b") },
		"line end in raw":    func(e *Encoder) { e.Raw("a\nb") },
		"empty set":          func(e *Encoder) { e.UIDs(nil) },
		"year 10000":         func(e *Encoder) { e.Date(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)) },
	} {
		var b strings.Builder
		w := bufio.NewWriter(&b)
		e := NewEncoder(w)
		write(e)
		e.CRLF()
		w.Flush()
		if e.Err() == nil || b.Len() > 0 {
			t.Errorf("%s: wrote %q, %v", name, b.String(), e.Err())
		}
	}
}

func TestParseDate(t *testing.T) {
	want := time.Date(2024, 2, 3, 4, 5, 6, 0, time.UTC)
	for _, s := range []string{" 3-Feb-2024 04:05:06 +0000", "03-Feb-2024 05:05:06 +0100", "3-feb-2024 04:05:06",
		"3-Feb-24 04:05:06 +0000", "Sat, 3 Feb 2024 04:05:06 +0000", "2024-02-03T04:05:06Z", "3-Feb-2024 04:05:06 GMT"} {
		if got, ok := ParseDate(s); !ok || !got.Equal(want) {
			t.Errorf("%q: %v %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "NIL", "99-Feb-2024 04:05:06 +0000", "03-Feb-0000 04:05:06 +0000", "yesterday"} {
		if got, ok := ParseDate(s); ok {
			t.Errorf("%q: %v", s, got)
		}
	}
}

func FuzzParseDate(f *testing.F) {
	f.Add(" 3-Feb-2024 04:05:06 +0000")
	f.Add("Sat, 3 Feb 2024 04:05:06 +0000")
	f.Add("31-Dec-9999 23:59:59 -1200")
	f.Fuzz(func(t *testing.T, s string) {
		date, ok := ParseDate(s)
		if !ok {
			return
		}
		var b bytes.Buffer
		w := bufio.NewWriter(&b)
		if e := NewEncoder(w).Date(date); e.Err() != nil || w.Flush() != nil {
			t.Fatalf("%q can't be sent: %v", s, e.Err())
		}
		again, ok := ParseDate(strings.Trim(b.String(), `"`))
		if !ok || !again.Equal(date.Truncate(time.Second)) {
			t.Fatalf("%q became %s, then %v", s, b.String(), again)
		}
	})
}
