package syncer

import (
	"bytes"
	netmail "net/mail"
	"time"
)

// dateOf is when a message arrived, as far as its header tells: the date of the
// topmost Received, which the old server itself has written, or else the one its
// sender gave. Zero if it tells none that can be right. For messages whose
// INTERNALDATE the old server does not tell or nobody understands: without a date
// the copy would be of today.
func dateOf(header []byte) time.Time {
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
