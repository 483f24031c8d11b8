package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"postferry/store"
)

func domain(name string) store.Domain {
	return store.Domain{
		Name: name, Old: "imaps://old." + name, New: "imaps://new." + name, OldFingerprint: make([]byte, 32), Enrol: true, Created: at(1), OldSetBy: store.SetByAll,
		Rules: store.DomainRules{Skip: []string{"Backup"}, Rename: map[string]string{"Gesendet": "Sent"}, MessagesPerSecond: 20, OldBytesPerDay: new(uint64(5_000_000))},
	}
}

func run() store.Run {
	return store.Run{Domain: "example.com", Kind: store.FirstRun, By: "root", Started: at(1), State: store.RunOpen}
}

func testDomains(t *testing.T, f *fixture) {
	none, err := f.Domains(t.Context())
	must(t, err)
	wantEqual(t, "domains of an empty store", len(none), 0)
	b, a := domain("b.example"), domain("a.example")
	must(t, f.PutDomain(t.Context(), b))
	must(t, f.PutDomain(t.Context(), a))
	b.New, b.OldFingerprint, b.Enrol, b.OldSetBy = "imap://other", nil, false, store.SetByDomain
	b.OldTLS10, b.Rules.WayBack = true, true
	a.Rules, a.NewCA = store.DomainRules{}, "-----BEGIN CERTIFICATE-----"
	b.Recipients = []store.Recipient{{To: "post@b.example", Language: "de"}, {To: "boss@b.example", Language: "en"}}
	b.Webhooks = []store.Webhook{{ID: "1", URL: "https://hooks.b.example/?key=hush", Key: "hush-hush-hush-hush", Language: "ru"}}
	a.Webhooks = []store.Webhook{{ID: "1", URL: "https://hooks.a.example/", Key: "another", Language: "en"}, {ID: "2", URL: "https://hooks.a.example/", Key: "third", Language: "de"}}
	must(t, f.PutDomain(t.Context(), a))
	changed := b
	changed.Created = at(1000)
	must(t, f.PutDomain(t.Context(), changed))
	got, err := f.Domains(t.Context())
	must(t, err)
	wantEqual(t, "domains", got, []store.Domain{a, b})

	before := time.Now()
	undated := domain("c.example")
	undated.Created = time.Time{}
	must(t, f.PutDomain(t.Context(), undated))
	f.reopen()
	got, err = f.Domains(t.Context())
	must(t, err)
	wantEqual(t, "domains", got[:2], []store.Domain{a, b})
	if c := got[2].Created; c.Before(before.Round(0)) || c.After(time.Now()) {
		t.Errorf("created %v, it is %v", c, before)
	}
}

func testDomainsInvalid(t *testing.T, f *fixture) {
	for name, spoil := range map[string]func(*store.Domain){
		"no name":       func(d *store.Domain) { d.Name = "" },
		"upper case":    func(d *store.Domain) { d.Name = "Example.com" },
		"no old server": func(d *store.Domain) { d.Old = "" },
		"no new server": func(d *store.Domain) { d.New = "" },
		"fingerprint":   func(d *store.Domain) { d.NewFingerprint = []byte("short") },
		"setter":        func(d *store.Domain) { d.OldSetBy = "somebody" },
	} {
		d := domain("example.com")
		spoil(&d)
		wantError(t, name, f.PutDomain(t.Context(), d), store.ErrInvalid)
		wantError(t, name, f.PutVacantDomain(t.Context(), d), store.ErrInvalid)
	}
	for name, s := range map[string]store.Schedule{
		"no domain":  {Every: time.Hour},
		"upper case": {Domain: "Example.com", Every: time.Hour},
		"too often":  {Domain: "example.com", Every: time.Second},
		"negative":   {Domain: "example.com", Every: -time.Hour},
	} {
		wantError(t, name, f.PutSchedule(t.Context(), s), store.ErrInvalid)
	}
}

// testPutVacantDomain: the servers of people who are there already stay as they are.
func testPutVacantDomain(t *testing.T, f *fixture) {
	first := domain("example.com")
	must(t, f.PutVacantDomain(t.Context(), first))
	other := first
	other.Old, other.OldSetBy = "imaps://other", store.SetByDomain
	must(t, f.PutVacantDomain(t.Context(), other))
	a, b := account("a@example.com"), account("b@example.org")
	a.State, b.Domain = store.Waiting, "example.org"
	id := f.put(a, b)[0].ID
	wantError(t, "with accounts", f.PutVacantDomain(t.Context(), first), store.ErrInvalid)
	wantError(t, "with accounts of before there was a domain", f.PutVacantDomain(t.Context(), domain("example.org")), store.ErrInvalid)
	got, err := f.Domains(t.Context())
	must(t, err)
	wantEqual(t, "domains", got, []store.Domain{other})
	must(t, f.RemoveAccounts(t.Context(), []store.AccountID{id}))
	must(t, f.PutVacantDomain(t.Context(), first))
	got, err = f.Domains(t.Context())
	must(t, err)
	wantEqual(t, "domains", got, []store.Domain{first})
}

// testPutEnrolled: what one old server has accepted is not kept for another.
func testPutEnrolled(t *testing.T, f *fixture) {
	a := account("a@example.com")
	a.Origin = store.Enrolled
	at := domain("example.com")
	for name, change := range map[string]func(*store.Domain){
		"another old server":  func(d *store.Domain) { d.Old = "imaps://catcher.example" },
		"another fingerprint": func(d *store.Domain) { d.OldFingerprint = nil },
		"no enrolment":        func(d *store.Domain) { d.Enrol = false },
		"another domain":      func(d *store.Domain) { d.Name = "example.org" },
	} {
		d := at
		change(&d)
		must(t, f.PutDomain(t.Context(), d))
		_, err := f.PutEnrolled(t.Context(), a, &at)
		wantError(t, name, err, store.ErrInvalid)
		_, err = f.Account(t.Context(), a.Login)
		wantError(t, name, err, store.ErrNotFound)
		must(t, f.DeleteDomain(t.Context(), d.Name))
	}
	_, err := f.PutEnrolled(t.Context(), store.Account{}, nil)
	wantError(t, "an account without a login", err, store.ErrInvalid)
	other := at
	other.New, other.NewFingerprint, other.OldSetBy = "imaps://elsewhere", make([]byte, 32), store.SetByDomain
	must(t, f.PutDomain(t.Context(), other))
	stored, err := f.PutEnrolled(t.Context(), a, &at)
	must(t, err)
	a.ID = stored.ID
	wantEqual(t, "the account", stored, a)
	again := a
	again.State, again.Old.Password, again.New.Password, again.OldOpens = store.Waiting, "other old", "other new", true
	stored, err = f.PutEnrolled(t.Context(), again, nil)
	must(t, err)
	again.State = a.State
	wantEqual(t, "the account again", stored, again)
}

func testDeleteDomain(t *testing.T, f *fixture) {
	must(t, f.PutDomain(t.Context(), domain("example.com")))
	must(t, f.PutDomain(t.Context(), domain("example.org")))
	for _, name := range []string{"example.com", "example.org"} {
		must(t, f.PutSchedule(t.Context(), store.Schedule{Domain: name, Every: time.Hour}))
	}
	a := account("a@example.com")
	a.Domain = "example.com"
	f.put(a)
	wantError(t, "with accounts", f.DeleteDomain(t.Context(), "example.com"), store.ErrInvalid)
	must(t, f.DeleteDomain(t.Context(), "example.org"))
	wantError(t, "again", f.DeleteDomain(t.Context(), "example.org"), store.ErrNotFound)
	domains, err := f.Domains(t.Context())
	must(t, err)
	wantEqual(t, "domains", domains, []store.Domain{domain("example.com")})
	schedules, err := f.Schedules(t.Context())
	must(t, err)
	wantEqual(t, "schedules", len(schedules), 1)
}

func testSchedules(t *testing.T, f *fixture) {
	b := store.Schedule{Domain: "b.example", Every: 6 * time.Hour, From: at(1), Until: at(2)}
	a := store.Schedule{Domain: "a.example", Every: time.Minute}
	must(t, f.PutSchedule(t.Context(), a))
	must(t, f.PutSchedule(t.Context(), b))
	a.Until = at(3)
	must(t, f.PutSchedule(t.Context(), a))
	f.reopen()
	got, err := f.Schedules(t.Context())
	must(t, err)
	wantEqual(t, "schedules", got, []store.Schedule{a, b})
	must(t, f.PutSchedule(t.Context(), store.Schedule{Domain: "a.example"}))
	must(t, f.PutSchedule(t.Context(), store.Schedule{Domain: "unknown.example"}))
	got, err = f.Schedules(t.Context())
	must(t, err)
	wantEqual(t, "schedules", got, []store.Schedule{b})
}

func testRuns(t *testing.T, f *fixture) {
	stored := f.put(account("a@example.com"), account("b@example.com"), account("c@example.com"))
	ids := []store.AccountID{stored[2].ID, stored[0].ID, stored[2].ID}
	first, err := f.AddRun(t.Context(), run(), ids)
	must(t, err)
	want := run()
	want.ID, want.Accounts = first.ID, 2
	wantEqual(t, "added", first, want)
	parts := []store.RunAccount{{Account: stored[0].ID, Outcome: store.OutcomeOpen}, {Account: stored[2].ID, Outcome: store.OutcomeOpen}}
	got, err := f.RunAccounts(t.Context(), first.ID)
	must(t, err)
	wantEqual(t, "accounts of a new run", got, parts)

	other := run()
	other.Domain, other.Kind, other.State, other.Ended = "example.org", store.ScheduledRun, store.RunDone, at(9)
	second, err := f.AddRun(t.Context(), other, nil)
	must(t, err)
	if second.ID <= first.ID {
		t.Errorf("run %d came after %d", second.ID, first.ID)
	}
	first.State, first.Ended, first.Complete, first.Failed, first.Stopped = store.RunStopped, at(10), 1, 2, 3
	first.Figures = store.Figures{Copied: 1, Adopted: 2, FlagChanges: 3, Bytes: 1 << 60, Quarantined: 5}
	parts[1] = store.RunAccount{Account: stored[2].ID, Outcome: store.OutcomeFailed, Ended: at(11), Passes: 2, Figures: first.Figures, Problem: problem()}
	must(t, f.PutRun(t.Context(), first, parts[1:]))
	f.reopen()
	one, err := f.Run(t.Context(), first.ID)
	must(t, err)
	wantEqual(t, "run", one, first)
	got, err = f.RunAccounts(t.Context(), first.ID)
	must(t, err)
	wantEqual(t, "accounts", got, parts)
	all, err := f.Runs(t.Context(), "")
	must(t, err)
	wantEqual(t, "all runs", all, []store.Run{second, first})
	all, err = f.Runs(t.Context(), "example.com")
	must(t, err)
	wantEqual(t, "runs of a domain", all, []store.Run{first})
}

func testRunsInvalid(t *testing.T, f *fixture) {
	id := f.put(account("a@example.com"))[0].ID
	known, err := f.AddRun(t.Context(), run(), []store.AccountID{id})
	must(t, err)
	add := func(spoil func(*store.Run), accounts ...store.AccountID) error {
		r := run()
		spoil(&r)
		_, err := f.AddRun(t.Context(), r, accounts)
		return err
	}
	wantError(t, "no kind", add(func(r *store.Run) { r.Kind = "" }), store.ErrInvalid)
	wantError(t, "no state", add(func(r *store.Run) { r.State = "asleep" }), store.ErrInvalid)
	wantError(t, "unknown account", add(func(*store.Run) {}, id, 999), store.ErrNotFound)
	_, err = f.Run(t.Context(), 999)
	wantError(t, "unknown run", err, store.ErrNotFound)
	_, err = f.RunAccounts(t.Context(), 999)
	wantError(t, "accounts of an unknown run", err, store.ErrNotFound)
	wantError(t, "no outcome", f.PutRun(t.Context(), known, []store.RunAccount{{Account: id}}), store.ErrInvalid)
	foreign := []store.RunAccount{{Account: 999, Outcome: store.OutcomeOpen}}
	wantError(t, "an account of none of the run's", f.PutRun(t.Context(), known, foreign), store.ErrNotFound)
	unknown := known
	unknown.ID = 999
	wantError(t, "a run that was not added", f.PutRun(t.Context(), unknown, nil), store.ErrNotFound)
	all, err := f.Runs(t.Context(), "")
	must(t, err)
	wantEqual(t, "runs after errors", all, []store.Run{known})
}

func testRunsAreBounded(t *testing.T, f *fixture) {
	id := f.put(account("a@example.com"))[0].ID
	var want []store.Run
	for i := range 55 {
		r := run()
		r.By = fmt.Sprint(i)
		if i != 2 {
			r.State = store.RunDone
		}
		added, err := f.AddRun(t.Context(), r, []store.AccountID{id})
		must(t, err)
		want = append(want, added)
	}
	other := run()
	other.Domain = "example.org"
	_, err := f.AddRun(t.Context(), other, nil)
	must(t, err)
	_, err = f.RunAccounts(t.Context(), want[0].ID)
	wantError(t, "accounts of one that was not kept", err, store.ErrNotFound)
	got, err := f.Runs(t.Context(), "example.com")
	must(t, err)
	want = append(want[2:3], want[5:]...) // the one that is running stays
	slices.Reverse(want)
	wantEqual(t, "runs", got, want)
}
