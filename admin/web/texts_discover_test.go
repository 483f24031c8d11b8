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

// TestDiscoveredCause: why something is not known is said in the page's language, too.
func TestDiscoveredCause(t *testing.T) {
	part := func(code, name string, cause discover.Message, params map[string]string) discover.Message {
		return discover.Message{Code: code, Params: params, Parts: map[string][]discover.Message{name: {cause}}, Text: "English"}
	}
	none := discover.Message{Code: "no_address", Params: map[string]string{}, Text: "English"}
	m := part("mx_unknown", "cause", part("lookup_host", "cause", none, map[string]string{"host": "new.example", "cause": "English"}), map[string]string{"cause": "English"})
	if got := wordsIn(t, "de").Discovered(m); !strings.Contains(got, "(new.example: diesen Namen gibt es nicht)") {
		t.Error(got)
	}
}
