package message

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"postferry/store"
)

const sampleHeader = "Received: from a.example by b.example; Mon, 2 Mar 2020 10:00:00 +0100\r\n" +
	"Message-ID: <42@a.example>\r\n" +
	"Date: Mon, 2 Mar 2020 09:59:58 +0100\r\n" +
	"From: Anna Example <anna@a.example>\r\n" +
	"Subject: The meeting on Tuesday is now\r\n on Wednesday\r\n" +
	"To: bert@b.example\r\n\r\n"

func crlf(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

// Spellings of the same message that must not make a difference.
func TestFingerprintSame(t *testing.T) {
	want := Fingerprint([]byte(sampleHeader), 1000)
	tests := map[string]string{
		"another size":     sampleHeader,
		"bare LF":          strings.ReplaceAll(sampleHeader, "\r\n", "\n"),
		"no empty line":    strings.TrimSuffix(sampleHeader, "\r\n"),
		"no line end":      strings.TrimSuffix(sampleHeader, "\r\n\r\n"),
		"with a body":      sampleHeader + "Subject: not this one\r\nMessage-ID: <43@a.example>\r\n",
		"mbox From line":   "From anna@a.example  Mon Mar  2 10:00:00 2020\r\n" + sampleHeader,
		">From line":       ">From anna@a.example  Mon Mar  2 10:00:00 2020\r\n" + sampleHeader,
		"X-TUID":           "X-TUID: abcdefghijkl\r\n" + sampleHeader,
		"garbage":          "this is no field\r\n Subject: nor this\r\nno field : a: b\r\n" + sampleHeader,
		"unfolded":         strings.ReplaceAll(sampleHeader, "now\r\n on", "now on"),
		"folded elsewhere": strings.ReplaceAll(sampleHeader, "meeting on", "meeting\r\n\t  on"),
		"tabs":             strings.ReplaceAll(sampleHeader, "meeting on", "meeting\t\ton"),
		"field names":      strings.NewReplacer("Message-ID", "MESSAGE-id", "Subject", "SUBJECT", "From:", "fRoM :").Replace(sampleHeader),
		"no blank":         strings.NewReplacer("Message-ID: ", "Message-Id:", "Date: ", "Date:\t").Replace(sampleHeader),
		"trailing blanks":  strings.ReplaceAll(sampleHeader, "+0100\r\n", "+0100 \t\r\n"),
		"NUL":              strings.ReplaceAll(sampleHeader, "meeting", "mee\x00ting"),
		"NUL as 0x80":      strings.ReplaceAll(sampleHeader, "meeting", "mee\x80ting"),
		"another order": crlf("Subject: The meeting on Tuesday is now on Wednesday\nFrom: Anna Example <anna@a.example>\n" +
			"Date: Mon, 2 Mar 2020 09:59:58 +0100\nMessage-ID: <42@a.example>\n\n"),
		"Sender beside From": "Sender: list@c.example\r\n" + sampleHeader,
		"the first counts":   strings.TrimSuffix(sampleHeader, "\r\n") + "Subject: second\r\nMessage-ID: <2@x>\r\n\r\n",
		"From line in it":    strings.TrimSuffix(sampleHeader, "\r\n") + "Unknown\r\n\r\n",
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Fingerprint([]byte(header), 2000); got != want {
				t.Errorf("got %x, want %x", got, want)
			}
		})
	}
}

// Messages that are different, and so is each of these from all the others.
func TestFingerprintDifferent(t *testing.T) {
	tests := []struct {
		name   string
		header string
		size   int64
		id     bool
	}{
		{"sample", sampleHeader, 1000, true},
		{"another Message-ID", strings.ReplaceAll(sampleHeader, "<42@", "<43@"), 1000, true},
		{"its case", strings.ReplaceAll(sampleHeader, "<42@a.", "<42@A."), 1000, true},
		{"another date", strings.ReplaceAll(sampleHeader, ":58", ":59"), 1000, true},
		{"another sender", strings.ReplaceAll(sampleHeader, "Anna", "Emma"), 1000, true},
		{"another subject", strings.ReplaceAll(sampleHeader, "Tuesday", "Monday"), 1000, true},
		{"blanks in the subject", strings.ReplaceAll(sampleHeader, "Tuesday", "Tues day"), 1000, true},
		{"Sender in place of From", strings.ReplaceAll(sampleHeader, "From:", "Sender:"), 1000, true},
		{"date as the subject", crlf("Message-ID: <1@x>\nDate: a\n\n"), 1000, true},
		{"subject as the date", crlf("Message-ID: <1@x>\nSubject: a\n\n"), 1000, true},
		{"no Message-ID", strings.ReplaceAll(sampleHeader, "Message-ID", "X-Message-ID"), 1000, false},
		{"no Message-ID, another size", strings.ReplaceAll(sampleHeader, "Message-ID", "X-Message-ID"), 1001, false},
		{"empty Message-ID", crlf("Message-ID:\nSubject: e\n\n"), 1000, false},
		{"empty brackets", crlf("Message-ID: <>\nSubject: b\n\n"), 1000, false},
		{"8-bit Message-ID", crlf("Message-ID: \xff\xfe\nSubject: 8\n\n"), 1000, false},
		{"no header", "\r\nMessage-ID: <1@x>\r\n", 1000, false},
		{"no header, another size", "\r\n", 1001, false},
		{"body only", "Hello world\r\nhow are you\r\n", 7, false},
	}
	seen := map[store.Fingerprint]string{}
	for _, tt := range tests {
		fp := Fingerprint([]byte(tt.header), tt.size)
		if id := fp[0]&messageIDBit != 0; id != tt.id {
			t.Errorf("%s: a Message-ID: %v, want %v", tt.name, id, tt.id)
		}
		if other, ok := seen[fp]; ok {
			t.Errorf("%q and %q have the same fingerprint", tt.name, other)
		}
		seen[fp] = tt.name
	}
}

// TestFingerprintOfMarkedCopies: what mbsync and OfflineIMAP add makes no difference.
func TestFingerprintOfMarkedCopies(t *testing.T) {
	for _, header := range []string{sampleHeader, crlf("From: a@example.com\nSubject: quota\n\n")} {
		want := Fingerprint([]byte(header), 1000)
		for _, mark := range []string{"X-TUID: AbCdEf123456\r\n", "x-tuid: a\r\n b\r\n", "X-OfflineIMAP: 1 Personal INBOX\r\n"} {
			at := strings.Index(header, "Subject:")
			marked := header[:at] + mark + header[at:]
			if got := Fingerprint([]byte(marked), int64(1000+len(mark))); got != want {
				t.Errorf("%q: got %x, want %x", marked, got, want)
			}
		}
	}
}

// The ledger keeps fingerprints: what they are made of must never change.
func TestFingerprintIsStable(t *testing.T) {
	tests := []struct {
		header string
		want   store.Fingerprint
	}{
		{sampleHeader, store.Fingerprint{0xb1, 0xc1, 0x56, 0xa9, 0x32, 0x04, 0x4f, 0xfb}},
		{"Subject: a\r\n\r\n", store.Fingerprint{0xa8, 0x15, 0x30, 0xbd, 0xa1, 0xbe, 0x96, 0x10}},
	}
	for _, tt := range tests {
		if got := Fingerprint([]byte(tt.header), 1000); got != tt.want {
			t.Errorf("%.20q: got %x, want %x", tt.header, got, tt.want)
		}
	}
}

// onlyFields is what a server answers to HEADER.FIELDS: the fields in their
// order, as they are, and an empty line.
func onlyFields(header []byte) []byte {
	var out []byte
	for len(header) > 0 {
		field := header[:fieldEnd(header)]
		header = header[len(field):]
		if len(bytes.TrimRight(field, "\r\n")) == 0 {
			break
		}
		name, _, ok := bytes.Cut(field, []byte(":"))
		if ok && slices.ContainsFunc(append(fingerprintFields[:], markFields[:]...), func(f string) bool {
			return strings.EqualFold(f, string(bytes.TrimRight(name, " \t")))
		}) {
			out = append(out, field...)
		}
	}
	return append(out, "\r\n"...)
}

func TestFingerprintOfFieldsOnly(t *testing.T) {
	name := rapid.SampledFrom([]string{"Message-ID", "message-id", "Date", "From", "Sender", "Subject", "subject ", "To", "X-From", "From me", ""})
	value := rapid.SampledFrom([]string{": a", ":", ": <1@x>", ":\r\n b", ": c\r\n\td\r\n e", " no colon", ": \xff\x00"})
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for range rapid.IntRange(0, 12).Draw(t, "fields") {
			b.WriteString(name.Draw(t, "name") + value.Draw(t, "value") + rapid.SampledFrom([]string{"\r\n", "\n"}).Draw(t, "end"))
		}
		b.WriteString(rapid.SampledFrom([]string{"", "\r\n", "\n", "\r\nSubject: body\r\n"}).Draw(t, "rest"))
		full := []byte(b.String())
		size := rapid.Int64Range(0, 3).Draw(t, "size")
		if got, want := Fingerprint(onlyFields(full), size), Fingerprint(full, size); got != want {
			t.Fatalf("%q: fields only %x, whole header %x", full, got, want)
		}
	})
}

func TestHeaderCapture(t *testing.T) {
	long := strings.Repeat("X-Long: "+strings.Repeat("x", 990)+"\r\n", 300)
	tests := []struct {
		name, message, header string
		done                  bool
	}{
		{"CRLF", "A: b\r\n\r\nbody\r\n\r\n", "A: b\r\n\r\n", true},
		{"LF", "A: b\n\nbody", "A: b\n\n", true},
		{"mixed", "A: b\r\n\nbody", "A: b\r\n\n", true},
		{"mixed the other way", "A: b\n\r\nbody", "A: b\n\r\n", true},
		{"no header", "\r\nbody", "\r\n", true},
		{"no header, LF", "\nbody", "\n", true},
		{"no empty line", "A: b\r\nbody", "A: b\r\nbody", false},
		{"empty", "", "", false},
		{"blanks are no empty line", "A: b\r\n \r\nC: d\r\n\r\n", "A: b\r\n \r\nC: d\r\n\r\n", true},
		{"a lone CR is no line end", "A: b\r\r\n\r\nx", "A: b\r\r\n\r\n", true},
		{"CR alone on a line", "A: b\n\rC: d\n\nx", "A: b\n\rC: d\n\n", true},
		{"too long", long, long[:maxHeader], true},
	}
	for _, tt := range tests {
		for _, chunk := range []int{1, 2, 3, 7, 4096, len(tt.message) + 1} {
			var h HeaderCapture
			for rest := tt.message; len(rest) > 0; {
				n, err := h.Write([]byte(rest[:min(chunk, len(rest))]))
				if n != min(chunk, len(rest)) || err != nil {
					t.Fatalf("%s: wrote %d, %v", tt.name, n, err)
				}
				rest = rest[n:]
			}
			if string(h.Header()) != tt.header || h.Done() != tt.done {
				t.Errorf("%s, chunks of %d: got %d octets, done %v; want %d, %v", tt.name, chunk, len(h.Header()), h.Done(), len(tt.header), tt.done)
			}
		}
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add([]byte(sampleHeader+"body"), 3)
	f.Add([]byte("Subject\x00: a\n\tb\n\n"), 1)
	f.Add([]byte("\r\r\n:\r\n\n"), 2)
	f.Fuzz(func(t *testing.T, message []byte, chunk int) {
		chunk = max(1, chunk%64)
		var h HeaderCapture
		for rest := message; len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
			_, _ = h.Write(rest[:min(chunk, len(rest))])
		}
		if !bytes.HasPrefix(message, h.Header()) || len(h.Header()) > maxHeader {
			t.Fatalf("captured %q of %q", h.Header(), message)
		}
		if got := Header(message); !bytes.Equal(got, h.Header()) && len(h.Header()) < maxHeader {
			t.Fatalf("the header is %q in one piece, %q in several", got, h.Header())
		}
		want := Fingerprint(message, 9)
		if got := Fingerprint(h.Header(), 9); got != want && len(h.Header()) < maxHeader {
			t.Fatalf("captured header: %x, whole message: %x", got, want)
		}
		if got := Fingerprint(onlyFields(message), 9); got != want {
			t.Fatalf("fields only: %x, whole message: %x", got, want)
		}
		if got := Fingerprint(bytes.ReplaceAll(message, []byte{0}, []byte{0x80}), 9); got != want {
			t.Fatalf("with 0x80 for NUL: %x, else %x", got, want)
		}
	})
}
