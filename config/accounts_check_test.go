package config_test

import (
	"errors"
	"strings"
	"testing"

	"postferry/config"
)

// TestParseAccountsChecks wants what a check finds among the other mistakes.
func TestParseAccountsChecks(t *testing.T) {
	list := "anna@a.example x\nbert@b.example x\nonlyone\n"
	_, err := config.ParseAccounts(strings.NewReader(list), config.ListOptions{Check: func(l config.AccountLine) error {
		if strings.HasSuffix(l.Login, "@b.example") {
			return errors.New("is of another domain")
		}
		return nil
	}})
	want := "line 2: is of another domain\nline 3: has 1 value;"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Fatalf("got %v, want %q...", err, want)
	}
}
