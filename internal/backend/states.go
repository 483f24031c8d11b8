package backend

import (
	"fmt"
	"slices"
	"strings"

	"postferry/admin"
	"postferry/internal/control"
	"postferry/store"
)

// StatusStates are the words of --state; the page and the API have the same ones.
func StatusStates() []string {
	var words []string
	for _, s := range admin.AccountStates() {
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

// stateOf is an account's state in these words.
func stateOf(a *control.AccountStatus) admin.AccountState {
	switch {
	case a.State == store.Waiting:
		return admin.StateWaiting
	case a.State == store.Stopped:
		return admin.StateStopped
	case a.State == store.Finished:
		return admin.StateFinished
	case a.Running:
		return admin.StateRunning
	case a.LastError != nil && a.LastError.NeedsPerson:
		return admin.StateFailed
	case a.LastError != nil:
		return admin.StateRetrying
	case a.Complete:
		return admin.StateComplete
	}
	return admin.StateQueued
}

// asked reports whether a status is asked for an account.
func asked(q control.StatusQuery, a *control.AccountStatus) bool {
	if q.Problems && a.LastError == nil {
		return false
	}
	return len(q.States) == 0 || slices.Contains(q.States, string(stateOf(a)))
}
