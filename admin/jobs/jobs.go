// Package jobs runs what takes long, once at a time for a domain: bounded for each who asks, so that nobody keeps others
// out, ended with what runs it, the newest result of each kind kept until the next one begins. In memory only.
//
// It must not know what the jobs do.
package jobs

import (
	"context"
	"errors"
	"sync"
	"time"

	"postferry/admin/access"
)

const (
	// maxJobsEach, maxJobs and maxJobsAll bound the jobs that run at a time: of a
	// domain's people and programs, of all domains', of those who look after everything.
	maxJobsEach, maxJobs, maxJobsAll = 2, 16, 8

	stateRunning   = "running"
	stateDone      = "done"
	stateCancelled = "cancelled"
	stateFailed    = "failed"
)

// Progress says how far a job is.
type Progress struct {
	State   string     `json:"state"` // running, done, cancelled, failed
	By      string     `json:"by"`
	Started time.Time  `json:"started"`
	Ended   *time.Time `json:"ended"`
	// Accounts is how many it is about, Done how many of these it is through with.
	Accounts int    `json:"accounts"`
	Done     int    `json:"done"`
	Error    string `json:"error,omitempty"` // why it failed
	// Why is the same for the page, which says it in its own words.
	Why *access.Refusal `json:"-"`
}

// Job is something long that is done once at a time for a domain. Its result is
// kept until the next one of its kind begins.
type Job[R any] struct {
	mu      sync.Mutex
	view    Progress
	result  R
	cancel  context.CancelFunc // nil before it has begun
	stopped bool
}

// began tells the job how it can be cancelled; false if it was already.
func (j *Job[R]) began(cancel context.CancelFunc) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cancel = cancel
	return !j.stopped
}

// stop cancels the job.
func (j *Job[R]) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stopped = true
	if j.cancel != nil {
		j.cancel()
	}
}

// Change changes how far the job is, or its result.
func (j *Job[R]) Change(fn func(view *Progress, result *R)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fn(&j.view, &j.result)
}

// end notes how the job ended.
func (j *Job[R]) end(now time.Time, err error) {
	j.Change(func(v *Progress, _ *R) {
		v.Ended = &now
		switch {
		case err == nil:
			v.State = stateDone
		case errors.Is(err, context.Canceled):
			v.State = stateCancelled
		default:
			v.State, v.Why = stateFailed, access.AsRefusal(err)
			v.Error = v.Why.Detail
		}
	})
}

// Runner runs jobs. Whoever is in Run waits for all of them.
type Runner struct {
	starts chan func(context.Context)
	places *access.Places
	ended  chan struct{}
}

// NewRunner makes one.
func NewRunner() *Runner {
	return &Runner{starts: make(chan func(context.Context)), places: access.NewPlaces(maxJobsEach, maxJobs, maxJobsAll), ended: make(chan struct{})}
}

// Run runs jobs until ctx ends and all of them have.
func (j *Runner) Run(ctx context.Context) {
	defer close(j.ended)
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case start := <-j.starts:
			all.Go(func() { start(ctx) })
		case <-ctx.Done():
			return
		}
	}
}

// start hands a job over to Run, if there is a place for it.
func (j *Runner) start(ctx context.Context, scope string, fn func(context.Context)) error {
	err := j.StartIn(ctx, j.places, scope, fn)
	if errors.Is(err, ErrNoPlace) {
		return access.Busy("too_many_jobs", "Other checks and verifications are running. Try again when one has ended.", time.Minute)
	}
	return err
}

// ErrNoPlace is for a job that there is no place for.
var ErrNoPlace = errors.New("no place")

// StartIn is start with other places.
func (j *Runner) StartIn(ctx context.Context, places *access.Places, scope string, fn func(context.Context)) error {
	if !places.Take(scope, 1) {
		return ErrNoPlace
	}
	placed := func(ctx context.Context) {
		defer places.Leave(scope, 1)
		fn(ctx)
	}
	select {
	case j.starts <- placed:
		return nil
	case <-j.ended:
	case <-ctx.Done():
	}
	places.Leave(scope, 1)
	return context.Canceled
}

// Shelf has the jobs of one kind, by domain.
type Shelf[R any] struct {
	mu       sync.Mutex
	byDomain map[string]*Job[R]
}

// NewShelf makes an empty one.
func NewShelf[R any]() *Shelf[R] { return &Shelf[R]{byDomain: map[string]*Job[R]{}} }

// Get is the newest job of a domain; nil if there was none.
func (s *Shelf[R]) Get(domain string) *Job[R] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byDomain[domain]
}

// begin makes a domain's next job, unless one is running.
func (s *Shelf[R]) begin(domain string, view Progress) (*Job[R], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byDomain[domain]; old != nil {
		running := false
		old.Change(func(v *Progress, _ *R) { running = v.State == stateRunning })
		if running {
			return nil, access.Conflict("job_running", "This is going on already. Wait for it, or cancel it first.")
		}
	}
	view.State = stateRunning
	j := &Job[R]{view: view}
	s.byDomain[domain] = j
	return j, nil
}

// Drop forgets a domain's newest job, and ends it if it runs.
func (s *Shelf[R]) Drop(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.byDomain[domain]; j != nil {
		j.stop()
	}
	delete(s.byDomain, domain)
}

// Start makes a domain's next job and lets it run.
func Start[R any](ctx context.Context, jobs *Runner, who access.Actor, shelf *Shelf[R], domain string, view Progress, do func(context.Context, *Job[R]) error) error {
	j, err := shelf.begin(domain, view)
	if err != nil {
		return err
	}
	err = jobs.start(ctx, who.Scope, func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		if !j.began(cancel) {
			cancel()
		}
		err := do(ctx, j)
		j.end(time.Now(), err)
	})
	if err != nil {
		shelf.Drop(domain)
	}
	return err
}

// Cancel ends a domain's job.
func Cancel[R any](ctx context.Context, audit *access.Audit, who access.Actor, shelf *Shelf[R], domain, action string) error {
	j := shelf.Get(domain)
	if j == nil {
		return access.NotFound("job")
	}
	j.stop()
	return audit.Note(ctx, who, action, access.About{Domain: domain})
}
