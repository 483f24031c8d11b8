package message

import (
	netmail "net/mail"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var arrivalNow = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func TestArrivalDate(t *testing.T) {
	const utc = "2006-01-02 15:04:05"
	for text, want := range map[string]string{
		"Mon, 02 Jan 2006 15:04:05 +0100":                         "2006-01-02 14:04:05",
		" Mon,  2 Jan 2006 15:04:05 +0100 (CET) ":                 "2006-01-02 14:04:05",
		"2 Jan 2006 15:04 -0700":                                  "2006-01-02 22:04:00",
		"Mon, 2 Jan 06 15:04:05 EST":                              "2006-01-02 20:04:05",
		"Mon, 2 Jan 106 15:04:05 GMT":                             "2006-01-02 15:04:05",
		"Mon, 2 Jan 98 15:04:05 PDT":                              "1998-01-02 22:04:05",
		"Mon Jan  2 15:04:05 2006":                                "2006-01-02 15:04:05",
		"Mon Jan  2 15:04:05 MEST 2006":                           "2006-01-02 13:04:05",
		"Mon Jan  2 15:04:05 +0200 2006":                          "2006-01-02 13:04:05",
		"Monday, 2 January 2006 15:04:05":                         "2006-01-02 15:04:05",
		"2 Sept 2006 15:04:05 Z":                                  "2006-09-02 15:04:05",
		"Mon, 2 (second) Jan (a (nested) one) 2006 15:04:05":      "2006-01-02 15:04:05",
		"02-Jan-2006 15:04:05 +02:00":                             "2006-01-02 13:04:05",
		"2006-01-02 15:04:05 +1":                                  "2006-01-02 14:04:05",
		"2006-01-02T15:04:05+01:00":                               "2006-01-02 14:04:05",
		"Fri, 31 Dec 1999 23:59:60 GMT":                           "1999-12-31 23:59:59",
		"Mon, 2 Jan 2006 15:04:05 GMT+0100":                       "2006-01-02 14:04:05",
		"Mon, 2 Jan 2006 15:04:05 XYZ":                            "2006-01-02 15:04:05",
		"Mon, 2 Jan 2006\r\n 15:04:05 +0000":                      "2006-01-02 15:04:05",
		"":                                                        "",
		"yesterday":                                               "",
		"Mon, 2 Jan 2106 15:04:05 +0000":                          "",
		"Mon, 2 Jan 1969 15:04:05 +0000":                          "",
		"Mon, 32 Jan 2006 15:04:05 +0000":                         "",
		"Mon, 2 Jan 2006 25:04:05 +0000":                          "",
		"Mon, 2 Jan 2006 15:04:05 +9900":                          "",
		"Mon, 2 Jan 2006":                                         "",
		"Mon, 2 Xyz 2006 15:04:05 +0000":                          "",
		"Mon, 99999999999999999999 Jan 2006 15:04:05":             "",
		"2006-13-02 15:04:05":                                     "",
		"Mon, 2 Jan 99999999999999999999999999 15:04:05 +0000 (x": "",
	} {
		got := ""
		if d := ArrivalDate([]byte("Date: "+text+"\r\n\r\n"), arrivalNow); !d.IsZero() {
			got = d.UTC().Format(utc)
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// The topmost Received field that can be read goes before the Date field.
func TestArrivalField(t *testing.T) {
	const (
		first  = "Received: from a (b; c) by d\r\n\twith ESMTP; Mon, 2 Jan 2006 15:04:05 +0000\r\n"
		second = "Received: by e; Sun, 1 Jan 2006 15:04:05 +0000\r\n"
		bad    = "Received: by f; never\r\nReceived: by g\r\n"
		date   = "Date: Sat, 31 Dec 2005 15:04:05 +0000\r\n"
	)
	for header, day := range map[string]int{
		first + second + date: 2, bad + second + date: 1, date + bad + first: 2, bad + date: 31, "date: x\r\n" + date: 31, bad: 0, "": 0,
	} {
		if got := ArrivalDate([]byte(header+"\r\n"), arrivalNow); got.IsZero() != (day == 0) || day != 0 && got.Day() != day {
			t.Errorf("%q: got %v", header, got)
		}
	}
}

// What is written as the RFC wants it is read as it is meant.
func TestArrivalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(t, "minutes"))
		want := time.Unix(rapid.Int64Range(0, arrivalNow.Unix()).Draw(t, "time"), 0).In(zone)
		layout := rapid.SampledFrom([]string{time.RFC1123Z, "2 Jan 2006 15:04:05 -0700 (MST)", "Mon Jan _2 15:04:05 -0700 2006"}).Draw(t, "layout")
		if got, ok := parseMailDate(want.Format(layout)); !ok || !got.Equal(want) {
			t.Fatalf("%s: got %v", want.Format(layout), got)
		}
	})
}

func FuzzArrivalDate(f *testing.F) {
	for _, seed := range []string{"Mon, 2 Jan 2006 15:04:05 +0100 (CET)", "Mon Jan  2 15:04:05 MEST 06", "2006-01-02T15:04:05Z", "((", "- - : + 1-1-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := ArrivalDate([]byte("Received: x; "+text+"\r\nDate: "+text+"\r\n\r\n"), arrivalNow)
		if !d.IsZero() && (d.Year() < 1969 || d.After(arrivalNow.Add(clockSkew))) {
			t.Errorf("%q: %v", text, d)
		}
		if d.IsZero() {
			return
		}
		if _, err := netmail.ParseDate(d.Format(time.RFC1123Z)); err != nil {
			t.Errorf("%q: %v can't be written", text, d)
		}
	})
}
