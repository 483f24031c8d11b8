package layers

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// A test that a page names, with its case or without, and a test's declaration.
var (
	namedTest    = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)")
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)[A-Z]\w*)\(`)
)

// TestNamedTests: the tests that pages in docs name are there.
func TestNamedTests(t *testing.T) {
	root := os.DirFS("../..")
	declared := declaredTests(t, root)
	pages, err := fs.Glob(root, "docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, page := range pages {
		text, err := fs.ReadFile(root, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range namedTest.FindAllStringSubmatch(string(text), -1) {
			named++
			if !declared[name[1]] {
				t.Errorf("%s names %s, which is not there", page, name[1])
			}
		}
	}
	if named < 100 {
		t.Errorf("only %d names found", named)
	}
}

// declaredTests are the names of all tests of the module.
func declaredTests(t *testing.T, root fs.FS) map[string]bool {
	t.Helper()
	declared := map[string]bool{}
	forGoFiles(t, root, func(name string) {
		if !strings.HasSuffix(name, "_test.go") {
			return
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range declaredTest.FindAllStringSubmatch(string(src), -1) {
			declared[name[1]] = true
		}
	})
	return declared
}
