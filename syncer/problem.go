package syncer

import (
	"fmt"
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/folders"
	"postferry/syncer/transfer"
	"postferry/syncer/transfer/job"
)

// patience is how long a visitor waits for an old server that shows no life.
const patience = 2 * time.Second

// problems are what keeps an account from being copied, and what is borne in mind beside that.
type problems struct {
	*person
	passBegan time.Time      // of the pass under way; zero for none
	renewed   time.Time      // when the row was last given other credentials
	refusing  *store.Problem // the new server has refused all messages of a folder; kept when somebody asks for a pass
	dates     *store.Problem // told as long as nothing is worse: the new server does not keep dates
	failures  int            // passes in a row that ended with a problem
}

// heedDates takes note if a pull found that the new server does not keep dates.
func (t *problems) heedDates(f *folders.Folder, r transfer.Result, host string) {
	if r.WrongDate == "" {
		return
	}
	t.dates = &store.Problem{
		Kind: store.WrongDates, Server: store.NewSide, Host: host, Folder: f.Title, Advice: store.RetryLater, Since: time.Now(),
		Summary: reason.Of(reason.TroubleDates, host),
		Cause:   "the first message copied into the folder: " + r.WrongDate,
	}
}

// datesProblem is what a pass ends with that had no other problem: nil, or that
// dates are lost. A warning outlives restarts until somebody asks for a pass.
func (t *problems) datesProblem(was *store.Problem, interval time.Duration) *store.Problem {
	if t.dates == nil && was != nil && was.Kind == store.WrongDates {
		t.dates = was
	}
	if t.dates == nil {
		return nil
	}
	p := *t.dates
	p.Retry = time.Now().Add(interval)
	return &p
}

// record records what keeps the account from being copied, or that nothing does.
func (t *problems) record(p *store.Problem) {
	if p == nil && t.row.Problem == nil {
		return
	}
	if p != nil && p.Advice == store.NeedsFix && !t.passBegan.IsZero() && t.passBegan.Before(t.renewed) {
		p.Advice, p.Retry = store.RetryLater, time.Now().Add(time.Second) // it was about the former credentials
	}
	if p != nil && !t.announce(p) {
		return
	}
	t.row.Problem = p
	if err := t.store.SetProblem(t.jobs.Context, t.id, p); err != nil && t.jobs.Context.Err() == nil {
		t.log.Error().Err(err).Msg("the account's problem could not be recorded")
	}
}

// announce logs a problem, loudly if it is news, and tells whether it is worth
// recording: the same one that is still waited out is not.
func (t *problems) announce(p *store.Problem) bool {
	was := t.row.Problem
	again := was != nil && was.Summary == p.Summary && was.Advice == p.Advice
	event := t.log.Warn()
	if again {
		p.Since = was.Since
	}
	if again || p.Advice == store.RetryLater && (p.Kind.OfTenant() || !t.jobs.News(p.Server)) {
		event = t.log.Debug()
	}
	event.Str("folder", p.Folder).Str("advice", string(p.Advice)).Str("cause", p.Cause).Msg(p.Summary.String())
	return !again || time.Now().After(was.Retry) || p.Retry.Before(was.Retry) // the clock was put back
}

// silent records that a client waited for the old server in vain. It is no more than
// that: the attempt goes on until the connection counts as stalled.
func (t *problems) silent() {
	if !t.works() || t.row.Problem != nil {
		return
	}
	now := time.Now()
	t.record(&store.Problem{
		Kind: store.Silent, Server: store.OldSide, Host: t.domain.Old.Host,
		Summary: reason.Of(reason.TroubleSilent, t.domain.Old.Host),
		Cause:   fmt.Sprintf("no sign of life for %v while a client waited", patience),
		Advice:  store.RetryLater, Since: now, Retry: now.Add(t.cfg.Sync.Stall),
	})
}

// keepRefusals keeps in mind that the new server refused all messages of a folder, and since
// when, although somebody wants the account tried.
func (t *problems) keepRefusals(was *store.Problem) {
	if was != nil && was.Kind == store.MessagesRefused {
		t.refusing = was
	}
}

// keepSince dates such a problem from when it began.
func (t *problems) keepSince(p *store.Problem) {
	switch was := t.refusing; {
	case p == nil || p.Kind != store.MessagesRefused:
		t.refusing = nil
	case was != nil && was.Folder == p.Folder:
		p.Since = was.Since
	}
}

// refusedLong tells whether the new server has refused all messages of a folder for long.
func (t *problems) refusedLong(f *folders.Folder, known *store.Problem) bool {
	t.keepRefusals(known)
	was := t.refusing
	return was != nil && was.Folder == f.Title && time.Since(was.Since) > job.TroubleLasts
}
