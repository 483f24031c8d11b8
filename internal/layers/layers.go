package layers

import (
	"fmt"
	"slices"
	"strings"
)

const module = "postferry"

// lab is for tests and benchmarks only.
const lab = "internal/lab"

// throttle is what both doors to the outside have against guessing.
const throttle = "internal/throttle"

// spreadsheet is through what all tables go that a spreadsheet program may open.
const spreadsheet = "internal/spreadsheet"

// publicnet says what may be connected to for whom.
const publicnet = "internal/publicnet"

// allowed says for each package what of ours it may import. What is
// under a package (store/storetest) counts as part of it, and the parts of one
// package may import each other.
func allowed() map[string][]string {
	bottom := []string{"wire", "store", "config"}
	middle := append([]string{"upstream", "discover"}, bottom...)
	top := append([]string{"admin", "proxy", "syncer"}, middle...)
	return map[string][]string{
		"cmd":             append([]string{spreadsheet}, top...),
		"admin":           append([]string{throttle, spreadsheet}, middle...),
		"proxy":           append([]string{throttle}, middle...),
		"syncer":          middle,
		"upstream":        append([]string{publicnet}, bottom...),
		"discover":        append([]string{publicnet, "upstream"}, bottom...), // it asks what it finds as the engine would
		"wire":            nil,
		"store":           nil,
		"config":          nil,
		lab:               {"config"}, // it must stay an independent witness
		throttle:          nil,
		spreadsheet:       nil,
		publicnet:         nil,
		"internal/layers": nil,
	}
}

// offence says what is wrong with an import; "" if nothing is. from is the folder of
// the importing file, relative to the module's root; imported is the import's path.
func offence(from, imported string, test bool) string {
	rules := allowed()
	target, ours := strings.CutPrefix(imported, module+"/")
	if !ours {
		return offenceCSV(home(from, rules), imported, test)
	}
	here, there := home(from, rules), home(target, rules)
	switch {
	case here == "":
		return fmt.Sprintf("package %s has no place among the layers yet; give it one in %s/internal/layers", from, module)
	case there == "":
		return fmt.Sprintf("package %s has no place among the layers yet; give it one in %s/internal/layers", target, module)
	case here == there, slices.Contains(rules[here], there):
		return ""
	case there == lab && test:
		return ""
	case there == lab:
		return fmt.Sprintf("%s is for tests and benchmarks; only _test.go files may import it", lab)
	case len(rules[here]) == 0:
		return fmt.Sprintf("%s may import none of our packages, so not %s", here, there)
	}
	return fmt.Sprintf("%s may import %s, but not %s: imports point one way", here, strings.Join(rules[here], ", "), there)
}

// offenceCSV lets nothing write CSV past the package that keeps formulas out of it.
// config reads some.
func offenceCSV(from, imported string, test bool) string {
	if imported != "encoding/csv" || test || from == spreadsheet || from == "config" {
		return ""
	}
	return "tables are written with " + spreadsheet + ", which keeps formulas out of them"
}

// home is the package of the rules that a folder belongs to; "" if none.
func home(folder string, rules map[string][]string) string {
	for folder != "" && folder != "." {
		if _, ok := rules[folder]; ok {
			return folder
		}
		cut := strings.LastIndexByte(folder, '/')
		if cut < 0 {
			return ""
		}
		folder = folder[:cut]
	}
	return ""
}
