package admin

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"postferry/store"
)

const (
	minEvery = time.Minute
	maxEvery = 30 * 24 * time.Hour
)

// scheduleView is when a domain's accounts are run again.
type scheduleView struct {
	EverySeconds int64      `json:"every_seconds"`
	From         *time.Time `json:"from"`  // when the first run begins
	Until        *time.Time `json:"until"` // nil for never
}

// scheduleInput is a schedule as a person or a program gives it. What is absent stays as it is.
type scheduleInput struct {
	EverySeconds *int64    `json:"every_seconds"` // required if there is none yet
	From         givenTime `json:"from"`          // when the first run begins; null, or absent if there is none yet, for an interval from now
	Until        givenTime `json:"until"`         // null for never
}

// givenTime is a time that may be absent, null or given.
type givenTime struct {
	present bool
	time    *time.Time // nil for null
}

// UnmarshalJSON is called for null as well, but not if there is nothing.
func (g *givenTime) UnmarshalJSON(text []byte) error {
	g.present = true
	return json.Unmarshal(text, &g.time)
}

// storedSchedule is a domain's schedule; nil if there is none.
func (a *app) storedSchedule(ctx context.Context, domain string) (*store.Schedule, error) {
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

// scheduleOf is a domain's schedule; nil if there is none.
func (a *app) scheduleOf(ctx context.Context, domain string) (*scheduleView, error) {
	s, err := a.storedSchedule(ctx, domain)
	if s == nil || err != nil {
		return nil, err
	}
	return &scheduleView{EverySeconds: int64(s.Every.Seconds()), From: timeOrNil(s.From), Until: timeOrNil(s.Until)}, nil
}

// scheduleUntil is between a schedule's interval and its end in the audit log.
const scheduleUntil = " → "

// setSchedule sets when a domain's accounts are run again; nil removes it.
func (a *app) setSchedule(ctx context.Context, who actor, domain string, in *scheduleInput) (*domainView, error) {
	d, err := a.domain(ctx, who, domain)
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
			detail += scheduleUntil + s.Until.UTC().Format(time.RFC3339)
		}
	}
	if err := a.store.PutSchedule(ctx, s); err != nil {
		return nil, err
	}
	if err := errors.Join(a.ferry.DomainChanged(ctx, d.Name), a.tracker.reschedule(ctx)); err != nil {
		return nil, err
	}
	if err := a.note(ctx, who, action, auditOf{domain: d.Name, detail: detail}); err != nil {
		return nil, err
	}
	return a.viewDomain(ctx, d)
}

// readSchedule reads what was given for a schedule, and leaves the rest as it was.
func (a *app) readSchedule(ctx context.Context, domain string, in *scheduleInput) (store.Schedule, error) {
	known, err := a.storedSchedule(ctx, domain)
	if err != nil {
		return store.Schedule{}, err
	}
	s := store.Schedule{Domain: domain}
	if known != nil {
		s = *known
	}
	var mistakes []mistake
	switch {
	case in.EverySeconds == nil && known == nil:
		mistakes = append(mistakes, wrongField("every_seconds", "missing", "An interval is missing."))
	case in.EverySeconds == nil:
	case *in.EverySeconds < int64(minEvery.Seconds()) || *in.EverySeconds > int64(maxEvery.Seconds()):
		mistakes = append(mistakes, wrongField("every_seconds", "schedule_every", "Expected an interval from a minute to 30 days."))
	default:
		s.Every = time.Duration(*in.EverySeconds) * time.Second
	}
	now := a.now()
	switch {
	case in.From.time != nil:
		s.From = *in.From.time
	case in.From.present, known == nil:
		s.From = now.Add(s.Every)
	}
	if in.Until.present {
		s.Until = time.Time{}
	}
	if in.Until.time != nil {
		if s.Until = *in.Until.time; !s.Until.After(now) {
			mistakes = append(mistakes, wrongField("until", "schedule_until", "Expected an end in the future."))
		}
	}
	if len(mistakes) > 0 {
		return s, errInvalid(mistakes...)
	}
	return s, nil
}
