package table

import (
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"
)

// TestTable: narrow tables fit, whatever is in them, and lose nothing; wide ones have a line for each row.
func TestTable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("verylonglogin", 6) + "@example.com"
	rows := [][]string{
		{"anna@example.com", "IMAP", "a sentence of several words that is much too long for its column, and goes on below it"},
		{long, "ящик с очень длинным названием на другом языке", ""},
		{"日本語のとても長いフォルダー名前がここに入ります", "x", "y"},
	}
	fill := New("LOGIN", "WHAT", "WHY")
	for _, r := range rows {
		fill.Add(r...)
	}
	var narrow, wide strings.Builder
	if err := fill.Write(&narrow, false); err != nil {
		t.Fatal(err)
	}
	if err := fill.Write(&wide, true); err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(narrow.String(), "\n") {
		if n := text.StringWidth(line); n > Width || strings.TrimRight(line, " ") != line {
			t.Errorf("%d cells: %q", n, line)
		}
	}
	letters := func(s string) (n int) {
		for _, r := range s {
			if r != ' ' && r != '\n' {
				n++
			}
		}
		return n
	}
	if n, want := letters(narrow.String()), letters(wide.String()); n != want {
		t.Errorf("%d letters narrow, %d wide:\n%s\n%s", n, want, narrow.String(), wide.String())
	}
	if n := strings.Count(wide.String(), "\n"); n != 1+len(rows) {
		t.Errorf("%d lines wide:\n%s", n, wide.String())
	}
}

// TestWrap: sentences are broken between words, and what has no blank anywhere.
func TestWrap(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "short", strings.Repeat("word ", 40), strings.Repeat("x", 200)} {
		got := Wrap(s, 4)
		for i, line := range strings.Split(got, "\n") {
			if i > 0 && !strings.HasPrefix(line, "    ") || text.StringWidth(line) > Width {
				t.Errorf("line %d of %q: %q", i, s, line)
			}
		}
		if strings.ReplaceAll(strings.ReplaceAll(got, "\n", ""), " ", "") != strings.ReplaceAll(s, " ", "") {
			t.Errorf("%q became %q", s, got)
		}
	}
}
