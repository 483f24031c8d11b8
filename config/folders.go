package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"postferry/internal/asciifold"
)

// maxFolderName bounds the name of a folder. Octets.
const maxFolderName = 1000

// folders reads what a domain wants for certain folders.
func (f *file) folders(domain *block) Folders {
	var folders Folders
	b := f.blockOf(domain, "domain.folders")
	set(b, "skip", &folders.Skip, texts("Backup/*", parseFolder))
	set(b, "copy_views", &folders.CopyViews, boolean)
	set(b, "copy_shared", &folders.CopyShared, boolean)
	if b.has("map") {
		b.known = append(b.known, "map")
		b.mistake("map", "expected a table: a line [domain.folders.map], and below it lines like \"Old name\" = \"New name\"")
	}
	folders.Map = folderMap(f.blockOf(domain, "domain.folders.map"))
	return folders
}

// folderMap reads which folder gets which name. Each new name may be there
// once: the mail of two folders is never put into one, where nobody could tell
// any more what belongs to which.
func folderMap(b *block) map[string]string {
	if len(b.entries) == 0 {
		return nil
	}
	names := make(map[string]string, len(b.entries))
	from := map[string]string{} // folded new name -> old name
	keys := slices.SortedFunc(maps.Keys(b.entries), func(x, y string) int { return b.entries[x].line - b.entries[y].line })
	for _, key := range keys {
		old, err := parseFolder(key)
		if err == nil && isInbox(old) {
			err = errors.New("INBOX keeps its name on every server")
		}
		if err != nil {
			b.mistake(key, "%s", err)
			continue
		}
		var name string
		set(b, key, &name, text("Archive/2024", parseFolder))
		if !b.fine(key) {
			continue
		}
		folded := strings.ToLower(name)
		switch first, taken := from[folded]; {
		case isInbox(name):
			b.mistake(key, "INBOX is the name of the INBOX; expected another one")
		case taken:
			b.mistake(key, "%q is the new name of %q (line %d) already; expected another one", name, first, b.entries[first].line)
		default:
			from[folded], names[old] = key, name
		}
	}
	return names
}

func isInbox(name string) bool { return asciifold.Lower(name) == "inbox" }

// parseFolder reads a folder's name, or a pattern of such names.
func parseFolder(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New(`must not be empty; expected the name of a folder, e.g. "Archive/2024"`)
	case len(s) > maxFolderName:
		return "", fmt.Errorf("is longer than %d octets", maxFolderName)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", fmt.Errorf("%q has a control character in it", s)
	case slices.Contains(strings.Split(s, "/"), ""):
		return "", fmt.Errorf(`%q has a "/" too many; expected one between the parts of the name, e.g. "Archive/2024"`, s)
	}
	return norm.NFC.String(s), nil
}

// NewFolders makes what a domain wants for certain folders of patterns to skip and of new names by old
// ones. The errors are about what can't be so.
func NewFolders(skip []string, rename map[string]string) (folders Folders, wrong []error) {
	for _, pattern := range skip {
		name, err := parseFolder(pattern)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		folders.Skip = append(folders.Skip, name)
	}
	taken := map[string]string{}
	for _, old := range slices.Sorted(maps.Keys(rename)) {
		from, err := parseFolder(old)
		to, err1 := parseFolder(rename[old])
		folded := strings.ToLower(to)
		switch {
		case err != nil, err1 != nil:
			wrong = append(wrong, errors.Join(err, err1))
		case isInbox(from), isInbox(to):
			wrong = append(wrong, errors.New("INBOX keeps its name on every server"))
		case taken[folded] != "":
			wrong = append(wrong, fmt.Errorf("%q is the new name of %q already; expected another one", to, taken[folded]))
		default:
			taken[folded] = from
			if folders.Map == nil {
				folders.Map = map[string]string{}
			}
			folders.Map[from] = to
		}
	}
	return folders, wrong
}
