package syncer

import (
	"errors"
	"math/rand/v2"
	"time"

	"postferry/store"
	"postferry/upstream"
)

// inUseRetry is how long a mailbox is left alone that another POP3 session has:
// a mail program is through with it in less.
const inUseRetry = time.Minute

// quotaRetry is how long an account rests that has no room on the new server.
const quotaRetry = 30 * time.Minute

// problemError is an error that says what kind of problem it is and whose.
type problemError struct {
	kind    store.ProblemKind
	server  store.Side // "" for neither
	text    string
	summary string // for the person at the screen; "" for that of what caused it
}

// newProblem makes an error that is a problem of a kind, at a server or "" for neither.
func newProblem(kind store.ProblemKind, server store.Side, text string) error {
	return &problemError{kind: kind, server: server, text: text}
}

func (e *problemError) Error() string { return e.text }

// describer is an error that has its own words for the person at the screen. It may set
// Retry to when trying again helps; otherwise that is told by how often it failed.
type describer interface {
	error
	describe(p *store.Problem)
}

// problemCarrier is an error that is a whole problem.
type problemCarrier interface {
	error
	whole() *store.Problem
}

// problemOf puts an error into its two voices: a sentence for people, who are told whether
// trying again helps, and the cause for the log. failures is how often it failed in a row.
func problemOf(err error, folder string, failures int) *store.Problem {
	if full, ok := errors.AsType[problemCarrier](err); ok {
		return full.whole()
	}
	now := time.Now()
	p := &store.Problem{
		Summary: "Something unexpected went wrong; it is tried again.",
		Cause:   err.Error(), Advice: store.RetryLater, Folder: folder, Since: now, Kind: store.Unexpected,
	}
	e, ours := errors.AsType[*upstream.Error](err)
	if ours {
		p.Kind = e.Kind()
	}
	if own, ok := errors.AsType[*problemError](err); ok {
		p.Kind, p.Server = own.kind, own.server
		if own.summary != "" {
			p.Summary = own.summary
		}
	}
	d, described := errors.AsType[describer](err)
	if described {
		d.describe(p) // its kind counts for what follows
	}
	retry := backoff(max(failures, 1), hint(err))
	if ours {
		retry = ofServer(p, e, retry)
	}
	if described {
		d.describe(p)
	}
	if p.Advice != store.RetryLater {
		p.Retry = time.Time{}
	} else if p.Retry.IsZero() {
		p.Retry = now.Add(retry)
	}
	return p
}

// ofServer takes over what a server's error says, and returns when to try again.
func ofServer(p *store.Problem, e *upstream.Error, retry time.Duration) time.Duration {
	p.Summary, p.Server, p.Host = e.Summary(), e.Side(), e.Host()
	switch {
	case p.Kind == store.OverQuota: // also of servers that say so in words only
		return quotaRetry
	case e.OneAccount():
		return max(retry, inUseRetry)
	case e.Class == upstream.Fix:
		p.Advice = store.NeedsFix
	}
	return retry
}

// The pauses after a server could not be reached or was unwell: doubled from
// first to longest, with jitter, unless the server said how long.
const (
	backoffFirst   = 2 * time.Second
	backoffLongest = 5 * time.Minute
)

// hint is the server's own word on when to come back, 0 if it gave none.
func hint(err error) time.Duration {
	if e, ok := errors.AsType[*upstream.Error](err); ok {
		return e.After
	}
	return 0
}

// backoff is the pause before attempt failures+1, with a quarter of jitter so that accounts
// don't come back in step.
func backoff(failures int, hint time.Duration) time.Duration {
	d := backoffLongest
	if failures < 10 {
		d = min(backoffFirst<<(failures-1), backoffLongest)
	}
	d = max(d, hint)
	return d + rand.N(d/4+1)
}
