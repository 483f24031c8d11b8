package proxy

import (
	"context"
	"slices"
	"sync"
	"time"

	"postferry/wire"
)

// maxFlow bounds the commands that are remembered until they are completed.
const maxFlow = 4096

// roomWait is how long a server may take over thousands of commands without
// completing one.
const roomWait = 30 * time.Second

// inFlight is a command the new server has been sent and has not completed.
type inFlight struct {
	tag  string
	verb wire.Verb
	// names are the folders of CREATE, DELETE and RENAME, as the client
	// spelled them.
	names  []string
	awaits bool // the server's "+" is awaited
	done   bool // completed
	lost   bool // its completion is not expected any more
	// release ends what was held for the command; nil for nothing.
	release func()
}

// flow is what the two directions of a relay have to know of each other. The
// client's side adds commands and waits, the server's side completes them.
type flow struct {
	mu      sync.Mutex
	cmds    []*inFlight
	holds   []*inFlight   // commands for which something is held
	changed chan struct{} // capacity 1; tells the client's side to look again
}

func newFlow() flow { return flow{changed: make(chan struct{}, 1)} }

// begin adds a command before any byte of it goes to the server. It waits when
// very many are under way.
func (f *flow) begin(ctx context.Context, tag string, verb wire.Verb) *inFlight {
	cmd := &inFlight{tag: tag, verb: verb, awaits: verb == wire.VerbIdle}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.cmds) >= maxFlow {
		f.mu.Unlock()
		f.room(ctx)
		f.mu.Lock()
	}
	f.cmds = append(f.cmds, cmd)
	return cmd
}

// name notes the folders of a command.
func (f *flow) name(cmd *inFlight, names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd.names = names
}

// held notes what is held for a command until it is completed, or the relay ends.
func (f *flow) held(cmd *inFlight, release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd.release = release
	f.holds = append(slices.DeleteFunc(f.holds, func(c *inFlight) bool { return c.done }), cmd)
}

// end releases what is still held.
func (f *flow) end() {
	f.mu.Lock()
	holds := f.holds
	f.holds = nil
	f.mu.Unlock()
	for _, cmd := range holds {
		cmd.release()
	}
}

// await notes that the server is to be asked for a literal of cmd.
func (f *flow) await(cmd *inFlight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd.awaits = true
}

// invited waits for the verdict on a literal: true if the server has asked
// for its data, false if it has completed the command instead.
func (f *flow) invited(ctx context.Context, cmd *inFlight) (bool, error) {
	err := f.wait(ctx, func() bool { return cmd.done || !cmd.awaits })
	f.mu.Lock()
	defer f.mu.Unlock()
	return !cmd.awaits && !cmd.done, err
}

// quiet waits until all commands but one (nil for none) are completed, for d at
// most. What is not completed by then is not waited for again: a server answers
// some nonsense without its tag.
func (f *flow) quiet(ctx context.Context, d time.Duration, but *inFlight) {
	others := func() bool {
		return !slices.ContainsFunc(f.cmds, func(cmd *inFlight) bool { return !cmd.lost && cmd != but })
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if f.wait(ctx, others) == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, cmd := range f.cmds {
		cmd.lost = cmd.lost || cmd != but
	}
}

// room waits for some commands to be completed, and forgets the oldest half
// if none is for long.
func (f *flow) room(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, roomWait)
	defer cancel()
	if f.wait(ctx, func() bool { return len(f.cmds) < maxFlow }) == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cmds = slices.Delete(f.cmds, 0, len(f.cmds)/2)
}

// wait waits until ok, which is called under the lock, or until ctx ends.
func (f *flow) wait(ctx context.Context, ok func() bool) error {
	for {
		f.mu.Lock()
		done := ok()
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-f.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// plus notes a "+" of the server: it answers the oldest command that awaits one.
func (f *flow) plus() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, cmd := range f.cmds {
		if cmd.awaits && !cmd.done {
			cmd.awaits = false
			return
		}
	}
}

// find returns the command that a tagged response completes, nil if none is known.
func (f *flow) find(tag []byte) *inFlight {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, cmd := range f.cmds {
		if !cmd.done && cmd.tag == string(tag) {
			return cmd
		}
	}
	return nil
}

// complete notes that a command is completed.
func (f *flow) complete(cmd *inFlight) {
	f.mu.Lock()
	cmd.done = true
	release := cmd.release
	f.mu.Unlock()
	if release != nil {
		release()
	}
}

// settle is called when the client has been sent what was noted: only then
// are completed commands out of the way.
func (f *flow) settle() {
	f.mu.Lock()
	open := f.cmds[:0]
	for _, cmd := range f.cmds {
		if !cmd.done {
			open = append(open, cmd)
		}
	}
	clear(f.cmds[len(open):])
	f.cmds = open
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}
