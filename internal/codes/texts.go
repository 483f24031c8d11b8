package codes

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// englishTexts are the texts of the import page, which has one for each of these codes: a test
// of the page sees to that.
const englishTexts = "admin/web/texts/en.toml"

// placeholder is where the page puts something in.
var placeholder = regexp.MustCompile(`\{\{\.(\w+)\}\}`)

// texts reads a table of the page's English texts, in the order of the file. Where a text has plural
// forms the one for many is taken.
func texts(table string) func(fs.FS) ([]code, error) {
	return func(root fs.FS) ([]code, error) {
		file, err := fs.ReadFile(root, englishTexts)
		if err != nil {
			return nil, err
		}
		var all map[string]map[string]any
		if err := toml.Unmarshal(file, &all); err != nil {
			return nil, err
		}
		names, err := namesIn(file, table)
		if err != nil {
			return nil, err
		}
		var codes []code
		for _, name := range names {
			codes = append(codes, code{name, plain(all[table][name])})
		}
		if len(codes) == 0 {
			return nil, fmt.Errorf("%s has no table %s", englishTexts, table)
		}
		return codes, nil
	}
}

// namesIn are the names in a table, in the order of the file.
func namesIn(file []byte, table string) (names []string, err error) {
	var p unstable.Parser
	var at []string // the table that we are in
	for p.Reset(file); p.NextExpression(); {
		expression := p.Expression()
		var key []string
		for it := expression.Key(); it.Next(); {
			key = append(key, string(it.Node().Data))
		}
		if expression.Kind == unstable.Table {
			at = key
		} else {
			key = append(slices.Clone(at), key...)
		}
		if len(key) > 1 && key[0] == table && !slices.Contains(names, key[1]) {
			names = append(names, key[1])
		}
	}
	return names, p.Error()
}

// plain is a text, with names in braces where something is put in.
func plain(value any) string {
	if forms, counted := value.(map[string]any); counted {
		value = forms["other"]
	}
	text, _ := value.(string)
	return placeholder.ReplaceAllString(oneLine(text), "{$1}")
}
