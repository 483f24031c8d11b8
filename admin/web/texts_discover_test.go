package web

import (
	"regexp"
	"strings"
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

// How long something is remembered is said in the page's language.
func TestDiscoveredSpeaksTheLanguage(t *testing.T) {
	m := discover.Message{Code: "mx_hosts", Params: map[string]string{"hosts": "mx.example", "ttl": "5 minutes", "seconds": "300"}}
	got := wordsIn(t, "de").Discovered(m)
	if !strings.Contains(got, "mx.example") || !strings.Contains(got, "5 Minuten") || strings.Contains(got, "minutes") {
		t.Error(got)
	}
}
