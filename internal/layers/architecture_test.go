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

// A row of the table of packages in docs/architecture.md: the cell that names them, and a name in it.
var (
	packageRow  = regexp.MustCompile("(?m)^\\| (`[a-z0-9]+(?:/[a-z0-9]+)*`(?:, `[a-z0-9/]+`)*) \\|")
	packageName = regexp.MustCompile("`([a-z0-9/]+)`")
)

// TestTable: docs/architecture.md has a row for each package that there is a rule for, and for no other.
func TestTable(t *testing.T) {
	text, err := fs.ReadFile(os.DirFS("../.."), "docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	rules := allowed()
	for _, row := range packageRow.FindAllStringSubmatch(string(text), -1) {
		for _, name := range packageName.FindAllStringSubmatch(row[1], -1) {
			if _, ok := rules[name[1]]; !ok {
				t.Errorf("the table has %s, of which there is no rule", name[1])
			}
			delete(rules, name[1])
		}
	}
	for name := range rules {
		t.Errorf("the table lacks %s", name)
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
