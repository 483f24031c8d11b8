package layers

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
)

// TestImportsPointOneWay looks at the imports of every Go file of the module,
// whatever system it is built for.
func TestImportsPointOneWay(t *testing.T) {
	root := os.DirFS("../..")
	files := 0
	forGoFiles(t, root, func(name string) {
		files++
		checkFile(t, root, name)
	})
	if files < 10 {
		t.Errorf("only %d files found; is this the module's folder?", files)
	}
}

// forGoFiles does something with each Go file of the module.
func forGoFiles(t *testing.T, root fs.FS, do func(name string)) {
	t.Helper()
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && (strings.ContainsAny(d.Name()[:1], "._") || d.Name() == "testdata") {
			return fs.SkipDir
		}
		if path.Ext(name) == ".go" {
			do(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkFile reports every import of a file that goes the wrong way.
func checkFile(t *testing.T, root fs.FS, name string) {
	src, err := fs.ReadFile(root, name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		t.Error(err)
		return
	}
	for _, spec := range f.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := offence(path.Dir(name), imported, strings.HasSuffix(name, "_test.go")); wrong != "" {
			t.Errorf("%s imports %s: %s", name, imported, wrong)
		}
	}
}

func TestOffence(t *testing.T) {
	tests := []struct {
		from, imported string
		test           bool
		want           string // a part of it; "" for none
	}{
		{"cmd/postferry", "postferry/proxy", false, ""},
		{"cmd/postferry", "postferry/internal/lab", false, "only _test.go files may import it"},
		{"cmd/postferry", "postferry/internal/lab", true, ""},
		{"store/bolt", "postferry/internal/lab/powercut", false, "only _test.go files may import it"},
		{"store/bolt", "postferry/internal/lab/powercut", true, ""},
		{"internal/lab/script", "postferry/internal/lab", false, ""},
		{"internal/lab", "postferry/internal/lab/script", false, "internal/lab may import"},
		{"proxy", "postferry/upstream", false, ""},
		{"proxy", "postferry/syncer", false, "proxy may import proxy/admission, proxy/certificate, internal/pause, upstream, upstream/link, discover, wire, store, config, but not syncer"},
		{"proxy", "postferry/syncer", true, "but not syncer"},
		{"syncer/transfer", "postferry/proxy", false, "but not proxy"},
		{"syncer/transfer", "postferry/syncer", false, "but not syncer"},
		{"syncer/message", "postferry/syncer/session", false, "but not syncer/session"},
		{"syncer/verify", "postferry/syncer/transfer", false, "but not syncer/transfer"},
		{"syncer/plan", "postferry/store", false, "package syncer/plan has no place"},
		{"syncer", "postferry/admin", false, "but not admin"},
		{"upstream", "postferry/discover", false, "but not discover"},
		{"upstream", "postferry/config", false, ""},
		{"upstream/link", "postferry/upstream", false, "but not upstream"},
		{"upstream/pop3", "postferry/upstream", false, "but not upstream"},
		{"upstream", "postferry/upstream/pop3", false, "but not upstream/pop3"},
		{"upstream", "postferry/upstream/pop3", true, ""},
		{"upstream", "postferry/upstream/transcript", false, "but not upstream/transcript"},
		{"syncer/transfer", "postferry/upstream/pop3", false, "but not upstream/pop3"},
		{"cmd/postferry", "postferry/internal/control", false, ""},
		{"internal/control", "postferry/syncer", false, ""},
		{"cmd/postferry", "postferry/internal/console", false, ""},
		{"internal/console", "postferry/internal/backend", false, "but not internal/backend"},
		{"cmd/postferry", "postferry/internal/backend", false, ""},
		{"internal/backend", "postferry/internal/control", false, ""},
		{"internal/control", "postferry/internal/backend", false, "but not internal/backend"},
		{"internal/backend", "postferry/store/bolt", false, "take an interface of package store"},
		{"cmd/postferry", "postferry/internal/demo/servers", false, "but not internal/demo/servers"},
		{"cmd/postferry", "postferry/internal/demo/servers", true, ""},
		{"internal/demo", "postferry/admin", false, "but not admin"},
		{"internal/demo/servers", "postferry/store", false, "may import none of our packages"},
		{"internal/control", "postferry/admin", false, "but not admin"},
		{"admin/web", "postferry/admin", false, ""},
		{"admin/web", "postferry/admin/api", false, "but not admin/api"},
		{"admin/api", "postferry/admin/web", false, "but not admin/web"},
		{"admin", "postferry/admin/request", false, "but not admin/request"},
		{"admin/request", "postferry/admin/server", false, "but not admin/server"},
		{"admin", "postferry/internal/control", false, "but not internal/control"},
		{"wire", "postferry/store", false, "wire may import none of our packages, so not store"},
		{"wire", "github.com/emersion/go-imap/v2", false, ""},
		{"wire", "postferry/wire/internal", false, "package wire/internal has no place"},
		{"store/storetest", "postferry/store", false, ""},
		{"store/bolt", "postferry/store/seal", false, ""},
		{"store/seal", "postferry/store/bolt", false, "store/bolt is for what puts the program together"},
		{"store", "postferry/store/bolt", false, "store may import internal/secret, internal/asciifold, report/reason, but not "},
		{"store", "postferry/store/seal", false, "store may import internal/secret, internal/asciifold, report/reason, but not "},
		{"store/storetest", "postferry/store/bolt", false, "store/bolt is for"},
		{"cmd/postferry", "postferry/store/bolt", false, ""},
		{"store/bolt", "postferry/store/bolt/rows", false, ""},
		{"store/bolt/rows", "postferry/store/bolt", false, "take an interface of package store"},
		{"cmd/postferry", "postferry/store/bolt/rows", false, "but not store/bolt/rows"},
		{"syncer", "postferry/store/bolt", false, "take an interface of package store"},
		{"syncer", "postferry/store/bolt", true, ""},
		{"store", "postferry/cmd/postferry", true, "but not cmd/postferry"},
		{"internal/lab", "postferry/syncer", false, "internal/lab may import"},
		{"admin", "encoding/csv", false, "tables are written with internal/spreadsheet"},
		{"syncer/verify", "encoding/csv", false, "tables are written with internal/spreadsheet"},
		{"admin", "encoding/csv", true, ""},
		{"config", "encoding/csv", false, ""},
		{"web", "postferry/store", false, "package web has no place"},
		{"proxy", "postferry/web", false, "package web has no place"},
	}
	for _, tt := range tests {
		got := offence(tt.from, tt.imported, tt.test)
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s imports %s (test: %v): got %q, want %q", tt.from, tt.imported, tt.test, got, tt.want)
		}
	}
}
