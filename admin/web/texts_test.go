package web

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nicksnyder/go-i18n/v2/i18n"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/text/language"

	"postferry/discover"
	"postferry/stage"
)

// pluralForms are the plural forms (CLDR) of whole numbers and fractions that a language tells apart, as the
// library that chooses among them does.
func pluralForms(t *testing.T, name string) []string {
	t.Helper()
	bundle := i18n.NewBundle(language.English)
	all := &i18n.Message{ID: "n", Zero: "zero", One: "one", Two: "two", Few: "few", Many: "many", Other: "other"}
	if err := bundle.AddMessages(language.MustParse(name), all); err != nil {
		t.Fatal(err)
	}
	localizer, forms := i18n.NewLocalizer(bundle, name), map[string]bool{}
	counts := []any{"1.5", 1_000_000}
	for n := range 200 {
		counts = append(counts, n)
	}
	for _, n := range counts {
		form, err := localizer.Localize(&i18n.LocalizeConfig{MessageID: "n", PluralCount: n})
		if err != nil {
			t.Fatal(err)
		}
		forms[form] = true
	}
	return slices.Sorted(maps.Keys(forms))
}

func TestPluralForms(t *testing.T) {
	for name, want := range map[string][]string{
		"en": {"one", "other"}, "ru": {"few", "many", "one", "other"}, "fr": {"many", "one", "other"}, "ja": {"other"},
		"ar": {"few", "many", "one", "other", "two", "zero"},
	} {
		if got := pluralForms(t, name); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// textsOf reads a file of texts: the plain ones under "", the forms of the
// others under their names.
func textsOf(t *testing.T, name string) map[string]map[string]string {
	t.Helper()
	var tables map[string]any
	text, err := textFiles.ReadFile("texts/" + name + ".toml")
	if err == nil {
		err = toml.Unmarshal(text, &tables)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]map[string]string)
	flatten(all, "", tables)
	return all
}

func flatten(all map[string]map[string]string, prefix string, table map[string]any) {
	for name, value := range table {
		switch value := value.(type) {
		case map[string]any:
			flatten(all, prefix+name+".", value)
		case string:
			id, form := prefix+name, ""
			if slices.Contains([]string{"zero", "one", "two", "few", "many", "other"}, name) {
				id, form = strings.TrimSuffix(prefix, "."), name
			}
			if all[id] == nil {
				all[id] = make(map[string]string)
			}
			all[id][form] = value
		}
	}
}

var placeholder = regexp.MustCompile(`\{\{\.\w+\}\}`)

func placeholders(text string) []string {
	return slices.Compact(slices.Sorted(slices.Values(placeholder.FindAllString(text, -1))))
}

// Every language says all that English says, with the same things put in.
func TestTextsOfLanguages(t *testing.T) {
	english := textsOf(t, "en")
	files, err := fs.Glob(textFiles, "texts/*.toml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".toml")
		t.Run(name, func(t *testing.T) {
			forms, texts := pluralForms(t, name), textsOf(t, name)
			for id := range texts {
				if english[id] == nil {
					t.Errorf("%s is no text of English", id)
				}
			}
			for id, want := range english {
				sameText(t, id, want, texts[id], forms)
			}
		})
	}
}

// sameText compares a text with the English one.
func sameText(t *testing.T, id string, want, got map[string]string, forms []string) {
	t.Helper()
	if _, plain := want[""]; plain {
		forms = []string{""}
	}
	if has := slices.Sorted(maps.Keys(got)); !slices.Equal(has, forms) {
		t.Errorf("%s has the forms %q, want %q", id, has, forms)
		return
	}
	all := placeholders(want[""] + want["other"])
	for form, text := range got {
		if text == "" {
			t.Errorf("%s %s is empty", id, form)
		}
		expected := all
		if has := placeholders(text); form == "one" && !slices.Contains(has, "{{.Count}}") {
			expected = slices.DeleteFunc(slices.Clone(all), func(p string) bool { return p == "{{.Count}}" })
		}
		if has := placeholders(text); !slices.Equal(has, expected) {
			t.Errorf("%s %s has %q put in, want %q", id, form, has, expected)
		}
	}
}

// A form "one" without its number would be wrong where 21 takes it as well.
func TestTextsOneIsNotAlwaysOne(t *testing.T) {
	for id, forms := range textsOf(t, "ru") {
		if one, counted := forms["one"]; counted && !strings.Contains(one, "{{.Count}}") {
			t.Errorf("ru: %s says no number, but 21 has this form too: %q", id, one)
		}
	}
}

// source is what the tests look for in Go code: constants of named types and
// calls with literal arguments.
type source struct {
	constants map[string][]string         // by type
	calls     map[string]map[int][]string // by function and argument
	codes     map[string][]string         // Code fields of literals, by type
	literals  []string                    // all strings
}

// folders are those of what the page is made of.
func folders() []string {
	return []string{".", "..", "../access", "../board", "../request", "../api", "../server"}
}

func readSource(t *testing.T, in ...string) *source {
	t.Helper()
	var files []string
	for _, folder := range in {
		found, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no source in %s: %v", folder, err)
		}
		files = append(files, found...)
	}
	s := &source{constants: map[string][]string{}, calls: map[string]map[int][]string{}, codes: map[string][]string{}}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, s.see)
	}
	return s
}

func (s *source) see(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec, *ast.StructType:
		return false
	case *ast.ValueSpec:
		for _, v := range n.Values {
			if text, ok := literal(v); ok && n.Type != nil {
				s.constants[lastName(n.Type)] = append(s.constants[lastName(n.Type)], text)
			}
		}
	case *ast.CallExpr:
		name := lastName(n.Fun)
		for i, arg := range n.Args {
			if text, ok := literal(arg); ok {
				if s.calls[name] == nil {
					s.calls[name] = make(map[int][]string)
				}
				s.calls[name][i] = append(s.calls[name][i], text)
			}
		}
	case *ast.CompositeLit:
		for _, element := range n.Elts {
			if pair, ok := element.(*ast.KeyValueExpr); ok && lastName(pair.Key) == "Code" {
				if text, ok := literal(pair.Value); ok {
					s.codes[lastName(n.Type)] = append(s.codes[lastName(n.Type)], text)
				}
			}
		}
	case *ast.BasicLit:
		if text, ok := literal(n); ok {
			s.literals = append(s.literals, text)
		}
	}
	return true
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

// lastName is the name of a function, a method or a type, without its package.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// haveTexts fails unless English has a text for each name, of which there must
// be some: a test that found nothing to look for would never fail.
func haveTexts(t *testing.T, prefix string, names ...string) {
	t.Helper()
	if len(names) == 0 {
		t.Errorf("nothing was found that has texts under %q", prefix)
	}
	english := textsOf(t, "en")
	for _, name := range names {
		if english[prefix+name] == nil {
			t.Errorf("there is no text %s%s", prefix, name)
		}
	}
}

// Whatever the page can be asked to say has words.
func TestTextsOfCodes(t *testing.T) {
	pages, configuration := readSource(t, folders()...), readSource(t, "../../config")
	haveTexts(t, "refusal.", slices.Concat(pages.calls["Conflict"][0], pages.calls["Busy"][0],
		slices.DeleteFunc(pages.codes["Refusal"], func(code string) bool { return code == "not_json" }))...) // said to programs alone
	haveTexts(t, "mistake.", slices.Concat(pages.calls["WrongField"][1], pages.codes["Mistake"])...)
	haveTexts(t, "mistake.", slices.Concat(configuration.calls["wrong"][0], configuration.codes["Mistake"], configuration.codes["Finding"])...)
	haveTexts(t, "mistake.", "values", "values_csv", "empty_new_login", "empty_new_password") // put together
	haveTexts(t, "action.", slices.Concat(pages.calls["Note"][2], pages.calls["command"][3], []string{"cancel_check", "cancel_verify"})...)
	haveTexts(t, "done.", pages.calls["doneAt"][1]...)
	for code := range discover.Sentences() {
		haveTexts(t, "discover.", string(code))
	}
	for code := range stage.Sentences() {
		haveTexts(t, "ending.", string(code))
	}
	haveTexts(t, "problem.", readSource(t, "../../store").constants["ProblemKind"]...)
	haveTexts(t, "directory.", readSource(t, "../../directory").constants["Reason"]...)
	haveTexts(t, "refusal.", readSource(t, "../../directory").constants["Reason"]...)
	haveTexts(t, "refusal.", readSource(t, "../../tenant").constants["ConsentReason"]...)
}

// What templates put together from a name and a state has words for all states.
func TestTextsOfStates(t *testing.T) {
	stored := readSource(t, "../../store")
	verified := readSource(t, "../../report")
	for prefix, names := range map[string][]string{
		"state.":          verified.constants["AccountState"],
		"folder_action.":  verified.constants["FolderAction"],
		"folder_state.":   stored.constants["FolderState"],
		"run_kind.":       stored.constants["RunKind"],
		"run_state.":      stored.constants["RunState"],
		"outcome.":        stored.constants["Outcome"],
		"finding.":        verified.constants["FindingKind"],
		"stage.":          readSource(t, "../../stage").constants["Stage"],
		"condition.":      readSource(t, "../../stage").constants["State"],
		"grade.":          readSource(t, "../../stage").constants["Grade"],
		"finish_step.":    readSource(t, "../../lifecycle").constants["Step"],
		"notify.subject_": readSource(t, "../../notify").constants["Event"],
		"notify.":         {"test", "next", "page", "footer", "accounts"},
		"advise_do.":      {"add", "check", "begin", "mend", "resume", "verify", "finish", "again", "forget"},
		"condition_name.": readSource(t, "../../stage").constants["ConditionName"],
		"mx_seen.leads_":  readSource(t, "../../discover").constants["Lead"],
		"job.":            {"running", "done", "cancelled", "failed"},
		"servers.":        {"imap_tls", "imap_starttls", "imap_none", "pop3_tls", "pop3_starttls", "pop3_none"},
	} {
		haveTexts(t, prefix, names...)
	}
}

var (
	textInTemplate   = regexp.MustCompile(`\.T "([^"]+)"`)
	prefixInTemplate = regexp.MustCompile(`\.T \(print "([^"]+)"`)
	textInCode       = regexp.MustCompile(`^[a-z_]+(\.[a-z_-]+)+$`)
)

// Templates and code ask for texts that there are.
func TestTextsThatAreUsed(t *testing.T) {
	files, err := filepath.Glob("templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	english, prefixes := textsOf(t, "en"), map[string]bool{}
	for id := range english {
		prefixes[id[:strings.Index(id, ".")+1]] = true
	}
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		page := string(content)
		for _, m := range textInTemplate.FindAllStringSubmatch(page, -1) {
			if english[m[1]] == nil {
				t.Errorf("%s uses the text %s, which there is not", name, m[1])
			}
		}
		for _, m := range prefixInTemplate.FindAllStringSubmatch(page, -1) {
			if !prefixes[m[1]] {
				t.Errorf("%s uses texts that begin with %s, which there are not", name, m[1])
			}
		}
	}
	for _, text := range readSource(t, folders()...).literals {
		prefix, _, dotted := strings.Cut(text, ".")
		isFile := strings.HasSuffix(text, ".html") || strings.HasSuffix(text, ".csv") || strings.HasSuffix(text, ".json")
		if dotted && prefixes[prefix+"."] && textInCode.MatchString(text) && !isFile && english[text] == nil {
			t.Errorf("the code uses the text %s, which there is not", text)
		}
	}
}
