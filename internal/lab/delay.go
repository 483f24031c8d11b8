package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postferry/internal/lab/loopback"
)

// Delay is a long line to a server: every octet arrives one delay later, as
// many at a time as the ends can handle.
type Delay struct {
	// Addr is where clients connect, host:port.
	Addr string

	relay  *loopback.Server
	target string
	delay  atomic.Int64 // time.Duration, one way
}

// chunk is what was read at once. The last one of a direction has no data.
type chunk struct {
	due   time.Time
	data  []byte
	reset bool // the sender was cut, not done
}

const (
	chunkSize  = 64 << 10 // octets read at once
	chunkQueue = 4096     // chunks under way in one direction: no limit in practice
)

// DelayLine starts a line to target (host:port) that takes oneWay in each
// direction. What a client sends or receives first is late by the handshake
// too, 1.5 round trips, although its connect call returns at once.
func DelayLine(tb testing.TB, target string, oneWay time.Duration) *Delay {
	tb.Helper()
	d := &Delay{target: target}
	d.Set(oneWay)
	d.relay = loopback.NewServer(tb, d.serve)
	d.relay.Start()
	d.Addr = d.relay.Addr
	return d
}

// Set changes the delay for what is sent from now on.
func (d *Delay) Set(oneWay time.Duration) { d.delay.Store(int64(oneWay)) }

func (d *Delay) oneWay() time.Duration { return time.Duration(d.delay.Load()) }

func (d *Delay) serve(ctx context.Context, client *net.TCPConn, _ int) {
	toServer := make(chan chunk, chunkQueue)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	connected := time.Now().Add(3 * d.oneWay())
	wg.Go(func() { d.read(ctx, client, toServer) })
	defer client.Close() // lets read end
	if !sleep(ctx, connected) {
		return
	}
	server, err := d.relay.Dial(ctx, d.target)
	if err != nil {
		loopback.Reset(client) // too late to refuse the connection
		return
	}
	defer d.relay.Untrack(server)
	toClient := make(chan chunk, chunkQueue)
	wg.Go(func() { d.read(ctx, server, toClient) })
	var writers sync.WaitGroup
	writers.Go(func() { write(ctx, server, toServer) })
	writers.Go(func() { write(ctx, client, toClient) })
	writers.Wait()
}

// read queues what arrives, with the time it is due at the other end.
func (d *Delay) read(ctx context.Context, src *net.TCPConn, queue chan<- chunk) {
	defer close(queue)
	for {
		buf := make([]byte, chunkSize)
		n, err := src.Read(buf)
		due := time.Now().Add(d.oneWay())
		if n > 0 {
			if n < chunkSize/2 {
				buf = append([]byte(nil), buf[:n]...) // don't hold 64 KB for a line
			}
			if !send(ctx, queue, chunk{due: due, data: buf[:n]}) {
				return
			}
		}
		if err != nil {
			send(ctx, queue, chunk{due: due, reset: !errors.Is(err, io.EOF)})
			return
		}
	}
}

func send(ctx context.Context, queue chan<- chunk, c chunk) bool {
	select {
	case queue <- c:
		return true
	case <-ctx.Done():
		return false
	}
}

// write releases what is due, and the end of the stream as it came.
func write(ctx context.Context, dst *net.TCPConn, queue <-chan chunk) {
	for c := range queue {
		if !sleep(ctx, c.due) {
			return
		}
		if c.reset {
			loopback.Reset(dst)
			return
		}
		if len(c.data) == 0 {
			_ = dst.CloseWrite() // the other end may be gone already
			return
		}
		if _, err := dst.Write(c.data); err != nil {
			loopback.Reset(dst)
			return
		}
	}
}

// sleep waits until t; false if ctx ended first.
func sleep(ctx context.Context, t time.Time) bool {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
