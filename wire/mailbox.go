package wire

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// mutf7 is the base64 alphabet of modified UTF-7 (RFC 3501 section 5.1.3).
var mutf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").
	WithPadding(base64.NoPadding).Strict()

// IsInbox reports whether a name is INBOX, whose case does not matter (RFC
// 9051 section 5.1). Children of INBOX are not INBOX.
func IsInbox(name string) bool { return strings.EqualFold(name, "INBOX") }

// DecodeMailbox turns a raw mailbox name into text for people: modified
// UTF-7 is decoded, UTF-8 stays as it is, and what is neither survives
// verbatim, byte for byte, so the result need not be valid UTF-8. It can't
// fail, but it isn't one-to-one: a raw name is to be kept and sent as it came,
// and EncodeMailbox is for new names.
func DecodeMailbox(raw string) string {
	if strings.IndexByte(raw, '&') < 0 {
		return raw
	}
	var b strings.Builder
	b.Grow(len(raw))
	for {
		i := strings.IndexByte(raw, '&')
		if i < 0 {
			break
		}
		b.WriteString(raw[:i])
		raw = raw[i:]
		text, n := decodeShifted(raw)
		b.WriteString(text)
		raw = raw[n:]
	}
	b.WriteString(raw)
	return b.String()
}

// decodeShifted decodes the sequence that s begins with ("&...-") and returns
// its text and how much of s it took. A bad sequence is returned as it is, up to
// where another may begin, so that no octet is looked at a second time.
func decodeShifted(s string) (text string, n int) {
	end := shiftedEnd(s)
	if end == len(s) || s[end] != '-' {
		return s[:end], end
	}
	if end == 1 {
		return "&", 2
	}
	if text, ok := shiftedText(s[1:end]); ok {
		return text, end + 1
	}
	return s[:end+1], end + 1
}

// shiftedEnd is where the base64 ends that follows the "&" s begins with.
func shiftedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		if c := s[i]; !isAlnum(c) && c != '+' && c != ',' {
			return i
		}
	}
	return len(s)
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// shiftedText is the text that is written in base64; not ok if that is not what it is for.
func shiftedText(s string) (text string, ok bool) {
	octets, err := mutf7.DecodeString(s)
	if err != nil || len(octets) == 0 || len(octets)%2 != 0 {
		return "", false
	}
	units := make([]uint16, len(octets)/2)
	for i := range units {
		units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
		// A printable ASCII character stands for itself (RFC 3501 section
		// 5.1.3); taken from here it could smuggle in a hierarchy delimiter.
		if isPrintable(rune(units[i])) {
			return "", false
		}
	}
	runes := utf16.Decode(units)
	if slices.Contains(runes, utf8.RuneError) { // an unpaired surrogate
		return "", false
	}
	return string(runes), true
}

// EncodeMailbox turns text into a raw name in modified UTF-7. Bytes that are
// no UTF-8 are passed on as they are.
func EncodeMailbox(name string) string {
	var b strings.Builder
	b.Grow(len(name))
	for len(name) > 0 {
		r, size := utf8.DecodeRuneInString(name)
		switch {
		case r == '&':
			b.WriteString("&-")
		case isPrintable(r), r == utf8.RuneError && size == 1:
			b.WriteString(name[:size])
		default:
			size = shiftedLen(name)
			writeShifted(&b, name[:size])
		}
		name = name[size:]
	}
	return b.String()
}

// shiftedLen is the length of the run at the start of s that has to be encoded.
func shiftedLen(s string) int {
	for i, r := range s {
		if isPrintable(r) {
			return i
		}
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			return i
		}
	}
	return len(s)
}

func writeShifted(b *strings.Builder, s string) {
	units := utf16.Encode([]rune(s))
	octets := make([]byte, 0, 2*len(units))
	for _, u := range units {
		octets = append(octets, byte(u>>8), byte(u))
	}
	b.WriteByte('&')
	b.WriteString(mutf7.EncodeToString(octets))
	b.WriteByte('-')
}

func isPrintable(r rune) bool { return r >= 0x20 && r <= 0x7e }
