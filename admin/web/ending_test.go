package web

import (
	"strings"
	"testing"

	"postferry/stage"
)

// TestSteps: of the stages before a domain's those are marked as done that its conditions show, and no others.
func TestSteps(t *testing.T) {
	t.Parallel()
	conditions := func(states ...stage.State) (all []stage.Condition) {
		for i, name := range []stage.ConditionName{stage.CheckPassed, stage.AllCopied, stage.ClientsLeadNew, stage.MXLeadsNew} {
			all = append(all, stage.Condition{Name: name, State: states[i]})
		}
		return all
	}
	const met, open, unknown = stage.Met, stage.Open, stage.Unknown
	for name, c := range map[string]struct {
		at         stage.Stage
		conditions []stage.Condition
		done       string
	}{
		"checked":                      {stage.Checked, conditions(met, open, unknown, unknown), "preparing"},
		"all begun":                    {stage.Copying, conditions(met, open, unknown, unknown), "preparing checked"},
		"some begun without a check":   {stage.Copying, conditions(unknown, open, unknown, unknown), "preparing"},
		"some can't be copied":         {stage.Copying, conditions(open, open, unknown, unknown), "preparing"},
		"no names of clients to go by": {stage.MXSwitched, conditions(met, met, unknown, open), "preparing checked copying copied"},
		"late mail":                    {stage.Settling, conditions(met, met, met, met), "preparing checked copying copied clients_switched mx_switched"},
		"finished": {stage.Finished, conditions(met, met, unknown, unknown),
			"preparing checked copying copied clients_switched mx_switched settling safe finished"},
	} {
		var done []string
		for _, s := range (advicePart{A: &stage.Assessment{Stage: c.at, Conditions: c.conditions}}).Steps() {
			if s.Class == "done" {
				done = append(done, string(s.Stage))
			}
			if s.Now != (s.Stage == c.at) {
				t.Errorf("%s: %s is now: %v", name, s.Stage, s.Now)
			}
		}
		if got := strings.Join(done, " "); got != c.done {
			t.Errorf("%s: done are %q, want %q", name, got, c.done)
		}
	}
}
