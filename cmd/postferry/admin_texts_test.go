package main

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"postferry/syncer/foldertree"
)

// TestNotesHaveTexts: the page has a text for every note that the engine can make, and
// puts nothing in that the note does not have. (That the languages have the same is
// tested where they are.)
func TestNotesHaveTexts(t *testing.T) {
	var texts struct{ Note map[string]any }
	file, err := os.ReadFile("../../admin/web/texts/en.toml")
	if err == nil {
		err = toml.Unmarshal(file, &texts)
	}
	if err != nil {
		t.Fatal(err)
	}
	placeholder := regexp.MustCompile(`\{\{\.(\w+)\}\}`)
	kinds := foldertree.NoteValues()
	for kind, values := range kinds {
		forms, counted := texts.Note[string(kind)].(map[string]any)
		if !counted {
			forms = map[string]any{"": texts.Note[string(kind)]}
		}
		for form, text := range forms {
			text, _ := text.(string)
			if text == "" {
				t.Errorf("the page has no text for a note of the kind %s %s", kind, form)
			}
			for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
				if m[1] != "Folder" && !slices.Contains(values, m[1]) {
					t.Errorf("note.%s %s puts %s in; there are %q", kind, form, m[1], values)
				}
			}
		}
		if slices.Contains(values, "Count") != counted {
			t.Errorf("note.%s: plural forms %v, values %q", kind, counted, values)
		}
	}
	for kind := range maps.Keys(texts.Note) {
		if _, ok := kinds[foldertree.NoteKind(kind)]; !ok {
			t.Errorf("note.%s is a text for nothing", kind)
		}
	}
}
