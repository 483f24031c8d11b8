package lab

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"postferry/internal/lab/loopback"
)

// FaultKind is what goes wrong.
type FaultKind int

const (
	// NoFault lets everything through.
	NoFault FaultKind = iota
	// Cut ends the connection with FIN both ways after At octets: the receiver
	// gets those and then the end of the stream.
	Cut
	// Reset ends the connection with RST both ways after At octets. What the
	// receiver hasn't taken from its system by then may be lost to it.
	Reset
	// Stall stops this direction after At octets; the connection stays open.
	Stall
	// Corrupt changes the octet at offset At.
	Corrupt
)

// Fault is what goes wrong in one direction of a connection.
type Fault struct {
	Kind FaultKind
	At   int64 // octets of this direction
	Mask byte  // Corrupt: bits to flip; 0 for all
}

// Plan is what goes wrong on one connection.
type Plan struct {
	ToServer, ToClient Fault
}

// Faulty is a line to a server that breaks where it is told to.
type Faulty struct {
	// Addr is where clients connect, host:port.
	Addr string

	tb       testing.TB
	relay    *loopback.Server
	target   string
	plan     func(conn int) Plan
	hang     *gate // shut: nothing moves
	greeting *gate // shut: new connections get the first line and no more
	quota    quota // how much may still go to the server

	toServer, toClient, strikes atomic.Int64
}

// FaultLine starts a line to target (host:port). plan says what happens to
// each connection, counted from 0; it may be called by several goroutines at
// once. nil: nothing happens by itself.
func FaultLine(tb testing.TB, target string, plan func(conn int) Plan) *Faulty {
	tb.Helper()
	return FaultLineAt(tb, loopback.Address, target, plan)
}

// FaultLineAt is FaultLine at another loopback address, such as 127.0.0.2: the
// server behind it then seems to be another machine than those at 127.0.0.1.
func FaultLineAt(tb testing.TB, host, target string, plan func(conn int) Plan) *Faulty {
	tb.Helper()
	if plan == nil {
		plan = func(int) Plan { return Plan{} }
	}
	f := &Faulty{tb: tb, target: target, plan: plan, hang: newGate(), greeting: newGate()}
	f.relay = loopback.NewServerAt(tb, host, f.serve)
	f.relay.Start()
	f.Addr = f.relay.Addr
	return f
}

// CutAll resets every open connection now; new ones are let through.
func (f *Faulty) CutAll() { f.relay.ResetAll() }

// Refuse makes the system refuse new connections, or lets them through again
// at the same address. Open ones go on.
func (f *Faulty) Refuse(on bool) {
	f.tb.Helper()
	if err := f.relay.Refuse(on); err != nil {
		f.tb.Fatalf("lab: fault line: %v", err)
	}
}

// Hang stops all traffic: new connections are accepted and hear nothing, open
// ones fall silent. Afterwards everything goes on where it stopped.
func (f *Faulty) Hang(on bool) { f.hang.shut(on) }

// HangAfterGreeting makes connections from now on fall silent after the
// server's first line, until it is lifted.
func (f *Faulty) HangAfterGreeting(on bool) { f.greeting.shut(on) }

// Bytes counts the octets let through in each direction over all connections.
func (f *Faulty) Bytes() (toServer, toClient int64) { return f.toServer.Load(), f.toClient.Load() }

// Strikes counts the connections that Cut, Reset and Stall of the plan have met so far.
func (f *Faulty) Strikes() int { return int(f.strikes.Load()) }

// Connections counts the connections accepted so far.
func (f *Faulty) Connections() int {
	return f.relay.Accepted()
}

func (f *Faulty) serve(ctx context.Context, client *net.TCPConn, number int) {
	plan := f.plan(number)
	silent := f.greeting.isShut()
	if f.hang.wait(ctx) != nil {
		return
	}
	server, err := f.relay.Dial(ctx, f.target)
	if err != nil {
		loopback.Reset(client) // too late to refuse the connection
		return
	}
	defer f.relay.Untrack(server)
	var cut atomic.Bool
	there := &pump{line: f, src: client, dst: server, fault: plan.ToServer, count: &f.toServer, quota: &f.quota, cut: &cut}
	back := &pump{line: f, src: server, dst: client, fault: plan.ToClient, count: &f.toClient, quota: new(quota), cut: &cut}
	if silent {
		there.gate, back.gate = f.greeting, f.greeting
		back.firstLine = true
	}
	var wg sync.WaitGroup
	wg.Go(func() { there.run(ctx) })
	wg.Go(func() { back.run(ctx) })
	wg.Wait()
}

// pump moves one direction of a connection.
type pump struct {
	line      *Faulty
	src, dst  *net.TCPConn
	fault     Fault
	count     *atomic.Int64
	quota     *quota
	gate      *gate        // nil, or the gate to stop at besides the line's
	firstLine bool         // that gate applies only after the first line
	cut       *atomic.Bool // one of the connection's pumps said FIN both ways
	at        int64        // octets moved
}

func (p *pump) run(ctx context.Context) {
	if p.due() {
		p.strike(ctx)
		return
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := p.src.Read(buf)
		struck, failed := p.forward(ctx, buf[:n])
		switch {
		case struck:
			p.strike(ctx)
			return
		case p.cut.Load():
			p.drain()
			return
		case failed != nil:
			loopback.Reset(p.src)
			return
		}
		if errors.Is(err, io.EOF) {
			_ = p.dst.CloseWrite() // the other end may be gone already
			return
		}
		if err != nil {
			loopback.Reset(p.dst)
			return
		}
	}
}

// forward lets data through as far as the fault allows; struck once that is reached.
func (p *pump) forward(ctx context.Context, data []byte) (struck bool, failed error) {
	for len(data) > 0 && !struck && failed == nil {
		part := data
		if err := p.pass(ctx); err != nil {
			return false, err
		}
		if p.firstLine {
			part = p.untilLineEnd(data)
		}
		if p.stops() && p.at+int64(len(part)) > p.fault.At {
			part = part[:p.fault.At-p.at]
		}
		allowed, through, err := p.quota.take(ctx, len(part))
		if err == nil {
			err = p.line.hang.wait(ctx)
		}
		if err != nil {
			return false, err
		}
		part = part[:allowed]
		data = data[len(part):]
		p.corrupt(part)
		_, failed = p.dst.Write(part)
		p.at += int64(len(part))
		p.count.Add(int64(len(part)))
		through()
		struck = p.due()
	}
	return struck, failed
}

// pass waits at the connection's own gate.
func (p *pump) pass(ctx context.Context) error {
	if p.gate == nil || p.firstLine {
		return nil
	}
	return p.gate.wait(ctx)
}

func (p *pump) untilLineEnd(data []byte) []byte {
	end := bytes.IndexByte(data, '\n')
	if end < 0 {
		return data
	}
	p.firstLine = false
	return data[:end+1]
}

func (p *pump) corrupt(part []byte) {
	if i := p.fault.At - p.at; p.fault.Kind == Corrupt && i >= 0 && i < int64(len(part)) {
		mask := p.fault.Mask
		if mask == 0 {
			mask = 0xff
		}
		part[i] ^= mask
	}
}

// stops reports whether the fault ends this direction.
func (p *pump) stops() bool { return p.fault.Kind != NoFault && p.fault.Kind != Corrupt }

func (p *pump) due() bool { return p.stops() && p.at >= p.fault.At }

// strike does what the plan says once its octet is reached.
func (p *pump) strike(ctx context.Context) {
	p.line.strikes.Add(1)
	switch p.fault.Kind {
	case Stall:
		<-ctx.Done()
	case Reset:
		loopback.Reset(p.dst)
		loopback.Reset(p.src)
	case Cut:
		// A close with octets unread would send RST, and the receiver might
		// lose what it was just sent: say FIN and drain.
		p.cut.Store(true)
		_ = p.dst.CloseWrite() // fails only if the end is closed already
		_ = p.src.CloseWrite()
		p.drain()
	}
}

// drain discards what the sender still has to say; it ends when that or the
// line closes.
func (p *pump) drain() { _, _ = io.Copy(io.Discard, p.src) }

// gate is something to wait at while it is shut.
type gate struct {
	mu   sync.Mutex
	open chan struct{} // closed while the gate is open
}

func newGate() *gate {
	g := &gate{open: make(chan struct{})}
	close(g.open)
	return g
}

func (g *gate) shut(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		if on {
			g.open = make(chan struct{})
		}
	default:
		if !on {
			close(g.open)
		}
	}
}

func (g *gate) isShut() bool {
	select {
	case <-g.current():
		return false
	default:
		return true
	}
}

func (g *gate) wait(ctx context.Context) error {
	select {
	case <-g.current():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (g *gate) current() chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}
