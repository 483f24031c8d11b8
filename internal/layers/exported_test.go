package layers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"testing"
)

// forTests are names of the engine that only tests of other packages use, and why they may.
var forTests = map[string]string{
	"syncer/session.IMAPSource": "the engine's tests put their own servers behind it",
}

// goFile is a parsed file of the module.
type goFile struct {
	dir, pkg string
	test     bool
	ast      *ast.File
}

// TestExportedForTheProgram: what a package of the engine exports, the program uses. A test that needs
// more belongs into the package.
func TestExportedForTheProgram(t *testing.T) {
	files := moduleFiles(t)
	program, tests := map[string]bool{}, map[string]bool{}
	for _, f := range files {
		used := program
		if f.test {
			used = tests
		}
		for _, name := range uses(f) {
			used[name] = true
		}
	}
	exported := 0
	for _, f := range files {
		if f.test || f.dir != "syncer" && !strings.HasPrefix(f.dir, "syncer/") {
			continue
		}
		for _, name := range exportedNames(f) {
			exported++
			full := f.dir + "." + name
			if tests[full] && !program[full] && !mentioned(files, f.dir, name) && forTests[full] == "" {
				t.Errorf("%s is exported for tests only: move them to its package", full)
			}
		}
	}
	if exported < 100 {
		t.Errorf("only %d exported names found", exported)
	}
	for name := range forTests {
		if program[name] || !tests[name] {
			t.Errorf("%s is no exception any more", name)
		}
	}
}

func moduleFiles(t *testing.T) (files []goFile) {
	t.Helper()
	root := os.DirFS("../..")
	forGoFiles(t, root, func(name string) {
		src, err := fs.ReadFile(root, name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, goFile{dir: path.Dir(name), pkg: f.Name.Name, test: strings.HasSuffix(name, "_test.go"), ast: f})
	})
	return files
}

// uses are the names of other packages of ours that a file uses, as "folder.Name".
func uses(f goFile) (names []string) {
	ours := map[string]string{}
	for _, spec := range f.ast.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		target, ok := strings.CutPrefix(imported, module+"/")
		if err != nil || !ok || target == f.dir && !strings.HasSuffix(f.pkg, "_test") {
			continue
		}
		local := path.Base(target)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		ours[local] = target
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && ours[x.Name] != "" {
				names = append(names, ours[x.Name]+"."+sel.Sel.Name)
			}
		}
		return true
	})
	return names
}

// exportedNames are a file's exported functions, types, variables and constants, but for values of an
// exported type: those are its vocabulary.
func exportedNames(f goFile) (names []string) {
	add := func(id *ast.Ident) {
		if id.IsExported() {
			names = append(names, id.Name)
		}
	}
	for _, d := range f.ast.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				add(d.Name)
			}
		case *ast.GenDecl:
			var typed bool
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					add(spec.Name)
				case *ast.ValueSpec:
					id, named := spec.Type.(*ast.Ident)
					if typed = named && id.IsExported() || typed && spec.Type == nil && spec.Values == nil; typed {
						continue
					}
					for _, id := range spec.Names {
						add(id)
					}
				}
			}
		}
	}
	return names
}

// mentioned tells whether an exported declaration of a package has a name in its signature or type: who
// uses the one has to have the other.
func mentioned(files []goFile, dir, name string) (found bool) {
	has := func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			found = found || ok && id.Name == name
			return true
		})
	}
	for _, f := range files {
		if f.dir != dir || f.test {
			continue
		}
		for _, d := range f.ast.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.IsExported() {
					has(d.Type)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if s, ok := spec.(*ast.TypeSpec); ok && s.Name.IsExported() && s.Name.Name != name {
						has(s.Type)
					}
				}
			}
		}
	}
	return found
}
