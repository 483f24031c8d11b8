package layers

import (
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A step of a walk in docs/architecture.md: a function, its file and line.
var step = regexp.MustCompile("`(?:\\w+\\.)?(\\w+)`[^`\\n]{0,40}?\\(([\\w/]+\\.go):(\\d+)\\)")

// TestWalks: the steps of docs/architecture.md lead to the functions that they name.
func TestWalks(t *testing.T) {
	root := os.DirFS("../..")
	text, err := fs.ReadFile(root, "docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := step.FindAllStringSubmatch(string(text), -1)
	if len(steps) < 30 {
		t.Errorf("only %d steps found", len(steps))
	}
	for _, s := range steps {
		src, err := fs.ReadFile(root, s[2])
		if err != nil {
			t.Errorf("%s: %v", s[0], err)
			continue
		}
		lines := strings.Split(string(src), "\n")
		declares := regexp.MustCompile(`^func (\([^)]*\) )?` + s[1] + `[(\[]`)
		if n, _ := strconv.Atoi(s[3]); n < 1 || n > len(lines) || !declares.MatchString(lines[n-1]) {
			t.Errorf("%s: the function is not there; in %s it is in line %d", s[0], s[2], lineOf(lines, declares))
		}
	}
}

// lineOf is the number of the first line that matches; 0 for none.
func lineOf(lines []string, declares *regexp.Regexp) int {
	for i, line := range lines {
		if declares.MatchString(line) {
			return i + 1
		}
	}
	return 0
}
