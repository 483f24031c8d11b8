package web

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLabelsHaveWhatIsShown: what screen readers call a button has what is written on it, in each language: whoever steers by
// speech says what they see (WCAG 2.5.3).
func TestLabelsHaveWhatIsShown(t *testing.T) {
	button := regexp.MustCompile(`aria-label="\{\{\$?\w*\.?W?\.?T "([\w.]+)"[^}]*\}\}">\{\{\$?\w*\.?W?\.?T "([\w.]+)"`)
	files, err := filepath.Glob("templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range button.FindAllStringSubmatch(string(page), -1) {
			found++
			for _, language := range []string{"en", "de", "ru"} {
				texts := textsOf(t, language)
				label, shown := strings.ToLower(texts[m[1]][""]), strings.ToLower(texts[m[2]][""])
				if shown == "" || !strings.Contains(label, shown) {
					t.Errorf("%s, %s: %q is called %q", name, language, shown, label)
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d buttons were found", found)
	}
}
