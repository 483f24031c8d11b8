package codes

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

var update = flag.Bool("update", false, "write docs/codes.md anew")

// TestFresh: docs/codes.md has all codes of the source, and no others.
func TestFresh(t *testing.T) {
	const root = "../.."
	want, err := page(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(root, "docs", "codes.md")
	if *update {
		if err := os.WriteFile(name, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/codes.md is not what the source says; run go generate ./internal/codes\n%s", firstDifference(string(got), want))
	}
}

// firstDifference shows the first line in which two texts differ.
func firstDifference(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return "it has  " + a[i] + "\nsource  " + b[i]
		}
	}
	return "one of them is shorter"
}

func TestConstants(t *testing.T) {
	root := fstest.MapFS{
		"p/a.go": {Data: []byte(`package p
type Kind string
const (
	// First things come first.
	First Kind = "first"
	Second Kind = "second" // what comes | then
	// Third: after a
	// line break.
	Third Kind = "third"
	Other string = "other"
	None Kind = ""
)`)},
		"p/a_test.go": {Data: []byte("package p\nconst Fake Kind = \"fake\" // of a test\n")},
	}
	got, err := constants("p", "Kind")(root)
	want := []code{{"first", "things come first"}, {"second", "what comes | then"}, {"third", "after a line break"}}
	if err != nil || len(got) != len(want) {
		t.Fatalf("got %v, %v", got, err)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
	for _, gone := range []string{"Kinds", "string2"} {
		if got, err := constants("p", gone)(root); err == nil {
			t.Errorf("constants of %s, which there is not: %v", gone, got)
		}
	}
}

func TestTexts(t *testing.T) {
	root := fstest.MapFS{englishTexts: {Data: []byte(`
[reason]
b = "at most {{.Limit}} octets"
a = "empty"
[reason.c]
one = "{{.Count}} message"
other = "{{.Count}} messages"
`)}, "admin/a.go": {Data: []byte(`package admin
var r = &Refusal{Kind: KindMalformed, Code: "not_json", Detail: "Send JSON."}
var s = Refusal{Code: code, Detail: detail}
`)}, "admin/api/a.go": {Data: []byte(`package api
var r = &admin.Refusal{Code: "not_a_list", Detail: "Send a list."}
`)}}
	got, err := texts("reason")(root)
	want := []code{{"b", "at most {Limit} octets"}, {"a", "empty"}, {"c", "{Count} messages"}}
	if err != nil || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := refusals(root); err == nil {
		t.Errorf("errors without texts: %v", got)
	}
	root[englishTexts] = &fstest.MapFile{Data: []byte("[refusal]\nbusy = \"Later.\"\n")}
	got, err = refusals(root)
	if err != nil || len(got) != 3 || got[1] != (code{"not_json", "Send JSON."}) || got[2].name != "not_a_list" {
		t.Errorf("got %v, %v", got, err)
	}
}
