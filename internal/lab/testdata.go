package lab

import (
	"os"
	"path/filepath"
	"testing"
)

// Root returns the module's root directory, found from the package's own, in which go
// test runs it: where the source was compiled is not told with -trimpath.
func Root(tb testing.TB) string {
	tb.Helper()
	start, err := os.Getwd()
	if err != nil {
		tb.Fatalf("lab: %v", err)
	}
	for dir := start; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	tb.Fatalf("lab: no go.mod above %s", start)
	return ""
}

// testdata reads a file below the module's testdata.
func testdata(tb testing.TB, path ...string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(append([]string{Root(tb), "testdata"}, path...)...))
	if err != nil {
		tb.Fatalf("lab: %v", err)
	}
	return data
}
