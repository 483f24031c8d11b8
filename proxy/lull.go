package proxy

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// lullAfter is for how long a direction waits for more on the goroutine that has just passed something on.
// One that waits longer goes on with a fresh one: TLS has made the stack of the other one grow. To begin
// one for each command of a conversation costs more than relaying it.
const lullAfter = 100 * time.Millisecond

// errLull: nothing has come for a while, nor has it ended.
var errLull = errors.New("nothing has come for a while")

// readDeadline is that of a socket: of two, one that is to end reading, and one that only ends a wait
// which shall not last. Of these the connection has the earlier one.
type readDeadline struct {
	conn net.Conn
	mu   sync.Mutex
	end  time.Time // zero for none
	lull time.Time // zero if the connection doesn't have it
}

// set takes over a deadline that ends reading.
func (d *readDeadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.end, d.lull = t, time.Time{}
	return d.conn.SetReadDeadline(t)
}

// limit has a wait end after a while, if it is not to last. Not for each wait anew: that costs as much as
// reading a small command.
func (d *readDeadline) limit(lasting bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if lasting {
		return d.lift()
	}
	now := time.Now()
	if d.lull.Sub(now) > lullAfter/2 {
		return nil
	}
	lull := now.Add(lullAfter)
	if !d.end.IsZero() && d.end.Before(lull) {
		return d.lift()
	}
	d.lull = lull
	return d.conn.SetReadDeadline(lull)
}

// lift has a wait last to the end. The caller holds the lock.
func (d *readDeadline) lift() error {
	if d.lull.IsZero() {
		return nil
	}
	d.lull = time.Time{}
	return d.conn.SetReadDeadline(d.end)
}

// lulled tells whether an attempt to read has failed only because of the deadline for waits.
func (d *readDeadline) lulled(err error) bool {
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.lull.IsZero()
}

// SetReadDeadline implements net.Conn.
func (l *socket) SetReadDeadline(t time.Time) error { return l.deadline.set(t) }

// SetDeadline implements net.Conn.
func (l *socket) SetDeadline(t time.Time) error {
	return errors.Join(l.deadline.set(t), l.Conn.SetWriteDeadline(t))
}

// wait returns when there is something to read, or an error: errLull if nothing has come for a while and it
// shall not last.
func (l *socket) wait(lasting bool) error {
	if len(l.ahead) > 0 {
		return nil
	}
	err := l.deadline.limit(lasting)
	if err != nil {
		return err
	}
	err = l.raw.Read(l.await)
	switch {
	case err == nil:
		return l.err
	case l.deadline.lulled(err):
		return errLull
	}
	return err
}

// readNow reads what there is.
func (l *socket) readNow() error {
	err := l.raw.Read(l.try)
	if l.deadline.lulled(err) {
		if err = l.deadline.limit(true); err == nil {
			err = l.raw.Read(l.try)
		}
	}
	if err != nil {
		return err
	}
	return l.err
}
