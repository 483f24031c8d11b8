package session

import (
	"strings"
	"testing"

	"postferry/syncer/message"
)

// The keys of messages without an id don't depend on what servers and
// programs write into the header of a stored message.
func TestPOP3HeaderKey(t *testing.T) {
	plain := headerKey("", []byte("Subject: a\r\n b\r\nFrom: c\r\n\r\n"))
	for _, same := range []string{
		"Subject: a b\r\nFrom: c\r\nStatus: RO\r\n\r\n", "X-UIDL: 5\nsubject:  a\n b\nFrom: c\nX-Mozilla-Status: 0001\n\n",
	} {
		if headerKey("", []byte(same)) != plain {
			t.Errorf("%q has another key", same)
		}
	}
	for _, other := range []string{"Subject: a b\r\nFrom: d\r\n\r\n", "From: c\r\nSubject: a b\r\n\r\n", ""} {
		if headerKey("", []byte(other)) == plain {
			t.Errorf("%q has the same key", other)
		}
	}
	for _, uid := range []string{"abc", "x", strings.Repeat("u", 70), strings.Repeat("u", 5000), "a\xff"} {
		if k := uidlKey(uid); len(k) == message.IMAPKeyLength || len(k) > 255 || headerKey(uid, nil) == k || len(headerKey(uid, nil)) > 240 {
			t.Errorf("%.20q: %q", uid, k)
		}
	}
}
