package message

import (
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

func TestNamesFlag(t *testing.T) {
	for words, want := range map[string]bool{
		`invalid flag $notjunk`: true, `"$notjunk" is no flag`: true, "bad flags ($notjunk \\seen)": true, "unknown: $NOTJUNK.": true,
		"$notjunk2 is bad": false, "bad flag": false, "": false,
	} {
		if got := namesFlag(strings.ToLower(words), imap.Flag("$NotJunk")); got != want {
			t.Errorf("%q: %v", words, got)
		}
	}
}
