package syncer

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"postferry/store"
	"postferry/upstream"
)

// quotaRetry is how long an account rests that has no room on the new server.
const quotaRetry = 30 * time.Minute

// inUseRetry is how long a mailbox is left alone that another POP3 session has:
// a mail program is through with it in less.
const inUseRetry = time.Minute

// folderBound is how many folders in a row may not work at the moment before it
// counts as the server that doesn't.
const folderBound = 3

// stopsAccount tells whether an error is about the account or a server as
// a whole, so that its other folders need not be tried now. unwell is of how many
// folders in a row before a server said that they don't work at the moment.
func stopsAccount(err error, unwell int) bool {
	if (aboutOne(err) || breaks(err)) && unwell < folderBound {
		return false
	}
	if _, counts := errors.AsType[*countsError](err); counts || errors.Is(err, errHung) {
		return false
	}
	if _, resting := errors.AsType[*restingError](err); resting {
		return true
	}
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return true // the store, or a bug: nothing will go better in the next folder
	}
	return e.Class == upstream.Fix || e.Class == upstream.Later || e.Op == "connect" || strings.EqualFold(e.Op, "login")
}

// problemOf puts an error into its two voices.
func problemOf(err error, folder string, failures int) *store.Problem {
	if full, ok := errors.AsType[*noRoomError](err); ok {
		return full.problem
	}
	if doubt, ok := errors.AsType[*doubtError](err); ok {
		return sameProblem(doubt)
	}
	now := time.Now()
	p := &store.Problem{
		Summary: "Something unexpected went wrong; it is tried again.",
		Cause:   err.Error(), Advice: store.RetryLater, Folder: folder, Since: now, Kind: kindOf(err),
	}
	switch p.Kind {
	case store.Counts, store.FolderLeftOld, store.FoldersUnlisted:
		p.Server = store.OldSide
	case store.FolderNotMade, store.FolderVanished:
		p.Server = store.NewSide
	}
	if errors.Is(err, errHung) {
		p.Server = store.NewSide
		p.Summary = "The new server fell silent while it was storing messages of this folder. What became of them is found out as soon as it has hung up; then the folder goes on."
	}
	retry := backoff(max(failures, 1), hint(err))
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		p.Summary, p.Server, p.Host = e.Summary(), e.Side(), e.Host()
		switch {
		case p.Kind == store.OverQuota: // also of servers that say so in words only
			retry = quotaRetry
		case e.OneAccount():
			retry = max(retry, inUseRetry)
		case e.Class == upstream.Fix:
			p.Advice = store.NeedsFix
		}
	}
	if all, ok := errors.AsType[*refusesAllError](err); ok {
		p.Summary = all.Summary()
	}
	if spent, ok := errors.AsType[*budgetError](err); ok {
		p.Server = store.Side(spent.side)
		p.Summary, p.Folder, retry = spent.Summary(), "", max(time.Until(spent.until), time.Second)
	}
	if c, ok := errors.AsType[*countsError](err); ok && c.side == store.NewSide {
		p.Server = store.NewSide
		p.Summary = fmt.Sprintf("The new server says that the folder has %d messages, but lists only %d. It is looked at again.", c.messages, c.listed)
	} else if ok {
		p.Summary = fmt.Sprintf("The old server says that the folder has %d messages, but lists only %d. It is listed again; if it stays so, the server shows the newest ones only (Yahoo: 10,000), and those hidden must be moved into other folders there to be copied.", c.messages, c.listed)
	}
	if r, ok := errors.AsType[*restingError](err); ok {
		retry = max(time.Until(r.until), time.Second)
	}
	if p.Advice == store.RetryLater {
		p.Retry = now.Add(retry)
	}
	return p
}

// kindOf names an error.
func kindOf(err error) store.ProblemKind {
	switch {
	case errors.As(err, new(*countsError)):
		return store.Counts
	case errors.As(err, new(*budgetError)):
		return store.BudgetUsed
	case errors.Is(err, errOmitted):
		return store.TooManyFolders
	case errors.As(err, new(*refusesAllError)):
		return store.MessagesRefused
	case errors.Is(err, errNotMade), errors.Is(err, errNotKnown):
		return store.FolderNotMade
	case errors.Is(err, errNewGone), errors.Is(err, errNewOther):
		return store.FolderVanished
	case errors.Is(err, errHung):
		return store.Unavailable
	case errors.Is(err, errOldLeft):
		return store.FolderLeftOld
	case errors.Is(err, errListBreaks), errors.Is(err, errListUnread):
		return store.FoldersUnlisted
	case errors.Is(err, errNoDomain):
		return store.NoDomain
	}
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.Kind()
	}
	return store.Unexpected
}

// omittedProblem is what a pass ends with that had no other problem, if the old server
// has more folders than are made: nil if it hasn't.
func (a *account) omittedProblem() *store.Problem {
	if a.tree.omitted == 0 {
		return nil
	}
	p := problemOf(errOmitted, "", 1)
	p.Server, p.Host, p.Retry = store.OldSide, a.domain.Old.Host, time.Now().Add(a.cfg.Sync.Interval)
	p.Summary = fmt.Sprintf("The old server (%s) has %d folders more than the %d that are made for one account; they are not copied. Leave folders out in the domain's settings, or have sync.max_folders raised in the configuration.",
		p.Host, a.tree.omitted, a.cfg.Sync.MaxFolders)
	return p
}

// heedDates takes note if a pull found that the new server does not keep dates.
func (a *account) heedDates(f *tracked, p *pull) {
	if p.checks.wrongDate == "" {
		return
	}
	a.dates = &store.Problem{
		Kind: store.WrongDates, Server: store.NewSide, Host: a.domain.New.Host, Folder: f.Title, Advice: store.RetryLater, Since: time.Now(),
		Summary: fmt.Sprintf("The new server (%s) does not keep the dates of messages, and that can't be mended once they are copied. Have it corrected before more is copied, or stop the account.", a.domain.New.Host),
		Cause:   "the first message copied into the folder: " + p.checks.wrongDate,
	}
}

// datesProblem is what a pass ends with that had no other problem: nil, or that
// dates are lost. A warning outlives restarts until somebody asks for a pass.
func (a *account) datesProblem() *store.Problem {
	if was := a.row.Problem; a.dates == nil && was != nil && was.Kind == store.WrongDates {
		a.dates = was
	}
	if a.dates == nil {
		return nil
	}
	p := *a.dates
	p.Retry = time.Now().Add(a.cfg.Sync.Interval)
	return &p
}
