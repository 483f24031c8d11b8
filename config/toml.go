package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxSyntaxErrors bounds how often reading goes on after a line that is no TOML.
const maxSyntaxErrors = 20

// value is what stands behind a key.
type value struct {
	kind unstable.Kind
	text string // strings without quotes and escapes, numbers and booleans as written
	list []value
}

// entry is a key with its value.
type entry struct {
	line  int
	value value
}

// block is a table of the file.
type block struct {
	name    string // "" for the keys above the first table
	line    int    // 0 if it is not in the file
	list    bool   // [[name]]
	owner   *block // the [[block]] that the table belongs to, nil if none
	entries map[string]entry
	known   []string        // keys that were asked for
	bad     map[string]bool // keys whose values were reported
	file    *file
}

// file is a configuration file on its way to a Config.
type file struct {
	name     string
	dir      string // what relative paths are relative to
	lines    []int  // offsets of the lines' beginnings
	broken   []int  // lines that were no TOML
	blocks   []*block
	mistakes []Finding
	warnings []Finding
}

func (f *file) mistake(line int, key, format string, args ...any) {
	f.mistakes = append(f.mistakes, Finding{File: f.name, Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

func (f *file) warn(line int, key, format string, args ...any) {
	f.warnings = append(f.warnings, Finding{File: f.name, Line: line, Key: key, Text: fmt.Sprintf(format, args...)})
}

// parse reads TOML into blocks. A line that is no TOML is reported and
// blanked, and reading begins again, so that one slip does not hide the others.
func (f *file) parse(data []byte) {
	f.lines = []int{0}
	for i, c := range data {
		if c == '\n' {
			f.lines = append(f.lines, i+1)
		}
	}
	data = bytes.Clone(data)
	for range maxSyntaxErrors {
		offset, message := syntaxError(data)
		if offset < 0 {
			break
		}
		if strings.HasSuffix(message, "at start of value") {
			message += "; text needs quotes around it"
		}
		line := f.lineAt(offset)
		f.mistake(line, "", "not valid TOML: %s", message)
		f.blank(data, line)
		f.broken = append(f.broken, line)
	}
	f.collect(data)
}

// syntaxError finds the first place that is no TOML; offset is -1 if all of it is.
func syntaxError(data []byte) (offset int, message string) {
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
	}
	err := p.Error()
	var perr *unstable.ParserError
	switch {
	case err == nil:
		return -1, ""
	case errors.As(err, &perr) && len(perr.Highlight) > 0:
		return int(p.Range(perr.Highlight).Offset), perr.Message
	}
	return max(len(data)-1, 0), err.Error()
}

// blank overwrites a line with spaces.
func (f *file) blank(data []byte, line int) {
	end := len(data)
	if line < len(f.lines) {
		end = f.lines[line] - 1
	}
	for i := f.lines[line-1]; i < end; i++ {
		data[i] = ' '
	}
}

// lineAt is the line that holds the byte at offset.
func (f *file) lineAt(offset int) int {
	return sort.SearchInts(f.lines, offset+1)
}

// collect turns what the parser yields into blocks.
func (f *file) collect(data []byte) {
	var p unstable.Parser
	p.Reset(data)
	f.blocks = []*block{{entries: map[string]entry{}, file: f}}
	current := f.blocks[0]
	for p.NextExpression() {
		e := p.Expression()
		keys, line := f.keys(e)
		switch e.Kind {
		case unstable.Table:
			current = f.open(strings.Join(keys, "."), line, false)
		case unstable.ArrayTable:
			current = f.open(strings.Join(keys, "."), line, true)
		case unstable.KeyValue:
			f.assign(current, keys, line, e.Value())
		}
	}
}

// keys are the parts of a node's dotted key, and the line it is in.
func (f *file) keys(n *unstable.Node) (keys []string, line int) {
	for it := n.Key(); it.Next(); {
		if keys == nil {
			line = f.lineAt(int(it.Node().Raw.Offset))
		}
		keys = append(keys, string(it.Node().Data))
	}
	return keys, line
}

// open begins a table. A [table] that was there before is reported and continued.
func (f *file) open(name string, line int, list bool) *block {
	owner := f.owner(name)
	if !list {
		if b := f.blockOf(owner, name); b.line > 0 {
			if !b.list {
				f.mistake(line, "["+name+"]", "stands here again; it began in line %d", b.line)
			}
			return b
		}
	}
	b := &block{name: name, line: line, list: list, owner: owner, entries: map[string]entry{}, file: f}
	f.blocks = append(f.blocks, b)
	return b
}

// owner is the block that a table of this name belongs to if it begins now:
// [domain.folders] is the last [[domain]]'s.
func (f *file) owner(name string) *block {
	above, _, below := strings.Cut(name, ".")
	if !below || !sections[above].many {
		return nil
	}
	for _, b := range slices.Backward(f.blocks) {
		if b.name == above {
			return b
		}
	}
	return nil
}

// block finds a table by its name; an empty one if it is not in the file.
func (f *file) block(name string) *block {
	for _, b := range f.blocks {
		if b.name == name {
			return b
		}
	}
	return &block{name: name, entries: map[string]entry{}, file: f}
}

// blockOf finds a table that belongs to a block.
func (f *file) blockOf(owner *block, name string) *block {
	for _, b := range f.blocks {
		if b.name == name && b.owner == owner {
			return b
		}
	}
	return &block{name: name, owner: owner, entries: map[string]entry{}, file: f}
}

// assign enters a key with its value; dotted keys and inline tables as if
// they had been written as tables.
func (f *file) assign(b *block, keys []string, line int, n *unstable.Node) {
	if len(keys) > 1 {
		name := strings.Join(append(nonEmpty(b.name), keys[:len(keys)-1]...), ".")
		sub := f.blockOf(f.owner(name), name)
		if sub.line == 0 && name != "" {
			sub = f.open(name, line, false)
		}
		f.assign(sub, keys[len(keys)-1:], line, n)
		return
	}
	if n.Kind == unstable.InlineTable {
		for it := n.Children(); it.Next(); {
			sub, subLine := f.keys(it.Node())
			f.assign(b, append(keys[:1:1], sub...), subLine, it.Node().Value())
		}
		return
	}
	key := keys[0]
	if first, ok := b.entries[key]; ok {
		f.mistake(line, b.label(key), "stands here again; it is already in line %d", first.line)
		return
	}
	b.entries[key] = entry{line, valueOf(n)}
}

// valueOf returns what stands behind a key.
func valueOf(n *unstable.Node) value {
	v := value{kind: n.Kind, text: string(n.Data)}
	if n.Kind == unstable.Array {
		for it := n.Children(); it.Next(); {
			v.list = append(v.list, valueOf(it.Node()))
		}
	}
	return v
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
