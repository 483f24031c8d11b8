package config

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// What the README shows must work.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("configuration", func(t *testing.T) {
		block := regexp.MustCompile("(?s)```toml\n(.*?)```").FindSubmatch(data)
		if block == nil {
			t.Fatal("there is none")
		}
		if got := mistakes(t, string(block[1])); got != "" {
			t.Error(got)
		}
	})
	t.Run("accounts", func(t *testing.T) {
		block := regexp.MustCompile("(?s)```\n(# login .*?)```").FindSubmatch(data)
		if block == nil {
			t.Fatal("there are none")
		}
		got, err := ParseAccounts(strings.NewReader(string(block[1])), ListOptions{})
		want := []AccountLine{
			{2, "anna@example.com", "two words", "", ""},
			{3, "bert", `pa"ss#1`, "bert@example.com", `say "ah"`},
		}
		if err != nil || len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
			t.Errorf("got %v, %v", got, err)
		}
	})
}
