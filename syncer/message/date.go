package message

import (
	"bytes"
	"math"
	netmail "net/mail"
	"strings"
	"time"
)

// FirstHoldable is the first date that every server can hold. Cyrus 3.6 takes none before
// 1970, Dovecot 2.3 makes some of those dates in 2038.
var FirstHoldable = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)

// Holdable tells whether every server can hold a date: from 1970 on, in 32 bits, and not in
// the future, of which Dovecot 2.3 makes the present. By another one it can't be seen
// whether a server keeps the dates of messages.
func Holdable(t, now time.Time) bool {
	return !t.Before(FirstHoldable) && t.Unix() <= math.MaxInt32 && !t.After(now)
}

func SpeaksOfDates(words string) bool {
	return ContainsAny(" "+strings.ToLower(words), " date", "internaldate")
}

// DateOf is when a message arrived, as far as its header tells: the date of the
// topmost Received, which the old server itself has written, or else the one its
// sender gave. Zero if it tells none that can be right. For messages whose
// INTERNALDATE the old server does not tell or nobody understands: without a date
// the copy would be of today.
func DateOf(header []byte) time.Time {
	now := time.Now()
	for _, field := range []string{"Received", "Date"} {
		value := fieldOf(header, field)
		if i := bytes.LastIndexByte(value, ';'); i >= 0 && field == "Received" {
			value = value[i+1:]
		}
		t, err := netmail.ParseDate(string(bytes.TrimSpace(value)))
		if err == nil && t.Year() >= 1980 && t.Before(now.Add(24*time.Hour)) {
			return t
		}
	}
	return time.Time{}
}

// fieldOf is the unfolded value of the first header field with a name; nil if
// there is none.
func fieldOf(header []byte, name string) []byte {
	for len(header) > 0 {
		n := lineEnd(header)
		line := header[:n]
		header = header[n:]
		got, value, ok := bytes.Cut(line, []byte(":"))
		if !ok || !bytes.EqualFold(bytes.TrimRight(got, " \t"), []byte(name)) {
			continue
		}
		value = bytes.TrimRight(value, "\r\n")
		for len(header) > 0 && (header[0] == ' ' || header[0] == '\t') {
			n := lineEnd(header)
			value = append(bytes.Clone(value), bytes.TrimRight(header[:n], "\r\n")...)
			header = header[n:]
		}
		return value
	}
	return nil
}
