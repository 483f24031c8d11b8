package wire

import (
	"strconv"
	"testing"
)

func TestParseLiteral(t *testing.T) {
	tests := []struct {
		line string
		want Literal
		ok   bool
	}{
		{"a LOGIN {5}", Literal{Size: 5}, true},
		{"a LOGIN {5+}", Literal{Size: 5, NonSync: true}, true},
		{"a APPEND x ~{0}", Literal{Binary: true}, true},
		{"a APPEND x ~{12+}", Literal{Size: 12, NonSync: true, Binary: true}, true},
		{"a APPEND x UTF8 (~{12}", Literal{Size: 12, Binary: true}, true},
		{"{7}", Literal{Size: 7}, true},
		{"~{7}", Literal{Size: 7, Binary: true}, true},
		{"({7}", Literal{Size: 7}, true},
		{"* 1 FETCH (BODY[]{7}", Literal{Size: 7}, true},
		{"a x {007}", Literal{Size: 7}, true},
		{"a x {9223372036854775807}", Literal{Size: 9223372036854775807}, true},
		{"a x {9223372036854775808}", Literal{}, false},
		{"a x {99999999999999999999999}", Literal{}, false},
		{"a x{5}", Literal{}, false},
		{"a x~{5}", Literal{}, false},
		{"a x {5-}", Literal{}, false},
		{"a x {}", Literal{}, false},
		{"a x {+}", Literal{}, false},
		{"a x 5}", Literal{}, false},
		{"5}", Literal{}, false},
		{"{5", Literal{}, false},
		{"a x {-5}", Literal{}, false},
		{"a x {5 }", Literal{}, false},
		{`a x "{5}"`, Literal{}, false},
		{"}", Literal{}, false},
		{"", Literal{}, false},
	}
	for _, tt := range tests {
		got, ok := ParseLiteral([]byte(tt.line))
		if got != tt.want || ok != tt.ok {
			t.Errorf("ParseLiteral(%q) = %+v, %v; want %+v, %v", tt.line, got, ok, tt.want, tt.ok)
		}
	}
}

func TestParseLiteralDoesNotAllocate(t *testing.T) {
	line := []byte("a APPEND x ~{12+}")
	if n := testing.AllocsPerRun(100, func() { ParseLiteral(line) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParseLiteral(f *testing.F) {
	f.Add([]byte("a LOGIN {5+}"))
	f.Add([]byte("~{5}"))
	f.Fuzz(func(t *testing.T, line []byte) {
		lit, ok := ParseLiteral(line)
		if !ok {
			return
		}
		if lit.Size < 0 {
			t.Fatalf("negative size from %q", line)
		}
		again := "{" + strconv.Itoa(lit.Size)
		if lit.NonSync {
			again += "+"
		}
		again += "}"
		if lit.Binary {
			again = "~" + again
		}
		if got, ok := ParseLiteral([]byte(again)); !ok || got != lit {
			t.Fatalf("%q: %+v written as %q reads %+v, %v", line, lit, again, got, ok)
		}
	})
}
