package codes

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// constants reads the constants of a type, with their comments for what they mean.
func constants(folder, typeName string) func(fs.FS) ([]code, error) {
	return func(root fs.FS) ([]code, error) {
		var codes []code
		err := eachFile(root, folder, func(file *ast.File) {
			for _, decl := range file.Decls {
				if group, ok := decl.(*ast.GenDecl); ok && group.Tok == token.CONST {
					codes = append(codes, constantsOf(group, typeName)...)
				}
			}
		})
		if err == nil && len(codes) == 0 {
			err = fmt.Errorf("package %s has no constants of the type %s", folder, typeName)
		}
		return codes, err
	}
}

// under are those of codes whose names begin with a prefix, without it.
func under(prefix string, codes func(fs.FS) ([]code, error)) func(fs.FS) ([]code, error) {
	return func(root fs.FS) ([]code, error) {
		all, err := codes(root)
		var some []code
		for _, c := range all {
			if name, ok := strings.CutPrefix(c.name, prefix); ok {
				some = append(some, code{name, c.meaning})
			}
		}
		return some, err
	}
}

// constantsOf are the constants of a type in one group of declarations.
func constantsOf(group *ast.GenDecl, typeName string) []code {
	var codes []code
	for _, spec := range group.Specs {
		value := spec.(*ast.ValueSpec)
		if name, ok := value.Type.(*ast.Ident); !ok || name.Name != typeName || len(value.Values) != 1 {
			continue
		}
		if text, ok := literal(value.Values[0]); ok && text != "" {
			codes = append(codes, code{text, meaning(value)})
		}
	}
	return codes
}

// meaning is what the comment beside or above a constant says. One above begins with the
// constant's name, which isn't the code's.
func meaning(value *ast.ValueSpec) string {
	if text := oneLine(value.Comment.Text()); text != "" {
		return text
	}
	text := oneLine(value.Doc.Text())
	text = strings.TrimPrefix(text, value.Names[0].Name)
	return strings.TrimSuffix(strings.TrimLeft(text, ": "), ".")
}

// refusals are the errors of the API: those the page has a text for, and those that are
// said to programs alone.
func refusals(root fs.FS) ([]code, error) {
	codes, err := texts("refusal")(root)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	for _, c := range codes {
		known[c.name] = true
	}
	see := func(n ast.Node) bool {
		if c, ok := refusal(n); ok && !known[c.name] {
			known[c.name] = true
			codes = append(codes, c)
		}
		return true
	}
	below, err := fs.Glob(root, "admin/*")
	if err != nil {
		return nil, err
	}
	for _, folder := range append([]string{"admin"}, below...) { // files have none in them
		if err := eachFile(root, folder, func(file *ast.File) { ast.Inspect(file, see) }); err != nil {
			return nil, err
		}
	}
	return codes, nil
}

// refusal is the error that a literal of the type Refusal is.
func refusal(n ast.Node) (code, bool) {
	lit, ok := n.(*ast.CompositeLit)
	if !ok {
		return code{}, false
	}
	name, _ := lit.Type.(*ast.Ident)
	if of, ok := lit.Type.(*ast.SelectorExpr); ok {
		name = of.Sel
	}
	if name == nil || name.Name != "Refusal" {
		return code{}, false
	}
	fields := map[string]string{}
	for _, element := range lit.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok {
				fields[key.Name], _ = literal(pair.Value)
			}
		}
	}
	return code{fields["Code"], fields["Detail"]}, fields["Code"] != ""
}

// eachFile parses the files of a package, without its tests, in the order of their names.
func eachFile(root fs.FS, folder string, see func(*ast.File)) error {
	names, err := fs.Glob(root, path.Join(folder, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		see(file)
	}
	return nil
}

// literal is the text of a string literal.
func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// oneLine takes the line breaks out of a text.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
