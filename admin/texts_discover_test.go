package admin

import (
	"regexp"
	"testing"

	"postferry/discover"
)

// Whatever detection can say has the same words on the page.
func TestTextsOfDetection(t *testing.T) {
	w := wordsIn(t, "en")
	placeholder := regexp.MustCompile(`\{([a-z]+)\}`)
	for code, sentence := range discover.Sentences() {
		var values []any
		for _, m := range placeholder.FindAllStringSubmatch(sentence, -1) {
			values = append(values, m[1], "{"+m[1]+"}")
		}
		if got := w.T("discover."+code, values...); got != sentence {
			t.Errorf("discover.%s is %q, want %q", code, got, sentence)
		}
	}
}
