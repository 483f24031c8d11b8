package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// set gives a key's value to dst. Without the key dst stays as it is; with a
// mistake it becomes zero, and fine reports false for it.
func set[T any](b *block, key string, dst *T, parse func(value) (T, error)) {
	b.known = append(b.known, key)
	e, ok := b.entries[key]
	if !ok {
		return
	}
	v, err := parse(e.value)
	if err != nil {
		b.mistake(key, "%s", err)
	}
	*dst = v
}

// mistake reports what is wrong with a key's value, or (if the key is not
// there) with its block.
func (b *block) mistake(key, format string, args ...any) {
	if b.bad == nil {
		b.bad = map[string]bool{}
	}
	b.bad[key] = true
	b.file.mistake(b.lineOf(key), b.label(key), format, args...)
}

// warn is mistake for what is allowed but unwise.
func (b *block) warn(key, format string, args ...any) {
	b.file.warn(b.lineOf(key), b.label(key), format, args...)
}

// lineOf is the line of a key, or of its block.
func (b *block) lineOf(key string) int {
	if e, ok := b.entries[key]; ok {
		return e.line
	}
	return b.line
}

// has reports whether a key is there.
func (b *block) has(key string) bool {
	_, ok := b.entries[key]
	return ok
}

// fine reports whether nothing was wrong with the keys.
func (b *block) fine(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(k string) bool { return b.bad[k] })
}

// broken reports whether a line of the block was no TOML, so that nobody
// knows which keys are missing.
func (b *block) broken() bool {
	return slices.ContainsFunc(b.file.broken, func(line int) bool {
		return b.line < line && !slices.ContainsFunc(b.file.blocks, func(other *block) bool {
			return b.line < other.line && other.line < line
		})
	})
}

// label is a key's full name, as TOML wants it.
func (b *block) label(key string) string {
	if strings.ContainsFunc(key, func(r rune) bool {
		return r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		key = strconv.Quote(key)
	}
	return strings.Join(append(nonEmpty(b.name), key), ".")
}

// section is a kind of table.
type section struct {
	many bool // may stand there many times
	free bool // its keys are no names of options
}

// sections are the tables that a configuration may have. Those with a dot belong
// to one of those that may be there many times.
var sections = map[string]section{
	"proxy": {}, "admin": {}, "sync": {}, "watch": {}, "notify": {}, "recipient": {many: true}, "log": {}, "domain": {many: true},
	"domain.folders": {}, "domain.folders.map": {free: true}, "domain.limits": {}, "domain.account_limits": {},
	"domain.old_sign_in": {}, "domain.new_sign_in": {},
}

// checkNames reports unknown sections and keys. It must come after everything
// known was asked for.
func (f *file) checkNames() {
	home := map[string]string{} // key -> section it belongs to
	for _, b := range f.blocks {
		for _, k := range b.known {
			home[k] = b.name
		}
	}
	for _, b := range f.blocks {
		kind, ok := sections[b.name]
		switch {
		case b.name != "" && !ok:
			f.mistake(b.line, "["+b.name+"]", "unknown section%s", didYouMean(b.name, sectionNames(), "[%s]"))
			continue
		case b.list && !kind.many:
			f.mistake(b.line, "[["+b.name+"]]", "can be there only once; expected [%s]", b.name)
		case kind.many && !b.list:
			f.mistake(b.line, "["+b.name+"]", "can be there many times; expected [[%s]]", b.name)
		case b.owner == nil && strings.Contains(b.name, "."):
			f.mistake(b.line, "["+b.name+"]", "stands above its [[%[1]s]]; expected it below the [[%[1]s]] that it is about", above(b.name))
		}
		if kind.free {
			continue
		}
		for key, e := range b.entries {
			if !slices.Contains(b.known, key) {
				f.mistake(e.line, b.label(key), "unknown key%s", b.hint(key, home))
			}
		}
	}
}

// hint says what an unknown key may have been meant to be.
func (b *block) hint(key string, home map[string]string) string {
	section, elsewhere := home[key]
	_, isSection := sections[key]
	switch {
	case isSection && b.name == "" && sections[key].many:
		return fmt.Sprintf("; expected sections that begin with [[%s]]", key)
	case isSection && b.name == "":
		return fmt.Sprintf("; expected a section that begins with [%s]", key)
	case elsewhere && section == "":
		return "; it belongs above the first section"
	case elsewhere:
		return fmt.Sprintf("; it belongs into the section [%s]", section)
	}
	return didYouMean(key, b.known, "%q")
}

// above is the name of the block that a table of this name belongs to.
func above(name string) string {
	owner, _, _ := strings.Cut(name, ".")
	return owner
}

func sectionNames() []string {
	names := make([]string, 0, len(sections))
	for name := range sections {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// kindName is a value's kind in plain words.
func kindName(k unstable.Kind) string {
	switch k {
	case unstable.String:
		return "text"
	case unstable.Bool:
		return "true or false"
	case unstable.Integer:
		return "a whole number"
	case unstable.Float:
		return "a decimal number"
	case unstable.Array:
		return "a list"
	case unstable.InlineTable:
		return "a table"
	}
	return "a date or a time"
}
