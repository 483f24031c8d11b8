package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"postferry/admin/access"
	"postferry/report"
	"postferry/store"
)

const (
	minEvery = time.Minute
	maxEvery = 30 * 24 * time.Hour
)

// ScheduleView is when a domain's accounts are run again.
type ScheduleView struct {
	EverySeconds int64      `json:"every_seconds"`
	From         *time.Time `json:"from"`  // when the first run begins
	Until        *time.Time `json:"until"` // nil for never
}

// ScheduleInput is a schedule as a person or a program gives it. What is absent stays as it is.
type ScheduleInput struct {
	EverySeconds *int64    `json:"every_seconds"` // required if there is none yet
	From         GivenTime `json:"from"`          // when the first run begins; null, or absent if there is none yet, for an interval from now
	Until        GivenTime `json:"until"`         // null for never
}

// GivenTime is a time that may be absent, null or given.
type GivenTime struct {
	Present bool
	Time    *time.Time // nil for null
}

// UnmarshalJSON is called for null as well, but not if there is nothing.
func (g *GivenTime) UnmarshalJSON(text []byte) error {
	g.Present = true
	return json.Unmarshal(text, &g.Time)
}

// storedSchedule is a domain's schedule; nil if there is none.
func (a *Domains) storedSchedule(ctx context.Context, domain string) (*store.Schedule, error) {
	all, err := a.store.Schedules(ctx)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Domain == domain {
			return &all[i], nil
		}
	}
	return nil, nil
}

// viewSchedule shows a domain's schedule, if there is one, and when its accounts are looked at by it: it takes the
// place of the interval, also once it has ended.
func (v *DomainView) viewSchedule(s *store.Schedule, now time.Time) {
	if s == nil {
		return
	}
	v.Schedule = &ScheduleView{EverySeconds: int64(s.Every.Seconds()), From: report.TimeOrNil(s.From), Until: report.TimeOrNil(s.Until)}
	v.Looks.EverySeconds = 0
	if next, ok := s.Next(now); ok {
		v.Looks.EverySeconds, v.Looks.Next = v.Schedule.EverySeconds, &next
	}
}

// ScheduleUntil is between a schedule's interval and its end in the audit log.
const ScheduleUntil = " → "

// SetSchedule sets when a domain's accounts are run again; nil removes it.
func (a *Domains) SetSchedule(ctx context.Context, who access.Actor, domain string, in *ScheduleInput) (*DomainView, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	if err := a.adding.Acquire(ctx, 1); err != nil { // what is not said is read first
		return nil, err
	}
	defer a.adding.Release(1)
	s := store.Schedule{Domain: d.Name}
	action, detail := "clear_schedule", ""
	if in != nil {
		if s, err = a.readSchedule(ctx, d.Name, in); err != nil {
			return nil, err
		}
		action, detail = "set_schedule", s.Every.String()
		if !s.Until.IsZero() {
			detail += ScheduleUntil + s.Until.UTC().Format(time.RFC3339)
		}
	}
	if err := a.store.PutSchedule(ctx, s); err != nil {
		return nil, err
	}
	if err := errors.Join(a.ferry.DomainChanged(ctx, d.Name), a.tracker.Reschedule(ctx)); err != nil {
		return nil, err
	}
	if err := a.audit.Note(ctx, who, action, access.About{Domain: d.Name, Detail: detail}); err != nil {
		return nil, err
	}
	return a.view(ctx, who, d)
}

// readSchedule reads what was given for a schedule, and leaves the rest as it was.
func (a *Domains) readSchedule(ctx context.Context, domain string, in *ScheduleInput) (store.Schedule, error) {
	known, err := a.storedSchedule(ctx, domain)
	if err != nil {
		return store.Schedule{}, err
	}
	s := store.Schedule{Domain: domain}
	if known != nil {
		s = *known
	}
	var mistakes []access.Mistake
	switch {
	case in.EverySeconds == nil && known == nil:
		mistakes = append(mistakes, access.WrongField("every_seconds", "missing", "An interval is missing."))
	case in.EverySeconds == nil:
	case *in.EverySeconds < int64(minEvery.Seconds()) || *in.EverySeconds > int64(maxEvery.Seconds()):
		mistakes = append(mistakes, access.WrongField("every_seconds", "schedule_every", "Expected an interval from a minute to 30 days."))
	default:
		s.Every = time.Duration(*in.EverySeconds) * time.Second
	}
	now := time.Now()
	switch {
	case in.From.Time != nil:
		s.From = *in.From.Time
	case in.From.Present, known == nil:
		s.From = now.Add(s.Every)
	}
	if in.Until.Present {
		s.Until = time.Time{}
	}
	if in.Until.Time != nil {
		if s.Until = *in.Until.Time; !s.Until.After(now) {
			mistakes = append(mistakes, access.WrongField("until", "schedule_until", "Expected an end in the future."))
		}
	}
	if len(mistakes) > 0 {
		return s, access.Invalid(mistakes...)
	}
	if _, runs := s.Next(now); !runs {
		return s, access.Invalid(access.WrongField("until", "schedule_without_run", "Expected an end after the next run."))
	}
	return s, nil
}
