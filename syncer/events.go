package syncer

import (
	"sync"

	"postferry/report"
)

// eventRoom is how many ended passes a subscriber may be behind.
const eventRoom = 1024

// endings tells subscribers of passes. Nobody waits for a subscriber.
type endings struct {
	mu          sync.Mutex
	subscribers []*subscriber
}

type subscriber struct {
	c      chan report.PassEnded
	missed bool
}

func (d *endings) add(r *subscriber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subscribers = append(d.subscribers, r)
}

func (d *endings) remove(r *subscriber) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, known := range d.subscribers {
		if known == r {
			d.subscribers = append(d.subscribers[:i:i], d.subscribers[i+1:]...)
			close(r.c)
			return
		}
	}
}

func (d *endings) tell(p report.PassEnded) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.subscribers {
		r.tell(p)
	}
}

// tell keeps a place for the word that something was missed.
func (r *subscriber) tell(p report.PassEnded) {
	switch {
	case len(r.c) < cap(r.c)-1:
		r.missed = false
		r.c <- p
	case !r.missed:
		r.missed = true
		r.c <- report.PassEnded{Missed: true}
	}
}
