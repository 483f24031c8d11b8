package backend

import (
	"fmt"
	"slices"
	"strings"

	"postferry/internal/control"
	"postferry/report"
)

// StatusStates are the words of --state; the page and the API have the same ones.
func StatusStates() []string {
	var words []string
	for _, s := range report.AccountStates() {
		words = append(words, string(s))
	}
	return words
}

// CheckStates refuses a word that is no state.
func CheckStates(states []string) error {
	for _, s := range states {
		if !slices.Contains(StatusStates(), s) {
			return control.UsageError(fmt.Errorf("%q is no state of an account; expected one of %s", s, strings.Join(StatusStates(), ", ")))
		}
	}
	return nil
}

// asked reports whether a status is asked for an account.
func asked(q control.StatusQuery, a *control.AccountStatus) bool {
	if q.Problems && a.Problem == nil {
		return false
	}
	return len(q.States) == 0 || slices.Contains(q.States, string(a.State))
}
