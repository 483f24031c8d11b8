package foldertree

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"postferry/store"
	"postferry/upstream"
	"postferry/wire"
)

// InboxName is how both servers call everyone's inbox, whatever their
// namespaces (RFC 9051 section 5.1).
const InboxName = "INBOX"

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
func (p place) Title() string { return strings.Join(p.parts, "/") }
func (p place) inbox() bool   { return wire.IsInbox(p.name()) }

// Locate splits a raw name at the delimiter, after the personal namespace's
// prefix. A name that lies in another namespace (RFC 2342) is not personal;
// foreign is then that namespace's prefix. The longest prefix decides, as one
// namespace may lie within another.
func Locate(name string, delim byte, ns upstream.Namespace) (p place, foreign string, personal bool) {
	if wire.IsInbox(name) {
		return place{raw: []string{InboxName}, parts: []string{InboxName}}, "", true
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
	return Split(name, prefix, delim), "", true
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
	return strings.HasPrefix(CanonicalInbox(name), CanonicalInbox(prefix))
}

// CanonicalName spells INBOX itself in upper case.
func CanonicalName(raw string) string {
	if wire.IsInbox(raw) {
		return InboxName
	}
	return raw
}

// CanonicalInbox spells INBOX in upper case where it is the first part of a
// name; any delimiter will do.
func CanonicalInbox(name string) string {
	n := len(InboxName)
	if len(name) < n || !wire.IsInbox(name[:n]) {
		return name
	}
	if len(name) > n && (IsAlnum(name[n]) || name[n] >= utf8.RuneSelf) {
		return name
	}
	return InboxName + name[n:]
}

func IsAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

func Split(name, prefix string, delim byte) place {
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
		p.raw = append(p.raw, CanonicalName(name[:end]))
		p.parts = append(p.parts, DecodeName(part))
		if i < len(parts)-1 {
			end++
		}
	}
	p.raw[len(p.raw)-1] = name
	return p
}

// DecodeName turns a raw name, or a part of one, into text in NFC, which is
// what servers make of names (RFC 9051 section 5.1, RFC 5198). Octets that are
// no UTF-8 are taken for Latin-1, which is what old clients sent.
func DecodeName(raw string) string {
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

// Substitute is what stands for a character that a name on the new server
// can't have.
func Substitute(delim byte) string {
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
	sub := Substitute(delim)
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
	return shorten(legal, delim, sub)
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
// the whole, without the delimiter, which may be any character (RFC 9051 section 9).
func shorten(part string, delim byte, sub string) string {
	if len(wire.EncodeMailbox(part)) <= maxPart {
		return part
	}
	end := sub + replaceIllegal(ShortHash(part), delim, sub)
	runes := []rune(part)
	// Each character takes at least one octet and at most eight.
	runes = runes[:min(len(runes), maxPart)]
	for len(wire.EncodeMailbox(string(runes)))+len(end) > maxPart {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + end
}

// ShortHash tells names apart that would otherwise become the same.
func ShortHash(s string) string { return longHash(s)[:4] }

// longHash is for those that a short one does not tell apart.
func longHash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:8])
}

// HoldsName tells whether a folder is on the new server under its name, or is to be.
func HoldsName(row *store.Folder) bool {
	return row.State == store.FolderPlanned || row.State == store.FolderPresent || IsHalted(row)
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

// IsInbox tells whether a folder is the INBOX of the old server.
func IsInbox(f *store.Folder) bool { return strings.EqualFold(f.Old, "INBOX") }

// RowNamed is the row of an old folder, nil if there is none.
func RowNamed(rows []store.Folder, old string) *store.Folder {
	for i := range rows {
		if rows[i].Old == old {
			return &rows[i]
		}
	}
	return nil
}

// LatestRows are the known rows with what changed.
func LatestRows(known, changed []store.Folder) []store.Folder {
	rows := slices.Clone(known)
	at := make(map[string]int, len(rows))
	for i := range rows {
		at[rows[i].Old] = i
	}
	for _, f := range changed {
		if i, ok := at[f.Old]; ok {
			rows[i] = f
		} else {
			rows = append(rows, f)
		}
	}
	return rows
}

// Begun tells whether anything has been copied.
func Begun(rows []store.Folder) bool {
	for _, f := range rows {
		if f.Copied > 0 {
			return true
		}
	}
	return false
}
