package syncer

import (
	"crypto/sha256"
	"encoding/hex"
	"postferry/store"
	"postferry/upstream"
	"postferry/wire"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// inboxName is how both servers call everyone's inbox, whatever their
// namespaces (RFC 9051 section 5.1).
const inboxName = "INBOX"

// maxPart bounds a part of a folder name on the new server: file systems end
// at 255 octets, and some servers add to a name. Octets of the encoded name.
const maxPart = 200

// place is where a folder stands in its owner's tree.
type place struct {
	raw   []string // raw names of the folders above it and, last, its own
	parts []string // the decoded last part of each of raw, in Unicode's NFC
}

func (p place) name() string  { return p.raw[len(p.raw)-1] }
func (p place) last() string  { return p.parts[len(p.parts)-1] }
func (p place) title() string { return strings.Join(p.parts, "/") }
func (p place) inbox() bool   { return wire.IsInbox(p.name()) }

// locate splits a raw name at the delimiter, after the personal namespace's
// prefix. A name that lies in another namespace (RFC 2342) is not personal;
// foreign is then that namespace's prefix. The longest prefix decides, as one
// namespace may lie within another.
func locate(name string, delim byte, ns upstream.Namespace) (p place, foreign string, personal bool) {
	if wire.IsInbox(name) {
		return place{raw: []string{inboxName}, parts: []string{inboxName}}, "", true
	}
	prefix, personal := "", true
	if hasPrefix(name, ns.Prefix) {
		prefix = name[:len(ns.Prefix)]
	}
	inPersonal := len(prefix) > 0 || ns.Prefix == ""
	for _, other := range ns.Others {
		if within(name, delim, other) && (!inPersonal || len(other) > len(prefix)) {
			prefix, foreign, personal, inPersonal = other, other, false, true
		}
	}
	if !personal {
		return place{}, foreign, false
	}
	return split(name, prefix, delim), "", true
}

// within reports whether a name lies below a namespace's prefix or is its root.
func within(name string, delim byte, prefix string) bool {
	if strings.HasPrefix(name, prefix) {
		return true
	}
	root, ok := strings.CutSuffix(prefix, string(rune(delim)))
	return ok && delim != 0 && name == root
}

// hasPrefix is strings.HasPrefix, but INBOX at the beginning may be spelled as
// it likes.
func hasPrefix(name, prefix string) bool {
	return strings.HasPrefix(canonicalInbox(name), canonicalInbox(prefix))
}

// canonicalName spells INBOX itself in upper case.
func canonicalName(raw string) string {
	if wire.IsInbox(raw) {
		return inboxName
	}
	return raw
}

// canonicalInbox spells INBOX in upper case where it is the first part of a
// name; any delimiter will do.
func canonicalInbox(name string) string {
	n := len(inboxName)
	if len(name) < n || !wire.IsInbox(name[:n]) {
		return name
	}
	if len(name) > n && (isAlnum(name[n]) || name[n] >= utf8.RuneSelf) {
		return name
	}
	return inboxName + name[n:]
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func split(name, prefix string, delim byte) place {
	rest := name[len(prefix):]
	parts := []string{rest}
	if delim != 0 {
		parts = strings.Split(rest, string(rune(delim)))
		if n := len(parts); n > 1 && parts[n-1] == "" { // UW IMAP lists directories as "mail/"
			parts = parts[:n-1]
		}
	}
	p := place{}
	end := len(prefix)
	for i, part := range parts {
		end += len(part)
		p.raw = append(p.raw, canonicalName(name[:end]))
		p.parts = append(p.parts, decodeName(part))
		if i < len(parts)-1 {
			end++
		}
	}
	p.raw[len(p.raw)-1] = name
	return p
}

// decodeName turns a raw name, or a part of one, into text in NFC, which is
// what servers make of names (RFC 9051 section 5.1, RFC 5198). Octets that are
// no UTF-8 are taken for Latin-1, which is what old clients sent.
func decodeName(raw string) string {
	text := wire.DecodeMailbox(raw)
	if utf8.ValidString(text) {
		return norm.NFC.String(text)
	}
	var b strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 {
			r = rune(text[0])
		}
		b.WriteRune(r)
		text = text[size:]
	}
	return norm.NFC.String(b.String())
}

// substitute is what stands for a character that a name on the new server
// can't have.
func substitute(delim byte) string {
	if delim == '_' {
		return "-"
	}
	return "_"
}

// legalPart makes a part of a name one that a server with this delimiter
// takes. Most parts stay as they are. first is for the first part of a name,
// which must not begin with "~" (home directories) or "#" (namespaces, RFC
// 9051 section 5.1.2.1).
func legalPart(part string, delim byte, first bool) string {
	sub := substitute(delim)
	blanks := func(s string) string { return strings.Repeat(sub, utf8.RuneCountInString(s)) }
	body := strings.TrimLeftFunc(part, unicode.IsSpace)
	lead := part[:len(part)-len(body)]
	inner := strings.TrimRightFunc(body, unicode.IsSpace)
	trail := body[len(inner):]
	legal := blanks(lead) + replaceIllegal(inner, delim, sub) + blanks(trail)
	switch {
	case legal == "":
		return sub
	case legal == "." || legal == "..":
		return blanks(legal)
	case first && (legal[0] == '~' || legal[0] == '#'):
		legal = sub + legal[1:]
	}
	return shorten(legal, sub)
}

func replaceIllegal(s string, delim byte, sub string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || delim != 0 && r == rune(delim) {
			b.WriteString(sub)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// shorten keeps a part within maxPart; the end of a long one becomes a hash of
// the whole.
func shorten(part, sub string) string {
	if len(wire.EncodeMailbox(part)) <= maxPart {
		return part
	}
	end := sub + shortHash(part)
	runes := []rune(part)
	// Each character takes at least one octet and at most eight.
	runes = runes[:min(len(runes), maxPart)]
	for len(wire.EncodeMailbox(string(runes)))+len(end) > maxPart {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + end
}

// shortHash tells names apart that would otherwise become the same.
func shortHash(s string) string { return longHash(s)[:4] }

// longHash is for those that a short one does not tell apart.
func longHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// holdsName: the folder is on the new server under its name, or is to be.
func holdsName(row *store.Folder) bool {
	return row.State == store.FolderPlanned || row.State == store.FolderPresent || isHalted(row)
}

// possibleNames are the raw names a folder of the new server may have: the one it
// was last known by, then those that clients were about to give it.
func possibleNames(row *store.Folder) []string {
	names := []string{row.New}
	if row.Renaming != "" {
		names = append(names, strings.Split(row.Renaming, "\x00")...)
	}
	return names
}

// isInbox tells whether a folder is the INBOX of the old server.
func isInbox(f *store.Folder) bool { return strings.EqualFold(f.Old, "INBOX") }
