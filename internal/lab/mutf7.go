package lab

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// mutf7Alphabet is base64 with "," for "/", unpadded (RFC 3501, section 5.1.3).
var mutf7Alphabet = base64.NewEncoding(
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// encodeMUTF7 spells a folder name as servers store it. It is the lab's own,
// so that it bears witness independently of package wire.
func encodeMUTF7(name string) string {
	var out strings.Builder
	var shifted []rune
	flush := func() {
		if len(shifted) == 0 {
			return
		}
		var octets []byte
		for _, unit := range utf16.Encode(shifted) {
			octets = append(octets, byte(unit>>8), byte(unit))
		}
		out.WriteString("&" + mutf7Alphabet.EncodeToString(octets) + "-")
		shifted = nil
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			shifted = append(shifted, r)
			continue
		}
		flush()
		out.WriteRune(r)
		if r == '&' {
			out.WriteByte('-')
		}
	}
	flush()
	return out.String()
}
