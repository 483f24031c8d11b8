package treesync

import (
	"strings"
	"unicode"

	"postferry/syncer/foldertree"
	"postferry/wire"
)

// plainer are the names that a folder gets one after the other as long as the new server
// refuses them. Cyrus takes no '%', '|', '"' and others and nothing longer than 490 octets,
// Courier nothing outside Unicode's basic plane, Dovecot with maildir and "/" between
// names no '.', others no '&', '+', ',' or blanks, or nothing beyond ASCII. The last have
// nothing that any server could refuse.
func (m *maker) plainer() []func(string) string {
	return []func(string) string{m.plain, m.letters, m.ascii, m.short, m.shortASCII}
}

// lastPart is where the last part of a raw name begins.
func (m *maker) lastPart(raw string) int {
	if m.space.Delim == 0 {
		return len(m.space.Prefix)
	}
	return strings.LastIndexByte(raw, m.space.Delim) + 1
}

// plain replaces in the last part of a raw name everything that most servers
// refuse. The same name always becomes the same.
func (m *maker) plain(raw string) string { return m.replaced(raw, " -_.,+&") }

// letters replaces all but letters and digits, of any script: some servers refuse one of
// the characters that are common in names.
func (m *maker) letters(raw string) string { return m.replaced(raw, " -_") }

// replaced is a raw name whose last part has nothing but letters, digits and what is to be kept.
func (m *maker) replaced(raw, keep string) string {
	at := m.lastPart(raw)
	sub := foldertree.Substitute(m.space.Delim)
	part := foldertree.DecodeName(raw[at:])
	plain := strings.Map(func(r rune) rune {
		if word(r) || strings.ContainsRune(keep, r) {
			return r
		}
		return rune(sub[0])
	}, part)
	if plain == part {
		return raw
	}
	name := raw[:at] + wire.EncodeMailbox(plain)
	if m.taken(name) {
		name += sub + foldertree.ShortHash(raw)
	}
	return name
}

// word reports a character that names are made of.
func word(r rune) bool {
	return r <= 0xFFFF && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r))
}

// shortest is the length of names that no server finds too long. Characters.
const shortest = 40

// short is a name of the first level for a folder whose own is too long or
// lies too deep: its last part, and a hash of the whole.
func (m *maker) short(raw string) string {
	name := strings.TrimPrefix(raw, m.space.Prefix)
	at := 0
	if m.space.Delim != 0 {
		at = strings.LastIndexByte(name, m.space.Delim) + 1
	}
	part := []rune(foldertree.DecodeName(m.plain(name[at:])))
	if at == 0 && len(part) <= shortest {
		return raw
	}
	part = part[:min(len(part), shortest)]
	return m.space.Prefix + wire.EncodeMailbox(strings.TrimSpace(string(part))) + foldertree.Substitute(m.space.Delim) + foldertree.ShortHash(raw)
}

// ascii is a raw name whose last part has only ASCII letters, digits and '_', and ends
// in a hash of the whole.
func (m *maker) ascii(raw string) string {
	at := m.lastPart(raw)
	return raw[:at] + asciiPart(foldertree.DecodeName(raw[at:]), foldertree.Substitute(m.space.Delim)) + foldertree.ShortHash(raw)
}

// shortASCII is a name like that on the first level.
func (m *maker) shortASCII(raw string) string {
	at := m.lastPart(raw)
	if at <= len(m.space.Prefix) {
		return raw // it would be what ascii gives
	}
	return m.space.Prefix + asciiPart(foldertree.DecodeName(raw[at:]), foldertree.Substitute(m.space.Delim)) + foldertree.ShortHash(raw)
}

// asciiPart is a part of a name in ASCII letters, digits and sub, at whose end it has one. It
// begins with a letter: servers have words of their own that begin otherwise.
func asciiPart(part, sub string) string {
	plain := strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && foldertree.IsAlnum(byte(r)) {
			return r
		}
		return rune(sub[0])
	}, part)
	plain = strings.Trim(plain[:min(len(plain), shortest)], sub)
	if plain == "" || '0' <= plain[0] && plain[0] <= '9' {
		plain = "folder" + sub + plain
	}
	return strings.TrimRight(plain, sub) + sub
}
