package message

import (
	"strings"
	"testing"

	"postferry/store"
)

// TestMayBeRewritten: what Cyrus has made of a header is known by the original's fingerprint, and nothing else is.
func TestMayBeRewritten(t *testing.T) {
	munge := strings.NewReplacer("\xfc", "X", "\xdf", "X", "\xc3", "X", "\xbc", "X", "\x9f", "X")
	for name, tt := range map[string]struct{ original, now string }{
		"ISO 8859-1":        {original: "Message-ID: <1@x>\r\nSubject: gr\xfc\xdfe\r\n\r\n"},
		"UTF-8":             {original: "Message-ID: <1@x>\r\nSubject: gr\xc3\xbc\xc3\x9fe an J\xc3\xbcrg\r\n\r\n"},
		"its own X as well": {original: "Message-ID: <X1@x>\r\nFrom: X <X@x>\r\nSubject: Xmas f\xfcr XX\r\n\r\n"},
		"without an id":     {original: "Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nSubject: gr\xfc\xdfe\r\n\r\n"},
		"many":              {original: "Message-ID: <1@x>\r\nSubject: " + strings.Repeat("\xfc a ", 20) + "\r\n\r\n"},
		"another subject":   {original: "Message-ID: <1@x>\r\nSubject: gr\xfc\xdfe\r\n\r\n", now: "Message-ID: <1@x>\r\nSubject: gXXsse\r\n\r\n"},
		"another id":        {original: "Message-ID: <1@x>\r\nSubject: gr\xfc\xdfe\r\n\r\n", now: "Message-ID: <2@x>\r\nSubject: grXXe\r\n\r\n"},
		"nothing rewritten": {original: "Message-ID: <1@x>\r\nSubject: a\r\n\r\n", now: "Message-ID: <2@x>\r\nSubject: a\r\n\r\n"},
		"nothing":           {original: "Message-ID: <1@x>\r\nSubject: a\r\n\r\n", now: "\r\n"},
	} {
		e := store.Entry{Fingerprint: Fingerprint([]byte(tt.original), 100), Size: 100}
		want := tt.now == ""
		if want {
			tt.now = munge.Replace(tt.original)
		}
		if got := MayBeRewritten(&e, []byte(tt.now)); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
