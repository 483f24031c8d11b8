package message

import (
	netmail "net/mail"
	"strconv"
	"strings"
	"time"
)

// ArrivalDate is when a message arrived at a server that does not tell it
// (POP3): what its topmost Received field says (RFC 5321 section 4.4), which that server
// wrote, else the next one's, else the Date field. It is zero if none of them
// can be read, or tells a time before 1970 or after now.
func ArrivalDate(header []byte, now time.Time) time.Time {
	var received, date time.Time
	EachField(header, func(name, value []byte) {
		text := string(value[:min(len(value), maxDateField)])
		switch {
		case received.IsZero() && strings.EqualFold(string(name), "Received"):
			if at := strings.LastIndexByte(text, ';'); at >= 0 {
				received = plausible(text[at+1:], now)
			}
		case date.IsZero() && strings.EqualFold(string(name), "Date"):
			date = plausible(text, now)
		}
	})
	if received.IsZero() {
		return date
	}
	return received
}

// maxDateField is as much of a field as is looked at. Octets.
const maxDateField = 4096

// clockSkew is how far ahead of ours another clock may be.
const clockSkew = 24 * time.Hour

// plausible reads a date that a message may have.
func plausible(text string, now time.Time) time.Time {
	t, ok := parseMailDate(text)
	if !ok || t.Unix() < 0 || t.After(now.Add(clockSkew)) {
		return time.Time{}
	}
	return t
}

// zones are the names of time zones that occur in mail, and what they stand
// for (RFC 5322 section 4.3, and those of the places where much old mail is from).
var zones = map[string]string{
	"UT": "+0000", "UTC": "+0000", "GMT": "+0000", "Z": "+0000", "WET": "+0000", "WEST": "+0100", "BST": "+0100",
	"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500", "MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700",
	"CET": "+0100", "CEST": "+0200", "MET": "+0100", "MEST": "+0200", "MEZ": "+0100", "MESZ": "+0200",
	"EET": "+0200", "EEST": "+0300", "MSK": "+0300", "MSD": "+0400", "JST": "+0900", "KST": "+0900",
	"AEST": "+1000", "AEDT": "+1100", "NZST": "+1200", "NZDT": "+1300",
}

// parseMailDate reads a date as RFC 5322 has it and as programs write it that
// go by asctime, ISO 8601 or nothing: without a zone (then UTC) or with a named
// one, with years of two or three digits, comments, full names of months.
func parseMailDate(text string) (time.Time, bool) {
	words := strings.Fields(strings.ReplaceAll(withoutComments(text), ",", " "))
	if len(words) == 0 {
		return time.Time{}, false
	}
	if t, err := time.Parse(time.RFC3339, words[0]); err == nil {
		return t, true
	}
	d, ok := sortDate(words)
	if !ok {
		return time.Time{}, false
	}
	t, err := netmail.ParseDate(d.String())
	if err != nil {
		return time.Time{}, false
	}
	if _, offset := t.Zone(); offset < -14*3600 || offset > 14*3600 {
		return time.Time{}, false
	}
	return t, true
}

// mailDate is a date taken to pieces.
type mailDate struct{ day, month, year, clock, zone string }

// String is the date as RFC 5322 wants it.
func (d mailDate) String() string {
	return d.day + " " + d.month + " " + d.year + " " + d.clock + " " + d.zone
}

const months = "janfebmaraprmayjunjulaugsepoctnovdec"

// sortDate tells the parts of a date by what they look like. Of the numbers, the
// first is the day, but where it can't be (2006-01-02).
func sortDate(words []string) (d mailDate, ok bool) {
	var numbers []string
	d.zone = "+0000"
	for _, w := range words {
		switch {
		case strings.Contains(w, ":") && d.clock == "":
			d.clock = strings.Replace(w, ":60", ":59", 1) // leap seconds
		case strings.ContainsAny(w[:1], "+-") && d.clock != "":
			d.zone = zoneOffset(w)
		case isDigits(w):
			numbers = append(numbers, w)
		case strings.Count(w, "-") == 2: // 2-Jan-2006, 2006-01-02
			for _, part := range strings.Split(w, "-") {
				if m := monthOf(part); m != "" {
					d.month = m
				} else if isDigits(part) {
					numbers = append(numbers, part)
				}
			}
		case monthOf(w) != "" && d.month == "":
			d.month = monthOf(w)
		case d.clock != "":
			d.named(w)
		}
	}
	return d, d.number(numbers) && d.month != "" && d.clock != ""
}

// named takes a word behind the time for a zone, if it is one.
func (d *mailDate) named(word string) {
	name := strings.ToUpper(word)
	if at := strings.IndexAny(name, "+-"); at > 0 { // GMT+0100
		d.zone = zoneOffset(name[at:])
	} else if offset, known := zones[name]; known {
		d.zone = offset
	}
}

// number takes two or three numbers for day and year, and for the month if that has no name.
func (d *mailDate) number(numbers []string) bool {
	if len(numbers) > 1 && len(numbers[0]) == 4 { // the year comes first
		last := len(numbers) - 1
		numbers[0], numbers[last] = numbers[last], numbers[0]
	}
	switch {
	case len(numbers) == 2 && d.month != "":
		d.day, d.year = numbers[0], numbers[1]
	case len(numbers) == 3 && d.month == "":
		n, err := strconv.Atoi(numbers[1])
		if err != nil || n < 1 || n > 12 {
			return false
		}
		d.day, d.month, d.year = numbers[0], monthOf(months[(n-1)*3:n*3]), numbers[2]
	default:
		return false
	}
	if n, err := strconv.Atoi(d.year); err == nil && len(d.year) < 4 {
		// RFC 5322 section 4.3.
		if n < 50 {
			n += 100
		}
		d.year = strconv.Itoa(1900 + n)
	}
	return true
}

// monthOf is the English name of a month as RFC 5322 has it; "" if it is none.
func monthOf(word string) string {
	if len(word) < 3 {
		return ""
	}
	short := strings.ToLower(word[:3])
	at := strings.Index(months, short)
	if at < 0 || at%3 != 0 {
		return ""
	}
	return strings.ToUpper(short[:1]) + short[1:]
}

// zoneOffset makes +hhmm of +h, +hh, +hmm, +hh:mm.
func zoneOffset(w string) string {
	digits := strings.ReplaceAll(w[1:], ":", "")
	if !isDigits(digits) || len(digits) > 4 {
		return "+0000"
	}
	if len(digits) <= 2 {
		digits += "00"
	}
	return w[:1] + strings.Repeat("0", 4-len(digits)) + digits
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// withoutComments drops what stands in parentheses, which may be nested.
func withoutComments(s string) string {
	var out strings.Builder
	depth := 0
	for _, r := range s {
		switch {
		case r == '(':
			depth++
		case r == ')' && depth > 0:
			depth--
			out.WriteByte(' ')
		case depth == 0:
			out.WriteRune(r)
		}
	}
	return out.String()
}
