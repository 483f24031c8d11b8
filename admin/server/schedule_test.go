package server

import (
	"strings"
	"testing"
	"time"

	"postferry/admin"
)

// TestScheduleWithoutARun: a schedule that no run would begin by is refused: it would only keep accounts from being looked at.
func TestScheduleWithoutARun(t *testing.T) {
	p := startPage(t)
	c, b := p.program("a.example"), p.admin("anna", "a.example")
	p.put("a.example", "anna@a.example")
	const path = aDomain + "/schedule"
	now := time.Now().UTC().Truncate(time.Second)
	for name, in := range map[string]map[string]any{
		"it ends before it begins":   {"every_seconds": 3600, "from": now.Add(48 * time.Hour), "until": now.Add(24 * time.Hour)},
		"it ends before an interval": {"every_seconds": 7200, "until": now.Add(time.Hour)},
	} {
		if got := c.want(422, "PUT", path, in, nil); !strings.Contains(got.text, `"schedule_without_run"`) || !strings.Contains(got.text, `"until"`) {
			t.Errorf("%s: %s", name, got.text)
		}
	}
	status, _, text := b.form("/d/a.example/schedule", "hours", "720", "until", now.Add(48*time.Hour).Format(time.DateOnly))
	shows(t, "the form", status, 422, text, "expected a day after the next run")
	var d admin.DomainView
	if c.want(200, "GET", aDomain, nil, &d); d.Schedule != nil {
		t.Errorf("%+v", d.Schedule)
	}
}

// TestScheduleThatHasEnded: once a schedule has ended accounts are not looked at again by themselves, and nobody is told
// otherwise; before that it is told when the next run begins.
func TestScheduleThatHasEnded(t *testing.T) {
	inBubble(t, func(t *testing.T, p *page) {
		c, b := p.program("a.example"), p.admin("anna", "a.example")
		p.put("a.example", "anna@a.example")
		from, until := time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
		c.want(200, "PUT", aDomain+"/schedule", map[string]any{"every_seconds": 7200, "from": from, "until": until}, nil)
		looks := func() admin.DomainView {
			var d admin.DomainView
			c.want(200, "GET", aDomain, nil, &d)
			return d
		}
		if d := looks(); d.Looks.EverySeconds != 7200 || d.Looks.Next == nil || !d.Looks.Next.Equal(from) {
			t.Errorf("before: %+v", d.Looks)
		}
		shows(t, "before", 200, 200, b.do("GET", "/d/a.example", nil).text, "only at the times of the domain&#39;s schedule", "Next:")
		<-time.After(49 * time.Hour)
		if d := looks(); d.Looks.EverySeconds != 0 || d.Looks.Next != nil || d.Schedule == nil {
			t.Errorf("afterwards: %+v", d.Looks)
		}
		b = p.admin("bert", "a.example") // the session of before has ended
		for _, path := range []string{"/d/a.example", "/d/a.example/runs"} {
			text := b.do("GET", path, nil).text
			shows(t, path, 200, 200, text, "The domain&#39;s schedule has ended")
			if strings.Contains(text, "only at the times of") || strings.Contains(text, "Next:") {
				t.Errorf("%s says that accounts are looked at", path)
			}
		}
		if got := c.want(422, "PUT", aDomain+"/schedule", map[string]any{"every_seconds": 3600}, nil); !strings.Contains(got.text, "schedule_without_run") {
			t.Error(got.text)
		}
		c.want(204, "DELETE", aDomain+"/schedule", nil, nil)
		if d := looks(); d.Looks.EverySeconds == 0 {
			t.Errorf("without a schedule: %+v", d.Looks)
		}
	})
}
