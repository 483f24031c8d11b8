package report

import (
	"testing"

	"postferry/store"
)

// TestLookedAtAgain: a complete account that is looked at again stays complete until there is something to copy.
func TestLookedAtAgain(t *testing.T) {
	t.Parallel()
	o := &store.Overview{Account: store.Account{State: store.Active}, Summary: store.Summary{Complete: true, Messages: 100, Copied: 100}}
	for want, l := range map[AccountState]*Live{
		StateComplete: {Running: true, Done: 100, Total: 100}, StateRunning: {Running: true, Done: 100, Total: 101},
	} {
		if got := StateOf(o, l); got != want {
			t.Errorf("%+v: %s, want %s", l, got, want)
		}
		a := AccountOf(o, l)
		if a.State != want || !a.Running {
			t.Errorf("%+v: the account is %s, running %v", l, a.State, a.Running)
		}
	}
	o.Summary.Complete = false
	if got := StateOf(o, &Live{Running: true}); got != StateRunning {
		t.Errorf("one that is not complete is %s", got)
	}
}
