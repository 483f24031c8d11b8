package admin

import (
	"fmt"
	"testing"
	"time"

	"postferry/store"
	"postferry/tenant"
)

// TestVisitsAreBounded: browsers that one domain's people send to providers, or many domains', in however many sessions, push out
// nobody else's.
func TestVisitsAreBounded(t *testing.T) {
	v, now := newVisits(), time.Now()
	sent := 0
	send := func(scope string, session byte) string {
		sent++
		state := fmt.Sprint(sent)
		v.put(&consentVisit{Visit: &tenant.Visit{State: state, Ends: now.Add(time.Duration(sent) * time.Millisecond)}, owner: store.Digest{session}, scope: scope}, now)
		return state
	}
	waits := func(state string) bool { return v.byState[state] != nil }
	theirs, all := send("b", 1), send(store.ScopeAll, 2)
	oldest := send("a", 3)
	newest := ""
	for i := range 3 * maxVisitsDomain {
		newest = send("a", byte(10+i/4))
	}
	if !waits(newest) || !waits(theirs) || !waits(all) || waits(oldest) || len(v.byState) != maxVisitsDomain+2 {
		t.Errorf("one domain: of another %v, of who looks after everything %v, its oldest %v, its newest %v; %d in all", waits(theirs), waits(all), waits(oldest), waits(newest), len(v.byState))
	}
	for i := range 2 * maxVisits {
		send(fmt.Sprint("domain", i%50), byte(i))
	}
	if !waits(all) || len(v.byState) > maxVisits+1 {
		t.Errorf("many domains: of who looks after everything %v; %d in all", waits(all), len(v.byState))
	}
}
