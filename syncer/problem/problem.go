package problem

import (
	"errors"
	"math/rand/v2"
	"time"

	"postferry/report/reason"
	"postferry/store"
	"postferry/upstream/link"
)

// inUseRetry is how long a mailbox is left alone that another POP3 session has:
// a mail program is through with it in less.
const inUseRetry = time.Minute

// QuotaRetry is how long an account rests that has no room on the new server.
const QuotaRetry = 30 * time.Minute

// Error is an error that says what kind of problem it is and whose.
type Error struct {
	Kind    store.ProblemKind
	Server  store.Side // "" for neither
	Text    string
	Summary reason.Reason // for the person at the screen; "" for that of what caused it
}

// New makes an error that is a problem of a kind, at a server or "" for neither.
func New(kind store.ProblemKind, server store.Side, text string) error {
	return &Error{Kind: kind, Server: server, Text: text}
}

func (e *Error) Error() string { return e.Text }

// Describer is an error that has its own words for the person at the screen. It may set
// Retry to when trying again helps; otherwise that is told by how often it failed.
type Describer interface {
	error
	Describe(p *store.Problem)
}

// Carrier is an error that is a whole problem.
type Carrier interface {
	error
	Problem() *store.Problem
}

// Of puts an error into its two voices: a sentence for people, who are told whether
// trying again helps, and the cause for the log. failures is how often it failed in a row.
func Of(err error, folder string, failures int) *store.Problem {
	if full, ok := errors.AsType[Carrier](err); ok {
		return full.Problem()
	}
	now := time.Now()
	p := &store.Problem{
		Summary: reason.Of(reason.TroubleUnexpected),
		Cause:   err.Error(), Advice: store.RetryLater, Folder: folder, Since: now, Kind: store.Unexpected,
	}
	e, ours := errors.AsType[*link.Error](err)
	if ours {
		p.Kind = e.Kind()
	}
	if own, ok := errors.AsType[*Error](err); ok {
		p.Kind, p.Server = own.Kind, own.Server
		if own.Summary != "" {
			p.Summary = own.Summary
		}
	}
	d, described := errors.AsType[Describer](err)
	if described {
		d.Describe(p) // its kind counts for what follows
	}
	retry := Backoff(max(failures, 1), Hint(err))
	if ours {
		retry = ofServer(p, e, retry)
	}
	if described {
		d.Describe(p)
	}
	if p.Advice != store.RetryLater {
		p.Retry = time.Time{}
	} else if p.Retry.IsZero() {
		p.Retry = now.Add(retry)
	}
	return p
}

// ofServer takes over what a server's error says, and returns when to try again.
func ofServer(p *store.Problem, e *link.Error, retry time.Duration) time.Duration {
	p.Summary, p.Server, p.Host = e.Summary(), e.Side(), e.Host()
	switch {
	case p.Kind == store.OverQuota: // also of servers that say so in words only
		return QuotaRetry
	case e.OneAccount():
		return max(retry, inUseRetry)
	case e.Class == link.Fix:
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

// Hint is the server's own word on when to come back, 0 if it gave none.
func Hint(err error) time.Duration {
	if e, ok := errors.AsType[*link.Error](err); ok {
		return e.After
	}
	return 0
}

// Backoff is the pause before attempt failures+1, with a quarter of jitter so that accounts
// don't come back in step.
func Backoff(failures int, hint time.Duration) time.Duration {
	d := backoffLongest
	if failures < 10 {
		d = min(backoffFirst<<(failures-1), backoffLongest)
	}
	d = max(d, hint)
	return d + rand.N(d/4+1)
}
