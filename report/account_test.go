package report

import (
	"testing"
	"time"

	"postferry/report/reason"
	"postferry/store"
)

// TestStateOf: an account's state is the same for whoever shows it, and what goes on counts before what was.
func TestStateOf(t *testing.T) {
	account := func(state store.State, complete bool, p *store.Problem) *store.Overview {
		return &store.Overview{Account: store.Account{State: state, Problem: p}, Summary: store.Summary{Complete: complete}}
	}
	running := &Live{Running: true}
	for name, tt := range map[string]struct {
		o    *store.Overview
		live *Live
		want AccountState
	}{
		"waiting":             {account(store.Waiting, false, nil), nil, StateWaiting},
		"stopped, still ends": {account(store.Stopped, false, nil), running, StateStopped},
		"finished":            {account(store.Finished, true, nil), nil, StateFinished},
		"new":                 {account(store.Active, false, nil), nil, StateQueued},
		"at work":             {account(store.Active, true, &store.Problem{Advice: store.NeedsFix}), running, StateRunning},
		"known, not at work":  {account(store.Active, true, nil), &Live{}, StateComplete},
		"refused":             {account(store.Active, false, &store.Problem{Kind: store.LoginRefused, Advice: store.NeedsFix}), nil, StateFailed},
		"full":                {account(store.Active, false, &store.Problem{Kind: store.OverQuota, Advice: store.RetryLater}), nil, StateFailed},
		"unreachable":         {account(store.Active, true, &store.Problem{Kind: store.Unreachable, Advice: store.RetryLater}), nil, StateRetrying},
		"dates are changed":   {account(store.Active, true, &store.Problem{Kind: store.WrongDates, Advice: store.RetryLater}), nil, StateComplete},
	} {
		if got := StateOf(tt.o, tt.live); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
		if got := AccountOf(tt.o, tt.live); got.State != tt.want || got.Running != (tt.live != nil && tt.live.Running) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestAccountOf: what goes on takes the place of what was.
func TestAccountOf(t *testing.T) {
	o := &store.Overview{Account: store.Account{ID: 7, Domain: "example.com", Login: "anna", State: store.Active, Origin: store.Imported},
		Summary: store.Summary{Messages: 5, Copied: 3, Quarantined: 1, LeftOut: 2, Bytes: 30, Complete: true}}
	o.Old.Login, o.New.Login = "old", "new"
	o.Problem = &store.Problem{Kind: store.Silent, Summary: reason.Of(reason.TroubleSilent, "old.example"), Advice: store.RetryLater}
	a := AccountOf(o, nil)
	if a.ID != 7 || a.Login != "anna" || a.OldLogin != "old" || a.NewLogin != "new" || a.Stored != store.Active || a.LastPass != nil || a.Complete ||
		a.Progress != (Progress{Messages: 5, Copied: 3, Quarantined: 1, LeftOut: 2, Octets: 30}) || a.Problem.Summary != o.Problem.Summary || a.Problem.NeedsPerson {
		t.Errorf("%+v", a)
	}
	left := 90*time.Second + time.Millisecond
	a = AccountOf(o, &Live{Running: true, Folder: "Sent", Total: 9, OctetsDone: 40, OctetsTotal: 90, Rate: Rate{Messages: 2, Octets: 20}, Remaining: &left})
	seconds := a.RemainingSeconds
	a.RemainingSeconds = nil
	if a.Progress != (Progress{Folder: "Sent", Messages: 9, Copied: 3, Quarantined: 1, LeftOut: 2, Octets: 30, OctetsDone: 40, OctetsTotal: 90, OctetsAbout: true,
		MessagesPerSecond: 2, OctetsPerSecond: 20, Remaining: &left}) || seconds == nil || *seconds != 90 {
		t.Errorf("%+v, %v", a.Progress, seconds)
	}
}
