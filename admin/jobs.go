package admin

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

	jobRunning   = "running"
	jobDone      = "done"
	jobCancelled = "cancelled"
	jobFailed    = "failed"
)

// JobView says how far a job is.
type JobView struct {
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

// job is something long that is done once at a time for a domain. Its result is
// kept until the next one of its kind begins.
type job[R any] struct {
	mu      sync.Mutex
	view    JobView
	result  R
	cancel  context.CancelFunc // nil before it has begun
	stopped bool
}

// began tells the job how it can be cancelled; false if it was already.
func (j *job[R]) began(cancel context.CancelFunc) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cancel = cancel
	return !j.stopped
}

// stop cancels the job.
func (j *job[R]) stop() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stopped = true
	if j.cancel != nil {
		j.cancel()
	}
}

// change changes how far the job is, or its result.
func (j *job[R]) change(fn func(view *JobView, result *R)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fn(&j.view, &j.result)
}

// end notes how the job ended.
func (j *job[R]) end(now time.Time, err error) {
	j.change(func(v *JobView, _ *R) {
		v.Ended = &now
		switch {
		case err == nil:
			v.State = jobDone
		case errors.Is(err, context.Canceled):
			v.State = jobCancelled
		default:
			v.State, v.Why = jobFailed, access.AsRefusal(err)
			v.Error = v.Why.Detail
		}
	})
}

// jobs runs jobs. Whoever is in run waits for all of them.
type jobs struct {
	starts chan func(context.Context)
	places *Places
	now    func() time.Time
	ended  chan struct{}
}

func newJobs(now func() time.Time) *jobs {
	return &jobs{starts: make(chan func(context.Context)), now: now, places: NewPlaces(maxJobsEach, maxJobs, maxJobsAll), ended: make(chan struct{})}
}

// run runs jobs until ctx ends and all of them have.
func (j *jobs) run(ctx context.Context) {
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

// start hands a job over to run, if there is a place for it.
func (j *jobs) start(ctx context.Context, scope string, fn func(context.Context)) error {
	err := j.startIn(ctx, j.places, scope, fn)
	if errors.Is(err, errNoPlace) {
		return access.Busy("too_many_jobs", "Other checks and verifications are running. Try again when one has ended.", time.Minute)
	}
	return err
}

// errNoPlace is for a job that there is no place for.
var errNoPlace = errors.New("no place")

// startIn is start with other places.
func (j *jobs) startIn(ctx context.Context, places *Places, scope string, fn func(context.Context)) error {
	if !places.Take(scope, 1) {
		return errNoPlace
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

// board of jobs of one kind, by domain.
type jobShelf[R any] struct {
	mu       sync.Mutex
	byDomain map[string]*job[R]
}

func newJobShelf[R any]() *jobShelf[R] { return &jobShelf[R]{byDomain: map[string]*job[R]{}} }

// get is the newest job of a domain; nil if there was none.
func (s *jobShelf[R]) get(domain string) *job[R] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byDomain[domain]
}

// begin makes a domain's next job, unless one is running.
func (s *jobShelf[R]) begin(domain string, view JobView) (*job[R], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.byDomain[domain]; old != nil {
		running := false
		old.change(func(v *JobView, _ *R) { running = v.State == jobRunning })
		if running {
			return nil, access.Conflict("job_running", "This is going on already. Wait for it, or cancel it first.")
		}
	}
	view.State = jobRunning
	j := &job[R]{view: view}
	s.byDomain[domain] = j
	return j, nil
}

// drop forgets a domain's newest job, and ends it if it runs.
func (s *jobShelf[R]) drop(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.byDomain[domain]; j != nil {
		j.stop()
	}
	delete(s.byDomain, domain)
}

// startJob makes a domain's next job and lets it run.
func startJob[R any](ctx context.Context, jobs *jobs, who access.Actor, shelf *jobShelf[R], domain string, view JobView, do func(context.Context, *job[R]) error) error {
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
		j.end(jobs.now(), do(ctx, j))
	})
	if err != nil {
		shelf.drop(domain)
	}
	return err
}

// cancelJob ends a domain's job.
func cancelJob[R any](ctx context.Context, audit *access.Audit, who access.Actor, shelf *jobShelf[R], domain, action string) error {
	j := shelf.get(domain)
	if j == nil {
		return access.NotFound("job")
	}
	j.stop()
	return audit.Note(ctx, who, action, access.About{Domain: domain})
}
