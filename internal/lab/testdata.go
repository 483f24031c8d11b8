package lab

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Root returns the module's root directory.
func Root(tb testing.TB) string {
	tb.Helper()
	_, file, _, _ := runtime.Caller(0)
	for dir := filepath.Dir(file); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	tb.Fatalf("lab: no go.mod above %s (built with -trimpath?)", file)
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
