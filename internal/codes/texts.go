package codes

import (
	"fmt"
	"io/fs"
	"regexp"

	"github.com/BurntSushi/toml"
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
		var all map[string]map[string]any
		meta, err := toml.DecodeFS(root, englishTexts, &all)
		if err != nil {
			return nil, err
		}
		var codes []code
		for _, key := range meta.Keys() {
			if len(key) == 2 && key[0] == table {
				codes = append(codes, code{key[1], plain(all[table][key[1]])})
			}
		}
		if len(codes) == 0 {
			return nil, fmt.Errorf("%s has no table %s", englishTexts, table)
		}
		return codes, nil
	}
}

// plain is a text, with names in braces where something is put in.
func plain(value any) string {
	if forms, counted := value.(map[string]any); counted {
		value = forms["other"]
	}
	text, _ := value.(string)
	return placeholder.ReplaceAllString(oneLine(text), "{$1}")
}
