package directory

import (
	"cmp"
	"slices"
	"strings"
)

// Kind is what a mailbox is for.
type Kind string

// The kinds.
const (
	User      Kind = "user"      // somebody's
	Shared    Kind = "shared"    // of several people, nobody signs in to it
	Room      Kind = "room"      // a room's
	Equipment Kind = "equipment" // a thing's
	Other     Kind = "other"
)

// Mailbox is one mailbox of a tenant, as its directory shows it.
type Mailbox struct {
	Address string   `json:"address"` // what it is opened by
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"` // further addresses
	Kind    Kind     `json:"kind"`
	// Guessed: the directory doesn't say what the mailbox is for; it shows from the rest.
	Guessed bool `json:"guessed,omitempty"`
	// Licensed: somebody pays for mail; shared mailboxes need that only beyond a size.
	Licensed bool `json:"licensed"`
	// Mail: it has a mailbox at all.
	Mail bool `json:"mail"`
	// Suspended: nobody can sign in to it. A token of an application may open it all the same.
	Suspended bool `json:"suspended,omitempty"`
}

// Filter chooses mailboxes. The zero value takes everybody's and shared ones.
type Filter struct {
	Domain string // "" for all
	Search string // part of an address, alias or name
	Kinds  []Kind // none for User and Shared
	// Suspended takes those, too, to which nobody can sign in; shared ones never count as that.
	Suspended bool
}

// Choose returns the mailboxes that the filter lets through, by their addresses. What has no
// mailbox never is.
func (f Filter) Choose(all []Mailbox) []Mailbox {
	kinds := f.Kinds
	if len(kinds) == 0 {
		kinds = []Kind{User, Shared}
	}
	var chosen []Mailbox
	for _, m := range all {
		if m.Mail && slices.Contains(kinds, m.Kind) && f.inDomain(m) && f.found(m) && (f.Suspended || !m.Suspended || m.Kind != User) {
			chosen = append(chosen, m)
		}
	}
	sorted(chosen)
	return chosen
}

func (f Filter) inDomain(m Mailbox) bool {
	return f.Domain == "" || strings.EqualFold(domainOf(m.Address), f.Domain)
}

func (f Filter) found(m Mailbox) bool {
	search := strings.ToLower(strings.TrimSpace(f.Search))
	return search == "" || slices.ContainsFunc(append([]string{m.Address, m.Name}, m.Aliases...), func(s string) bool {
		return strings.Contains(strings.ToLower(s), search)
	})
}

// sorted puts mailboxes in the order of their addresses.
func sorted(all []Mailbox) {
	slices.SortStableFunc(all, func(a, b Mailbox) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Address), strings.ToLower(b.Address)), strings.Compare(a.Address, b.Address))
	})
}

// first tells whether an address is seen for the first time.
func first(seen map[string]bool, address string) bool {
	key := strings.ToLower(address)
	was := seen[key]
	seen[key] = true
	return !was
}

// domainOf is what stands behind the last @.
func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }

// isAddress tells an address from what a directory may have in its place.
func isAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	return at > 0 && at < len(s)-1 && len(s) <= maxAddress && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r == '"' })
}

// maxAddress bounds an address: RFC 5321 section 4.5.3.1 has 64 and 255 octets. maxAliases
// bounds how many of them a mailbox keeps, maxName its name.
const (
	maxAddress = 320
	maxAliases = 500
	maxName    = 256
)

// clean bounds what a directory says of a mailbox.
func clean(m Mailbox) Mailbox {
	m.Name = printable(m.Name, maxName)
	seen := map[string]bool{strings.ToLower(m.Address): true}
	aliases := []string{}
	for _, a := range m.Aliases {
		if key := strings.ToLower(a); isAddress(a) && !seen[key] && len(aliases) < maxAliases {
			seen[key] = true
			aliases = append(aliases, a)
		}
	}
	m.Aliases = aliases
	return m
}

// printable makes foreign text fit for a page or a terminal: bounded, valid, on one line.
func printable(text string, most int) string {
	text = strings.ToValidUTF8(text[:min(len(text), most)], "?")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\u2028', r == '\u2029':
			return ' '
		case r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return -1 // would turn the direction of what follows
		}
		return r
	}, text))
}
