package message

import (
	"testing"
	"time"
)

func TestDateOf(t *testing.T) {
	want := time.Date(2019, 3, 4, 10, 0, 5, 0, time.UTC)
	for header, ok := range map[string]bool{
		"Received: from a by b; Mon, 4 Mar 2019 11:00:05 +0100\r\nReceived: from c; Tue, 1 Jan 2019 00:00:00 +0000\r\nDate: x\r\n\r\n": true,
		"Subject: x\r\nreceived: from a\r\n\tby b;\r\n Mon, 4 Mar 2019 10:00:05 +0000 (GMT)\r\n\r\n":                                   true,
		"Received: from a by b\nDate: 4 Mar 2019 10:00:05 GMT\n\n":                                                                     true,
		"Date : Mon, 4 Mar 2019 10:00:05 -0000\r\n":                                                                                    true,
		"Date: Mon, 4 Mar 2119 10:00:05 +0000\r\n\r\n":                                                                                 false,
		"Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\n":                                                                                 false,
		"Date: yesterday\r\n\r\n": false,
		"Subject: x\r\n\r\n":      false,
		"":                        false,
	} {
		got := DateOf([]byte(header))
		if ok && !got.Equal(want) || !ok && !got.IsZero() {
			t.Errorf("%q: got %v", header, got)
		}
	}
}

func FuzzDateOf(f *testing.F) {
	f.Add([]byte("Received: from a by b; Mon, 4 Mar 2019 11:00:05 +0100\r\nDate: x\r\n\r\n"))
	f.Add([]byte("Date: (a(b) Mon,\n 4 Mar 2019\n 10:00:05 EST\n"))
	f.Fuzz(func(t *testing.T, header []byte) {
		if d := DateOf(header); !d.IsZero() && (d.Year() < 1980 || d.Year() > 9998) {
			t.Fatal(d)
		}
	})
}
