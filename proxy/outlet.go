package proxy

import (
	"compress/flate"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// errLastWord: the client has been told BYE and gets nothing more.
var errLastWord = errors.New("said goodbye")

// outlet is the one way to the client. The server's responses pass through it
// in pieces; what the proxy has to say itself is put between two responses. Its
// lock is held while the client is written to, and is nobody else's.
type outlet struct {
	conn     net.Conn
	patience time.Duration // for one write
	sum      *atomic.Int64 // of what all have been sent

	hurried atomic.Bool // no more patience than hurry gave
	queuing atomic.Bool // something waits for the end of a response

	mu      sync.Mutex
	renewed time.Time // when the deadline was set
	mid     bool      // a response has been passed in part
	queue   []byte
	after   []byte        // what is queued behind next
	next    *flate.Writer // what is written through once the queue has gone
	deflate *flate.Writer // what is written through; nil for the connection itself
	last    bool          // the queue ends with BYE
	closed  bool          // BYE has been sent
	sent    int64
}

// pass sends a piece of the server's responses; mid tells whether it ends
// within one.
func (o *outlet) pass(p []byte, mid bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errLastWord
	}
	if len(p) > 0 {
		if err := o.write(p); err != nil {
			return err
		}
		o.mid = mid
	}
	return o.flush()
}

// inject sends a whole response of the proxy's own at the next boundary.
func (o *outlet) inject(response string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.last {
		return errLastWord
	}
	o.enqueue(response)
	return o.flush()
}

// enqueue queues a response, behind the beginning of the compression if that is due.
func (o *outlet) enqueue(response string) {
	if o.next != nil {
		o.after = append(o.after, response...)
		return
	}
	o.queue = append(o.queue, response...)
}

// bye is inject with a response after which nothing may follow.
func (o *outlet) bye(response string) (said bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || o.last {
		return o.closed
	}
	o.enqueue(response)
	o.last = true
	err := o.flush()
	return errors.Is(err, errLastWord)
}

// flush sends what is queued if the stream is between two responses.
func (o *outlet) flush() error {
	if o.mid || len(o.queue) == 0 {
		o.queuing.Store(len(o.queue) > 0)
		return nil
	}
	queue := o.queue
	o.queue = nil
	o.queuing.Store(false)
	if err := o.write(queue); err != nil {
		return err
	}
	if o.next != nil {
		o.deflate, o.next, o.queue, o.after = o.next, nil, o.after, nil
		return o.flush()
	}
	if o.last {
		o.closed = true
		return errLastWord
	}
	return nil
}

func (o *outlet) write(p []byte) error {
	if now := time.Now(); !o.hurried.Load() && now.Sub(o.renewed) > o.patience/16 {
		o.renewed = now // not with each write: that costs as much as a small one
		o.conn.SetWriteDeadline(now.Add(o.patience))
		if o.hurried.Load() { // hurry came in between and was undone
			o.conn.SetWriteDeadline(time.Now().Add(time.Second))
		}
	}
	n, err := o.put(p)
	o.sent += int64(n)
	o.sum.Add(int64(n))
	return err
}

// hurry gives the write under way and all later ones d in all.
func (o *outlet) hurry(d time.Duration) {
	o.hurried.Store(true)
	o.conn.SetWriteDeadline(time.Now().Add(d))
}

// state reports whether the stream ends within a response, and how many
// octets it has taken.
func (o *outlet) state() (mid bool, sent int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.mid, o.sent
}
