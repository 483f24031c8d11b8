package admission

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

var (
	// ErrCrowded: so many logins wait for the new server that another one would not get its turn.
	ErrCrowded = errors.New("too many logins wait for the new server")
	// ErrTurn: the new server is so slow that a login did not get its turn in time.
	ErrTurn = errors.New("the new server was busy with other logins for as long as a client waits")
)

// Queue bounds the logins that are tried at a new server at the same time, for each
// domain. The others wait for their turns, and so do not make it slower than it is. Every login
// name has a turn before another one has a second, so that a program that opens many connections
// does not keep others out.
type Queue struct {
	each int // logins of a domain that may wait
	all  int // logins of all domains that may wait

	mu      sync.Mutex
	waiting int
	domains map[string]*turns
}

// turns are the logins of a domain.
type turns struct {
	limit   int // logins at the same time
	busy    int // logins under way
	waiting int
	next    *list.List // of *line: whose turn comes next
	lines   map[string]*list.Element
}

// line is who waits with one login name, each with a channel that is closed when its turn has come.
type line struct {
	login   string
	waiting []chan struct{}
}

// NewQueue makes a queue that leaves most of the connections to those who have logged
// in, and to other domains.
func NewQueue(connections int) *Queue {
	each := max(connections/4, 8)
	return &Queue{each: each, all: 2 * each, domains: map[string]*turns{}}
}

// Enter waits for a login's turn, of limit at the same time. leave ends the turn and may be
// called again. Before it has to wait it calls waits, which may call gone to end that, and
// whose result is called when it is over.
func (q *Queue) Enter(ctx context.Context, domain string, limit int, login string, waits func(gone func()) (over func())) (leave func(), err error) {
	leave = sync.OnceFunc(func() { q.leave(domain) })
	turn, err := q.line(domain, limit, login)
	if turn == nil {
		return leave, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer waits(cancel)()
	select {
	case <-turn:
		return leave, nil
	case <-ctx.Done():
		q.abandon(domain, login, turn)
		return nil, ErrTurn
	}
}

// line gives a login its turn, or queues it: then turn is what it waits for.
func (q *Queue) line(domain string, limit int, login string) (turn chan struct{}, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.domains[domain]
	if t == nil {
		t = &turns{next: list.New(), lines: map[string]*list.Element{}}
		q.domains[domain] = t
	}
	t.limit = limit
	if t.waiting == 0 && t.busy < t.limit {
		t.busy++
		return nil, nil
	}
	if t.waiting >= q.each || q.waiting >= q.all {
		return nil, ErrCrowded
	}
	turn = make(chan struct{})
	t.add(login, turn)
	q.waiting++
	q.grant(domain, t) // the limit may have been raised
	return turn, nil
}

func (t *turns) add(login string, turn chan struct{}) {
	e := t.lines[login]
	if e == nil {
		e = t.next.PushBack(&line{login: login})
		t.lines[login] = e
	}
	l := e.Value.(*line)
	l.waiting = append(l.waiting, turn)
	t.waiting++
}

// leave ends a turn.
func (q *Queue) leave(domain string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.domains[domain]
	t.busy--
	q.grant(domain, t)
}

// grant gives the turns that are free. The caller holds the lock.
func (q *Queue) grant(domain string, t *turns) {
	for t.waiting > 0 && t.busy < t.limit {
		e := t.next.Front()
		l := e.Value.(*line)
		turn := l.waiting[0]
		t.next.MoveToBack(e)
		q.remove(t, e, 0)
		t.busy++
		close(turn)
	}
	if t.busy+t.waiting == 0 {
		delete(q.domains, domain)
	}
}

// remove takes one out of a line.
func (q *Queue) remove(t *turns, e *list.Element, i int) {
	l := e.Value.(*line)
	l.waiting = append(l.waiting[:i:i], l.waiting[i+1:]...)
	if len(l.waiting) == 0 {
		t.next.Remove(e)
		delete(t.lines, l.login)
	}
	t.waiting--
	q.waiting--
}

// abandon takes a login out of the queue, or ends the turn that came meanwhile.
func (q *Queue) abandon(domain, login string, turn chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	t := q.domains[domain]
	select {
	case <-turn:
		t.busy--
	default:
		e := t.lines[login]
		for i, other := range e.Value.(*line).waiting {
			if other == turn {
				q.remove(t, e, i)
				break
			}
		}
	}
	q.grant(domain, t)
}

// Counts are how many logins are under way, and how many wait.
func (q *Queue) Counts() (busy, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, t := range q.domains {
		busy += t.busy
	}
	return busy, q.waiting
}
