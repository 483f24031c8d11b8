package proxy

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	opens  string // the raw name of the folder of SELECT and EXAMINE
	hidden bool   // it is the relay's own
	awaits bool   // the server's "+" is awaited
	done   bool   // completed
	lost   bool   // its completion is not expected any more
	over   bool   // it has ended an IDLE, and the server took it for bad
	bad    bool   // the server seems to have refused it without its tag
	// instead is what came in the place of DONE; nil for nothing, and for other commands than IDLE.
	instead *inFlight
	// release ends what was held for the command; nil for nothing.
	release func()
}

// flow is what the two directions of a relay have to know of each other. The
// client's side adds commands and waits, the server's side completes them.
type flow struct {
	mu       sync.Mutex
	cmds     []*inFlight
	holds    []*inFlight              // commands for which something is held
	closed   bool                     // none begins any more
	open     string                   // the raw name of the folder that is open; "" for none, as far as is known
	changed  chan struct{}            // capacity 1; tells the client's side to look again
	nameless int                      // lines that the server answers without a tag, if at all
	hiding   atomic.Pointer[inFlight] // the relay's own command under way; nil for none
}

func newFlow() flow { return flow{changed: make(chan struct{}, 1)} }

// full tells whether begin would wait.
func (f *flow) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.cmds) >= maxFlow
}

// begin adds a command before any byte of it goes to the server; nil if none may begin any more.
// It waits when very many are under way.
func (f *flow) begin(ctx context.Context, tag string, verb wire.Verb) *inFlight {
	cmd := &inFlight{tag: tag, verb: verb, awaits: verb == wire.VerbIdle}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.cmds) >= maxFlow {
		f.cmds = slices.DeleteFunc(f.cmds, func(cmd *inFlight) bool { return cmd.lost })
	}
	if len(f.cmds) >= maxFlow {
		f.mu.Unlock()
		f.room(ctx)
		f.mu.Lock()
	}
	if f.closed {
		return nil
	}
	f.cmds = append(f.cmds, cmd)
	return cmd
}

// insteadOfDone notes that a client has sent a command where its IDLE (nil for none) was to be ended by DONE (RFC 9051
// section 6.3.13). A server that idles takes that for the end, and never completes the command.
func (f *flow) insteadOfDone(cmd, idle *inFlight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if cmd.lost = idle != nil && !idle.done && !idle.over; cmd.lost {
		idle.instead = cmd
	}
}

// passedOver returns the command that the end of cmd, an IDLE, shows not to be carried out; nil for none. An IDLE that is
// refused, without "+", shows nothing: what follows it is a command like any other. renames tells whether it is a RENAME that
// has been reported.
func (f *flow) passedOver(cmd *inFlight, ok bool) (over *inFlight, renames bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	over = cmd.instead
	switch {
	case over == nil || over.done:
		return nil, false
	case cmd.awaits:
		over.lost = false
		return nil, false
	}
	over.over = !ok
	return over, over.isReported()
}

// lost tells whether the completion of a command is not expected, and over whether it has ended an IDLE. cmd may be nil.
func (f *flow) lost(cmd *inFlight) (lost, over bool) {
	if cmd == nil {
		return false, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return cmd.lost, cmd.over
}

// name notes the folders of a command.
func (f *flow) name(cmd *inFlight, names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd.names = names
}

// settled waits until all commands but one are completed.
func (f *flow) settled(ctx context.Context, but *inFlight) bool {
	return f.wait(ctx, func() bool {
		return !slices.ContainsFunc(f.cmds, func(cmd *inFlight) bool { return !cmd.lost && cmd != but })
	}) == nil
}

// hide makes a command one of the relay's own, of whose answers the client hears nothing.
func (f *flow) hide(cmd *inFlight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd.hidden = true
	f.hiding.Store(cmd)
}

// opens notes the folder that a command opens.
func (f *flow) opens(cmd *inFlight, name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd.opens = name
}

// opened waits until no command is under way that opens, closes or renames a folder, and returns the
// one that is open.
func (f *flow) opened(ctx context.Context) (name string, open bool) {
	err := f.wait(ctx, func() bool {
		return !slices.ContainsFunc(f.cmds, func(cmd *inFlight) bool {
			return !cmd.done && !cmd.lost && (chooses(cmd.verb) || cmd.verb == wire.VerbRename)
		})
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open, err == nil && f.open != ""
}

// chooses reports whether a command opens or closes a folder.
func chooses(v wire.Verb) bool { return opens(v) || v == wire.VerbClose || v == wire.VerbUnselect }

// chosen takes over what a command has opened or closed. A SELECT that fails leaves none
// open (RFC 9051 section 6.3.2).
func (f *flow) chosen(cmd *inFlight, ok bool) {
	switch {
	case opens(cmd.verb) && ok:
		f.open = cmd.opens
	case chooses(cmd.verb) && (ok || opens(cmd.verb)):
		f.open = ""
	}
}

// renamed takes over a new raw name of the open folder, or of one that it may be below: which delimiter there is isn't known. INBOX stays
// what it is, with what is below it (RFC 9051 section 6.3.6).
func (f *flow) renamed(from, to string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	rest, is := strings.CutPrefix(f.open, from)
	if is && from != "INBOX" && (rest == "" || strings.IndexByte(delimiters, rest[0]) >= 0) {
		f.open = to + rest
	}
}

// delimiters are those that servers have.
const delimiters = `/.\^|:`

// closes reports whether no command is under way but IDLE, which ends whenever somebody wants.
// If so none begins any more: the new server does nothing that the client would not hear of.
func (f *flow) closes() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = f.closed || !slices.ContainsFunc(f.cmds, func(cmd *inFlight) bool { return !cmd.done && !cmd.lost && cmd.verb != wire.VerbIdle })
	return f.closed
}

// held notes what is held for a command until it is completed, or the relay ends.
func (f *flow) held(cmd *inFlight, release func()) {
	f.mu.Lock()
	cmd.release = release
	f.holds = append(slices.DeleteFunc(f.holds, func(c *inFlight) bool { return c.release == nil }), cmd)
	over := cmd.over
	f.mu.Unlock()
	if over {
		f.letGo(cmd)
	}
}

// end releases what is still held.
func (f *flow) end() {
	f.mu.Lock()
	holds := f.holds
	f.holds = nil
	f.mu.Unlock()
	for _, cmd := range holds {
		f.letGo(cmd)
	}
}

// await notes that the server is to be asked for a literal of cmd.
func (f *flow) await(cmd *inFlight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cmd.awaits = true
}

// invited waits for the verdict on a literal: true if the server has asked
// for its data, false if it has refused or completed the command instead, or the IDLE that ended by it.
func (f *flow) invited(ctx context.Context, cmd *inFlight) (bool, error) {
	err := f.wait(ctx, func() bool { return cmd.done || cmd.over || cmd.bad || !cmd.awaits })
	f.mu.Lock()
	defer f.mu.Unlock()
	return !cmd.awaits && !cmd.done, err
}

// quiet waits until all commands but some are completed, for d at
// most. What is not completed by then is not waited for again: a server answers
// some nonsense without its tag.
func (f *flow) quiet(ctx context.Context, d time.Duration, but ...*inFlight) {
	others := func() bool {
		return !slices.ContainsFunc(f.cmds, func(cmd *inFlight) bool { return !cmd.lost && !slices.Contains(but, cmd) })
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if f.wait(ctx, others) == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, cmd := range f.cmds {
		cmd.lost = cmd.lost || !slices.Contains(but, cmd)
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

// plus notes a "+" of the server: it answers the oldest command that awaits one, rather not one that seems to be refused.
func (f *flow) plus() {
	f.mu.Lock()
	defer f.mu.Unlock()
	var asked *inFlight
	for _, cmd := range f.cmds {
		if cmd.awaits && !cmd.done && !cmd.over && (asked == nil || asked.bad) {
			asked = cmd
		}
	}
	if asked != nil {
		asked.awaits = false
	}
}

// unnamed notes a line that a server could answer without a tag only.
func (f *flow) unnamed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nameless++
}

// refused notes an untagged BAD. Servers answer so to lines without a tag, and to those whose tag they don't like, as Dovecot
// does to one with "]": such a command, which it returns, is not completed; nil for none. renames tells whether it is a RENAME that
// has been reported.
func (f *flow) refused() (cmd *inFlight, renames bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nameless > 0 {
		f.nameless--
		return nil, false
	}
	for _, cmd := range f.cmds {
		if !cmd.done && !cmd.lost && !cmd.hidden && cmd.verb != wire.VerbIdle {
			cmd.lost, cmd.bad = true, true
			return cmd, cmd.isReported()
		}
	}
	return nil, false
}

// isReported tells whether it is a RENAME that has been reported. The caller holds the lock of its flow.
func (cmd *inFlight) isReported() bool { return cmd.verb == wire.VerbRename && len(cmd.names) > 0 }

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

// complete notes that a command is completed, and how.
func (f *flow) complete(cmd *inFlight, ok bool) {
	f.mu.Lock()
	f.chosen(cmd, ok)
	if cmd.hidden {
		f.hiding.Store(nil)
	}
	cmd.done = true
	f.mu.Unlock()
	f.letGo(cmd)
}

// letGo ends what was held for a command.
func (f *flow) letGo(cmd *inFlight) {
	f.mu.Lock()
	release := cmd.release
	cmd.release = nil
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
