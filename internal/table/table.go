package table

import (
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

const (
	// Width is how many cells a line has at most, unless it is wide.
	Width = 80
	// gap is how many cells are between two columns, least how narrow one may become.
	gap, least = 2, 8
)

// Table is what is listed.
type Table struct {
	head   []string
	rows   [][]string
	widths []int // of the columns, if nothing is broken
	words  []int // of the longest word in each
}

// New makes a table whose columns have these titles.
func New(head ...string) *Table {
	t := &Table{head: head, widths: make([]int, len(head)), words: make([]int, len(head))}
	t.measure(head)
	return t
}

// Add adds a row.
func (t *Table) Add(cells ...string) {
	t.rows = append(t.rows, cells)
	t.measure(cells)
}

func (t *Table) measure(cells []string) {
	for i, c := range cells {
		t.widths[i] = max(t.widths[i], text.StringWidth(c))
		for word := range strings.FieldsSeq(c) {
			t.words[i] = max(t.words[i], text.StringWidth(word))
		}
	}
}

// Write writes the table; wide, each row is one line.
func (t *Table) Write(w io.Writer, wide bool) error {
	out := table.NewWriter()
	out.SetStyle(table.Style{
		Box:     table.BoxStyle{PaddingRight: strings.Repeat(" ", gap)},
		Options: table.OptionsNoBordersAndSeparators,
	})
	out.SuppressTrailingSpaces()
	if !wide {
		out.SetColumnConfigs(t.narrow())
	}
	out.AppendHeader(rowOf(t.head))
	for _, r := range t.rows {
		out.AppendRow(rowOf(r))
	}
	_, err := io.WriteString(w, out.Render()+"\n")
	return err
}

// narrow makes the widest columns narrower until all fit: at first those that can be broken between
// words.
func (t *Table) narrow() (configs []table.ColumnConfig) {
	widths, sum := slices.Clone(t.widths), gap*(len(t.widths)-1)
	for _, w := range widths {
		sum += w
	}
	for ; sum > Width; sum-- {
		i := widest(widths, t.words)
		if i < 0 {
			i = widest(widths, nil)
		}
		if i < 0 {
			break
		}
		widths[i]--
	}
	for i, w := range widths {
		configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMax: w, WidthMaxEnforcer: text.WrapSoft})
	}
	return configs
}

// widest is the widest of those columns that are wider than they have to be, and than their longest
// word if words is given; -1 if there is none.
func widest(widths, words []int) int {
	at := -1
	for i, w := range widths {
		if w > least && (words == nil || w > words[i]) && (at < 0 || w >= widths[at]) {
			at = i
		}
	}
	return at
}

func rowOf(cells []string) table.Row {
	row := make(table.Row, len(cells))
	for i, c := range cells {
		row[i] = c
	}
	return row
}

// Wrap breaks a sentence into lines that fit, all of which but the first begin with an indent.
func Wrap(sentence string, indent int) string {
	lines := strings.Split(text.WrapSoft(sentence, Width-indent), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n"+strings.Repeat(" ", indent))
}
