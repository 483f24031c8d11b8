package admin

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/text/language"
)

// TestReasons: what the engine says of messages is said in the page's language.
func TestReasons(t *testing.T) {
	all, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	de := all.in(language.German)
	tests := []struct{ reason, want string }{
		{"The new server refuses this message.", "Der neue Server lehnt diese Nachricht ab."},
		{"The new server refuses this message, also after a repair (NUL (2), {{.Size}}).", "Der neue Server lehnt diese Nachricht ab, auch nach einer Reparatur (NUL (2), {{.Size}})."},
		{"The message (12 MB) is larger than the new server takes (10 MB).", "Die Nachricht (12 MB) ist größer, als der neue Server annimmt (10 MB)."},
		{"Something else.", "Something else."},
		{"", ""},
	}
	for _, tt := range tests {
		if got := de.Reason(tt.reason); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.reason, got, tt.want)
		}
		if got := all.in(language.English).Reason(tt.reason); got != tt.reason {
			t.Errorf("in English %q became %q", tt.reason, got)
		}
	}
}

// TestReasonsAreTheEngines: a sentence that the engine words otherwise would not be
// recognised any more.
func TestReasonsAreTheEngines(t *testing.T) {
	files, err := filepath.Glob("../syncer/*.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources of the engine: %v", err)
	}
	var said strings.Builder
	for _, name := range files {
		if text, err := os.ReadFile(name); err != nil {
			t.Fatal(err)
		} else if !strings.HasSuffix(name, "_test.go") {
			said.Write(text)
		}
	}
	engine := said.String()
	values := regexp.MustCompile(`\{\{\.\w+\}\}`)
	english := textsOf(t, "en")
	for _, id := range reasonIDs {
		sentence, ok := english["reason."+id][""]
		if want := `"` + values.ReplaceAllString(sentence, "%s") + `"`; !ok || !strings.Contains(engine, want) {
			t.Errorf("reason.%s: the engine does not say %s", id, want)
		}
	}
}
