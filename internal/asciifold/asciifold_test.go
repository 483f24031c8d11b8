package asciifold

import (
	"cmp"
	"testing"
)

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "abc-1": "abc-1", "Anna@Example.COM": "anna@example.com", "[\\]^_`{@": "[\\]^_`{@",
		"ÄÖ Ü": "ÄÖ Ü", "A\xffZ\x00": "a\xffz\x00", "\u212a": "\u212a", // the sign for kelvin, which Unicode lowers to k
	} {
		if got := Lower(in); got != want {
			t.Errorf("Lower(%q) = %q, want %q", in, got, want)
		}
		if got := Compare(in, want); got != 0 {
			t.Errorf("Compare(%q, %q) = %d", in, want, got)
		}
	}
	texts := []string{"", "A", "a", "aB", "AC", "b", "_", "Z", "ä", "\xff"}
	for _, a := range texts {
		for _, b := range texts {
			if got, want := Compare(a, b), cmp.Compare(Lower(a), Lower(b)); got != want {
				t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
	if n := testing.AllocsPerRun(10, func() { Compare("Message-ID", "MESSAGE-id"); Lower("message-id") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
