package foldertree

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"postferry/config"
	"postferry/report/reason"
	"postferry/upstream"
	"postferry/wire"
)

// policy is what the configuration wants for the folders of a domain.
type policy struct {
	config.Folders
	// inbox: the old server's personal names begin with INBOX and a delimiter;
	// people may write them with or without it.
	inbox bool
}

func newPolicy(f config.Folders, old upstream.Namespace) policy {
	prefix := strings.TrimSuffix(old.Prefix, string(rune(old.Delim)))
	return policy{Folders: f, inbox: old.Delim != 0 && wire.IsInbox(prefix)}
}

// titles are the names that the folder above and at depth i of a place may have
// in the configuration.
func (p policy) titles(where place, i int) []string {
	title := norm.NFC.String(strings.Join(where.parts[:i+1], "/"))
	if p.inbox && !wire.IsInbox(where.raw[0]) {
		return []string{title, InboxName + "/" + title}
	}
	return []string{title}
}

// mapped is the name on the new server that the configuration has for the
// folder at depth i of a place, decoded, with "/" between its parts; "" for none.
func (p policy) mapped(where place, i int) string {
	for _, title := range p.titles(where, i) {
		if name := p.Map[title]; name != "" {
			return name
		}
	}
	return ""
}

// wants tells whether the configuration names the folder, or one above it, to
// be copied to a certain place.
func (p policy) wants(where place) bool {
	wanted, _ := p.verdict(where)
	return wanted
}

// skips is the pattern that makes the configuration leave a folder alone, "" if
// none does.
func (p policy) skips(where place) string {
	_, pattern := p.verdict(where)
	return pattern
}

// verdict asks the configuration about a folder and then about those above it:
// the nearest that it speaks of decides. INBOX itself is always copied.
func (p policy) verdict(where place) (wanted bool, pattern string) {
	for i := len(where.parts) - 1; i >= 0; i-- {
		if p.mapped(where, i) != "" {
			return true, ""
		}
		if len(where.raw) == 1 && where.inbox() {
			return false, ""
		}
		for _, title := range p.titles(where, i) {
			for _, pattern := range p.Skip {
				if matchFold(pattern, title) {
					return false, pattern
				}
			}
		}
	}
	return false, ""
}

// matchFold tells whether a name matches a pattern, whatever the case. "*"
// stands for any characters but "/", "?" for one.
func matchFold(pattern, name string) bool {
	return glob([]rune(strings.ToLower(pattern)), []rune(strings.ToLower(name)))
}

// glob looks no further back than to the last "*", so that its time is at most
// that of the two lengths multiplied.
func glob(pattern, name []rune) bool {
	p, n := 0, 0
	star, from := -1, 0 // the last "*" and where in the name it ends
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, n
			p++
		case p < len(pattern) && (pattern[p] == name[n] || pattern[p] == '?' && name[n] != '/'):
			p++
			n++
		case star >= 0 && name[from] != '/':
			from++
			p, n = star+1, from
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// leaves is why a folder of the old server is left alone, "" if it is copied.
func (p policy) leaves(f *folder, foreign string, personal bool) reason.Reason {
	view := ViewAttr(f.box)
	switch pattern := p.skips(f.place); {
	case pattern != "":
		return reason.Of(reason.LeftByConfig, pattern)
	case p.wants(f.place):
		return ""
	case !personal && !p.CopyShared && foreign == "":
		return reason.Of(reason.LeftShared)
	case !personal && !p.CopyShared:
		return reason.Of(reason.LeftShared, DecodeName(foreign))
	case view != "" && !p.CopyViews && !f.all:
		return reason.Of(reason.LeftView, view)
	}
	return ""
}
