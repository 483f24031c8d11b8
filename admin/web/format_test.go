package web

import (
	"testing"
	"time"

	"golang.org/x/text/language"
)

func wordsIn(t *testing.T, name string) *words {
	t.Helper()
	all, err := loadTexts()
	if err != nil {
		t.Fatal(err)
	}
	if !all.has(name) {
		t.Fatalf("there is no texts/%s.toml", name)
	}
	return all.in(language.MustParse(name))
}

func TestSize(t *testing.T) {
	w := wordsIn(t, "en")
	for octets, want := range map[uint64]string{
		0: "0 bytes", 999: "999 bytes", 1000: "1.0 kB", 9949: "9.9 kB", 9960: "10 kB", 999_499: "999 kB",
		999_500: "1.0 MB", 25_000_000: "25 MB", 9_300_000_000: "9.3 GB", 5_000_000_000_000_000: "5,000 TB",
	} {
		if got := w.Size(octets); got != want {
			t.Errorf("Size(%d) = %q, want %q", octets, got, want)
		}
	}
}

func TestSpan(t *testing.T) {
	w := wordsIn(t, "en")
	for d, want := range map[time.Duration]string{
		0: "1 second", 200 * time.Millisecond: "1 second", 59 * time.Second: "59 seconds", 61 * time.Second: "1 minute",
		89 * time.Minute: "89 minutes", 2 * time.Hour: "2 hours", 30 * time.Hour: "30 hours", 50 * time.Hour: "2 days",
	} {
		if got := w.Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

// A share of 99.9 % is not all of it, and one message of a million not nothing.
func TestPercentIsHonestAtBothEnds(t *testing.T) {
	for _, c := range []struct {
		done, total uint64
		want        int64
	}{{0, 0, 0}, {0, 10, 0}, {1, 1_000_000, 1}, {999_999, 1_000_000, 99}, {10, 10, 100}, {11, 10, 100}, {5, 10, 50}} {
		if got := percent(c.done, c.total); got != c.want {
			t.Errorf("percent(%d, %d) = %d, want %d", c.done, c.total, got, c.want)
		}
	}
}
