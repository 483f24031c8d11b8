package foldertree

import (
	"slices"
	"strings"

	"postferry/store"
)

// Rename is a client's RENAME of a folder of the new server, by raw names.
type Rename struct {
	From, To string
	Delim    byte // of the new server; 0 until it is known
}

// maxRenaming bounds the names of renamings whose outcome is unknown.
const maxRenaming = 8

// Of is what it makes of a folder's name; "" if it leaves it alone.
func (r Rename) Of(name string) string {
	if strings.EqualFold(r.From, InboxName) || name != r.From && !IsBelow(name, r.From, r.Delim) {
		return ""
	}
	return r.To + name[len(r.From):]
}

// MayMake adds what it would make of a folder, under any of the names it may have, to those names,
// and tells whether it has anything to do with it.
func (r Rename) MayMake(row *store.Folder) bool {
	names := possibleNames(row)
	before := len(names)
	for _, name := range names {
		if to := r.Of(name); to != "" && !slices.Contains(names[1:], to) {
			names = append(names, to)
		}
	}
	row.Renaming = strings.Join(names[max(1, len(names)-maxRenaming):], "\x00")
	return len(names) > before
}

// IsBelow tells whether name is a child of parent. Before the new server's
// delimiter is known, either usual one counts.
func IsBelow(name, parent string, delim byte) bool {
	rest, ok := strings.CutPrefix(name, parent)
	if !ok || rest == "" {
		return false
	}
	if delim != 0 {
		return rest[0] == delim
	}
	return rest[0] == '/' || rest[0] == '.'
}
