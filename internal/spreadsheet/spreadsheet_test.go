package spreadsheet

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for cell, want := range map[string]string{
		"":                         "",
		"INBOX":                    "INBOX",
		"a=b":                      "a=b",
		"anna@example.com":         "anna@example.com",
		"3-2":                      "3-2",
		"2026-11-29T10:00:00Z":     "2026-11-29T10:00:00Z",
		"=HYPERLINK(\"http://x\")": "'=HYPERLINK(\"http://x\")",
		"+1":                       "'+1",
		"-1":                       "'-1",
		"@SUM(1)":                  "'@SUM(1)",
		"\t=1":                     "'\t'=1",
		"\r=1":                     "'\r'=1",
		"\n=1":                     "'\n'=1",
		"\tx":                      "'\tx",
		" =1":                      " '=1",
		"\u00a0=1":                 "\u00a0'=1",
		"\"=1\"":                   "\"'=1\"",
		"\uff1d1":                  "'\uff1d1",
		"\uff0bx":                  "'\uff0bx",
		"x;=1":                     "x;'=1",
		"x;\"=1":                   "x;\"'=1",
		"x\n=1":                    "x\n'=1",
		"x\t@y":                    "x\t'@y",
		"x;y":                      "x;y",
		"'=1":                      "'=1",
		"\xff=1":                   "\xff=1",
		"=\xff":                    "'=\xff",
	} {
		if got := Text(cell); got != want {
			t.Errorf("%q: %q, want %q", cell, got, want)
		}
	}
}

func TestWriter(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out)
	cells := []string{"=1", "a,b", "c\"d"}
	if err := w.Write(cells...); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil || out.String() != "'=1,\"a,b\",\"c\"\"d\"\n" || cells[0] != "=1" {
		t.Errorf("%q, %v; the cells are now %q", &out, err, cells)
	}
}

// FuzzText: whichever list separator a program expects, and whether it minds quotes, no
// cell it can see begins with what makes a formula.
func FuzzText(f *testing.F) {
	f.Add("=1")
	f.Add("x;\"\"=1")
	f.Add("a\r\n\t=@")
	f.Fuzz(func(t *testing.T, cell string) {
		got := Text(cell)
		if strings.ReplaceAll(got, "'", "") != strings.ReplaceAll(cell, "'", "") {
			t.Fatalf("%q became %q", cell, got)
		}
		for _, part := range strings.FieldsFunc(got, func(c rune) bool { return strings.ContainsRune(separators, c) }) {
			if begin := strings.TrimLeft(strings.TrimSpace(part), "\""); begin != "" && strings.IndexAny(begin, formula) == 0 {
				t.Fatalf("%q has the cell %q", got, part)
			}
		}
		var out bytes.Buffer
		w := NewWriter(&out)
		if err := w.Write("first", cell); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if line, err := csv.NewReader(&out).Read(); err == nil && len(line) != 2 {
			t.Fatalf("%q is %d cells", cell, len(line))
		}
	})
}
