package wire

import (
	"bytes"
	"slices"
	"strings"
)

// Search is what a client searches for (SEARCH, UID SEARCH, SORT, THREAD, ESEARCH), as far
// as it means something on another server that has copies of the same messages: not by UIDs,
// sequence numbers, MODSEQ, or what an earlier search has saved.
type Search struct {
	// Folders are those that ESEARCH names (RFC 7377), as the client spelled them; none for
	// the selected one alone. Selected tells that it is among them.
	Folders  []string
	Selected bool
	Criteria Criteria
}

// Criteria are search keys of which all have to match.
type Criteria struct {
	Charset string // of the strings; "" if they are ASCII
	Words   []SearchWord
}

// SearchWord is an atom or a parenthesis of search keys, or a string.
type SearchWord struct {
	Text   string
	String bool
	glued  bool // no space before it
}

// maxSearch bounds the criteria that are taken over. Octets.
const maxSearch = 8192

// maxSearchDepth bounds parentheses, NOT and OR within one another.
const maxSearchDepth = 50

// ParseSearch takes a client's command apart, from its tag to its end, literals included. It
// returns false for what is no search, can't be understood, or asks for all messages.
func ParseSearch(command []byte) (Search, bool) {
	if len(command) > 4*maxSearch {
		return Search{}, false
	}
	nodes, rest, ok := searchNodes(command, 0)
	if !ok || len(rest) > 0 || len(nodes) < 3 {
		return Search{}, false
	}
	p := searchParser{nodes: nodes[1:]}
	s, ok := p.command()
	return s, ok && len(s.Criteria.Words) > 0
}

// searchNode is an atom, a string or a list.
type searchNode struct {
	text string
	str  bool
	list []searchNode
	sub  bool // it is a list
}

// searchNodes reads nodes up to the end or a closing parenthesis.
func searchNodes(b []byte, depth int) (nodes []searchNode, rest []byte, ok bool) {
	if depth > maxSearchDepth {
		return nil, nil, false
	}
	for {
		b = bytes.TrimLeft(b, " ")
		switch {
		case len(b) == 0, bytes.Equal(b, []byte("\r\n")), bytes.Equal(b, []byte("\n")):
			return nodes, nil, depth == 0
		case b[0] == ')':
			return nodes, b[1:], depth > 0
		}
		var n searchNode
		if n, b, ok = searchNodeOf(b, depth); !ok {
			return nil, nil, false
		}
		nodes = append(nodes, n)
	}
}

// searchNodeOf reads one node.
func searchNodeOf(b []byte, depth int) (n searchNode, rest []byte, ok bool) {
	switch b[0] {
	case '(':
		n.sub = true
		n.list, rest, ok = searchNodes(b[1:], depth+1)
		return n, rest, ok
	case '"':
		n.str = true
		n.text, rest, ok = unquote(b[1:])
		return n, rest, ok
	case '{', '~':
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			return n, nil, false
		}
		lit, found := ParseLiteral(bytes.TrimSuffix(b[:end], []byte("\r")))
		if !found || lit.Size > len(b)-end-1 {
			return n, nil, false
		}
		n.str, n.text = true, string(b[end+1:end+1+lit.Size])
		return n, b[end+1+lit.Size:], true
	}
	end := bytes.IndexAny(b, " ()\"\r\n")
	if end < 0 {
		end = len(b)
	}
	n.text = string(b[:end])
	return n, b[end:], end > 0
}

// unquote reads a quoted string behind its first quote.
func unquote(b []byte) (text string, rest []byte, ok bool) {
	var out []byte
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			return string(out), b[i+1:], true
		case '\r', '\n':
			return "", nil, false
		case '\\':
			if i++; i == len(b) {
				return "", nil, false
			}
			out = append(out, b[i])
		default:
			out = append(out, c)
		}
	}
	return "", nil, false
}

// searchParser reads a command node by node.
type searchParser struct {
	nodes     []searchNode
	at        int
	broken    bool // it is not what is known
	opaque    bool // the present key means something on this server only
	selective bool // the present key leaves messages out
	size      int
	eightBit  bool
}

// next takes a node, if there is one.
func (p *searchParser) next() searchNode {
	if p.at >= len(p.nodes) {
		p.broken = true
		return searchNode{}
	}
	p.at++
	return p.nodes[p.at-1]
}

// is takes an atom if it comes next.
func (p *searchParser) is(atom string) bool {
	if p.at < len(p.nodes) && p.nodes[p.at].atom() == atom {
		p.at++
		return true
	}
	return false
}

// atom is an atom in upper case, "" for what is none.
func (n searchNode) atom() string {
	if n.str || n.sub {
		return ""
	}
	return strings.ToUpper(n.text)
}

// command reads all behind the tag.
func (p *searchParser) command() (s Search, ok bool) {
	s.Selected = true
	p.is("UID")
	verb := p.next().atom()
	if verb == "ESEARCH" && p.is("IN") {
		s.Folders, s.Selected, ok = sources(p.next())
		if !ok {
			return s, false
		}
	}
	if p.is("RETURN") {
		p.next()
	}
	switch verb {
	case "SEARCH", "ESEARCH":
		if p.is("CHARSET") {
			s.Criteria.Charset = p.next().text
		}
	case "SORT", "THREAD":
		p.next() // the order
		s.Criteria.Charset = p.next().text
	default:
		return s, false
	}
	s.Criteria.Words = p.keys()
	switch {
	case !p.eightBit || s.Criteria.Charset != "" && !isAtom(s.Criteria.Charset):
		s.Criteria.Charset = ""
	case s.Criteria.Charset == "": // after ENABLE UTF8=ACCEPT it need not be told (RFC 9755 section 3)
		s.Criteria.Charset = "UTF-8"
	}
	return s, !p.broken
}

// sources reads where ESEARCH searches (RFC 7377 section 2.2), as far as folders are named.
func sources(n searchNode) (folders []string, selected, ok bool) {
	for i := 0; i < len(n.list); i++ {
		switch n.list[i].atom() {
		case "SELECTED":
			selected = true
		case "MAILBOXES":
			if i++; i == len(n.list) {
				return nil, false, false
			}
			for _, m := range append(n.list[i].list, n.list[i]) {
				if !m.sub {
					folders = append(folders, m.text)
				}
			}
		default:
			return nil, false, false
		}
	}
	return folders, selected, selected || len(folders) > 0
}

// keys reads the keys to the end. What only this server knows is left out, which finds more;
// nothing is left if what remains leaves no message out.
func (p *searchParser) keys() (words []SearchWord) {
	selective := false
	for p.at < len(p.nodes) && !p.broken {
		p.opaque, p.selective = false, false
		key := p.key(0)
		if !p.opaque {
			words = append(words, key...)
			selective = selective || p.selective
		}
	}
	if !selective || p.size > maxSearch {
		return nil
	}
	return words
}

// Search keys (RFC 9051 section 6.4.4) by how many strings or words follow them.
var (
	plainKeys  = []string{"ALL", "ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN", "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN"}
	stringKeys = []string{"BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO"}
	wordKeys   = []string{"BEFORE", "KEYWORD", "LARGER", "ON", "SENTBEFORE", "SENTON", "SENTSINCE", "SINCE", "SMALLER", "UNKEYWORD"}
	// wide are keys that leave hardly any message out, so that nothing need be looked for.
	wide = []string{"ALL", "UNDELETED", "UNDRAFT"}
	// ownKeys mean something on this server only, or not the same on another one: its
	// numbers and names (RFC 8474, RFC 5267, Gmail's), \Recent, when something was saved there
	// (RFC 8514), how long ago (RFC 5032, which few have).
	ownKeys = map[string]int{"UID": 1, "NEW": 0, "OLD": 0, "RECENT": 0, "EMAILID": 1, "THREADID": 1, "FILTER": 1, "OLDER": 1, "YOUNGER": 1,
		"SAVEDBEFORE": 1, "SAVEDON": 1, "SAVEDSINCE": 1, "SAVEDATESUPPORTED": 0, "ANNOTATION": 3,
		"X-GM-RAW": 1, "X-GM-LABELS": 1, "X-GM-MSGID": 1, "X-GM-THRID": 1}
)

// key reads one key.
func (p *searchParser) key(depth int) []SearchWord {
	n := p.next()
	if depth > maxSearchDepth {
		p.broken = true
	}
	if p.broken || n.str {
		p.broken = true
		return nil
	}
	if n.sub {
		return p.all(n.list, depth)
	}
	name := n.atom()
	own, isOwn := ownKeys[name]
	switch {
	case slices.Contains(plainKeys, name):
		p.selective = p.selective || !slices.Contains(wide, name)
		return p.words(name)
	case slices.Contains(stringKeys, name):
		return append(p.words(name), p.string())
	case slices.Contains(wordKeys, name):
		return append(p.words(name), p.word())
	case name == "HEADER":
		return append(p.words(name), p.string(), p.string())
	case name == "FUZZY": // RFC 6203: it only finds more
		return p.key(depth + 1)
	case name == "NOT":
		return p.not(depth)
	case name == "OR":
		words := append(p.words(name), p.key(depth+1)...)
		return append(words, p.key(depth+1)...)
	case isOwn:
		p.own(own)
	case name == "MODSEQ":
		p.modSeq()
	case isSet(name):
		p.opaque = true
	default:
		p.broken = true
	}
	return nil
}

// not reads what NOT is about. All but the few deleted ones or drafts are nearly all.
func (p *searchParser) not(depth int) []SearchWord {
	before := p.selective
	words := append(p.words("NOT"), p.key(depth+1)...)
	if last := words[len(words)-1]; len(words) == 2 && (last.Text == "DELETED" || last.Text == "DRAFT") {
		p.selective = before
	}
	return words
}

// all reads keys in parentheses.
func (p *searchParser) all(list []searchNode, depth int) []SearchWord {
	inner := searchParser{nodes: list, size: p.size}
	words := []SearchWord{{Text: "("}}
	for inner.at < len(inner.nodes) && !inner.broken {
		words = append(words, inner.key(depth+1)...)
	}
	p.size = inner.size
	p.broken = p.broken || inner.broken || len(list) == 0
	p.opaque, p.selective, p.eightBit = p.opaque || inner.opaque, p.selective || inner.selective, p.eightBit || inner.eightBit
	if len(words) > 1 {
		words[1].glued = true
	}
	return append(words, SearchWord{Text: ")", glued: true})
}

func (p *searchParser) words(name string) []SearchWord {
	p.size += len(name) + 1
	return []SearchWord{{Text: name}}
}

// string takes the string of a key.
func (p *searchParser) string() SearchWord {
	n := p.next()
	p.selective = true
	p.size += len(n.text) + 3
	p.broken = p.broken || n.sub || strings.ContainsRune(n.text, 0)
	p.eightBit = p.eightBit || strings.ContainsFunc(n.text, func(r rune) bool { return r >= 0x80 })
	return SearchWord{Text: n.text, String: true}
}

// word takes the word of a key: a date, a number or a keyword.
func (p *searchParser) word() SearchWord {
	n := p.next()
	p.selective = true
	p.size += len(n.text) + 1
	p.broken = p.broken || n.sub || !isAtom(n.text)
	return SearchWord{Text: n.text}
}

// own passes over a key that means something here only, with so many words.
func (p *searchParser) own(words int) {
	for range words {
		p.next()
	}
	p.opaque = true
}

// modSeq passes over MODSEQ (RFC 7162 section 3.1.5).
func (p *searchParser) modSeq() {
	if n := p.next(); n.str { // the name and the type of an entry come first
		p.next()
		p.next()
	}
	p.opaque = true
}

// isSet recognises a set of sequence numbers, or what a search has saved ("$").
func isSet(s string) bool {
	return s != "" && strings.Trim(s, "0123456789:*,$") == ""
}

// isAtom reports whether a word can stand by itself.
func isAtom(s string) bool {
	for i := range len(s) {
		if !IsAtomChar(s[i]) {
			return false
		}
	}
	return s != ""
}

// Parts are the criteria as they are sent: Text as it is, but String as an astring.
func (c Criteria) Parts() (parts []SearchWord) {
	if c.Charset != "" {
		parts = append(parts, SearchWord{Text: "CHARSET " + c.Charset + " "})
	}
	for i, w := range c.Words {
		if i > 0 && !w.glued {
			parts = append(parts, SearchWord{Text: " "})
		}
		parts = append(parts, w)
	}
	return parts
}

// String shows the criteria, for tests and the log's finest level.
func (c Criteria) String() string {
	var b strings.Builder
	for _, p := range c.Parts() {
		if p.String {
			b.WriteString(`"` + p.Text + `"`)
		} else {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}
