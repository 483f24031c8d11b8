package wire

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestMailboxNames(t *testing.T) {
	tests := []struct{ raw, name string }{
		{"", ""},
		{"INBOX", "INBOX"},
		{"Entw&APw-rfe", "Entwürfe"},
		{"&BB4EQgQ,BEAEMAQyBDsENQQ9BD0ESwQ1-", "Отправленные"},
		{"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"},
		{"Tom &- Jerry", "Tom & Jerry"},
		{"&2D3eAA-", "😀"},
		{"a&AAA-b", "a\x00b"},
	}
	for _, tt := range tests {
		if got := DecodeMailbox(tt.raw); got != tt.name {
			t.Errorf("DecodeMailbox(%q) = %q, want %q", tt.raw, got, tt.name)
		}
		if got := EncodeMailbox(tt.name); got != tt.raw {
			t.Errorf("EncodeMailbox(%q) = %q, want %q", tt.name, got, tt.raw)
		}
	}
}

func TestBadMailboxNamesSurvive(t *testing.T) {
	for _, raw := range []string{
		"R&D",         // no end
		"Q&A-Team",    // one sextet only
		"&AG-",        // half a character
		"&APx-",       // padding bits set
		"&AC8-",       // a slash that should stand for itself
		"&2D0-",       // unpaired surrogate
		"&AP?w-",      // not in the alphabet
		"&AP\r\nw-",   // a line end in it
		"Entwürfe",    // UTF-8 as it is
		"Entw\xfcrfe", // Latin-1
		"a\xff&",      // both
		"&&&",         //
		strings.Repeat("&", 5000),
	} {
		if got := DecodeMailbox(raw); got != raw {
			t.Errorf("DecodeMailbox(%q) = %q", raw, got)
		}
	}
	if got := DecodeMailbox("R&D &APw-"); got != "R&D &APw-" && got != "R&D ü" {
		t.Errorf("got %q", got)
	}
}

// What follows a bad sequence is read for itself.
func TestSequenceBehindBadOne(t *testing.T) {
	for raw, want := range map[string]string{
		"&&APw-":         "&ü",
		"&ab&APw-":       "&abü",
		"&AGE-&APw-":     "&AGE-ü",
		"&AP?&APw-":      "&AP?ü",
		"&A-&-&APw-&":    "&A-&ü&",
		"&2D0-b&2D3eAA-": "&2D0-b😀",
	} {
		if got := DecodeMailbox(raw); got != want {
			t.Errorf("DecodeMailbox(%q) = %q, want %q", raw, got, want)
		}
	}
}

// The time a name takes must grow with its length, not with its square: a server
// can send names of a megabyte, which took minutes.
func TestDecodingIsLinear(t *testing.T) {
	const long = 1 << 20
	for name, raw := range map[string]string{
		"ampersands":            strings.Repeat("&", long) + "-",
		"half characters":       strings.Repeat("&A", long/2) + "-",
		"sequences without end": strings.Repeat("&APwA", long/5) + "-",
		"bad sequences":         strings.Repeat("&AGE-", long/5),
		"one bad sequence":      "&" + strings.Repeat("AGEA", long/4) + "-",
		"one sequence":          "&" + strings.Repeat("APwA", long/4) + "-",
		"no end":                "&" + strings.Repeat("APwA", long/4),
		"not in the alphabet":   strings.Repeat("&AP?", long/4) + "-",
		"ampersands as such":    strings.Repeat("&-", long/2),
	} {
		began := time.Now()
		text := DecodeMailbox(raw)
		EncodeMailbox(text)
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("%s: %v for a name of %d octets", name, took, len(raw))
		}
	}
}

func TestEncodedMailboxDecodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		raw := EncodeMailbox(name)
		for i := 0; i < len(raw); i++ {
			if !isPrintable(rune(raw[i])) {
				t.Fatalf("%q encodes to %q", name, raw)
			}
		}
		if strings.ContainsRune(name, utf8.RuneError) {
			return
		}
		if got := DecodeMailbox(raw); got != name {
			t.Fatalf("%q -> %q -> %q", name, raw, got)
		}
	})
}

func TestIsInbox(t *testing.T) {
	for name, want := range map[string]bool{"INBOX": true, "inbox": true, "InBox": true, "INBOX.x": false, "": false, "İNBOX": false} {
		if got := IsInbox(name); got != want {
			t.Errorf("IsInbox(%q) = %v", name, got)
		}
	}
}

func FuzzMailbox(f *testing.F) {
	for _, s := range []string{"&APw-", "&2D0-", "&", "&-", "a\xff&AAA-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name := DecodeMailbox(raw)
		if utf8.ValidString(raw) && !utf8.ValidString(name) {
			t.Fatalf("%q decodes to %q", raw, name)
		}
		if utf8.ValidString(name) && !strings.ContainsRune(name, utf8.RuneError) {
			if again := DecodeMailbox(EncodeMailbox(name)); again != name {
				t.Fatalf("%q -> %q -> %q", raw, name, again)
			}
		}
	})
}
