package job

import (
	"context"
	"errors"
	"io"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// Event is what the reader hands to the writer, in the order of the old folder.
type Event interface{ isEvent() }

// Outgoing is a message to be appended to the new folder. Either its body is held in memory, or it
// is streamed from the old server.
type Outgoing struct {
	Msg      upstream.Message
	Key      store.Key
	Intent   store.Intent
	Body     []byte
	Held     int64 // octets of the memory budget that the writer gives back
	Stream   *source
	Streamed chan error // told when the stream has been read, or will not be
}

// Quarantined is a message that goes to quarantine without being sent.
type Quarantined struct{ *store.Quarantined }

// Reached is how far the old folder is dealt with, once all before it is.
type Reached struct{ *store.Checkpoint }

// Shown says that once all before it is on the new server, the folder is worth showing, or the hits of a
// client's search are.
type Shown struct{ Search *ClientSearch } // nil for whoever opens the folder

// Keywords says that messages with keywords follow.
type Keywords struct{}

// Asking is what the reader wants to be asked of the new server, whose session is the writer's.
type Asking struct {
	Ask  func(context.Context) error
	Done chan error
}

func (*Outgoing) isEvent()   {}
func (Quarantined) isEvent() {}
func (Reached) isEvent()     {}
func (Shown) isEvent()       {}
func (Keywords) isEvent()    {}
func (*Asking) isEvent()     {}

// source is a body that the writer reads from the old server's connection.
type source struct {
	r     io.Reader
	Err   error // the old server's fault
	Lines message.LineEnds
}

func NewSource(r io.Reader) *source { return &source{r: r} }

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.Lines.Count(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		s.Err = err
	}
	return n, err
}

// Pulled tells the reader, if it waits, that a streamed message was read or won't be.
func (m *Outgoing) Pulled(err error) {
	if m.Streamed != nil {
		m.Streamed <- err
	}
}

// handOver is how many messages may wait between reader and writer.
const handOver = 400

// Handover is where what the reader has brought waits for the writer.
type Handover struct {
	events    chan Event
	resources *Resources
}

func NewHandover(r *Resources) *Handover { return &Handover{make(chan Event, handOver), r} }

// Close tells that nothing more comes.
func (h *Handover) Close() { close(h.events) }

// Coming is what has been handed over.
func (h *Handover) Coming() <-chan Event { return h.events }

// Hand hands something to the writer.
func (h *Handover) Hand(ctx context.Context, e Event) error {
	select {
	case h.events <- e:
		return nil
	case <-ctx.Done():
		if m, ok := e.(*Outgoing); ok {
			h.resources.GiveBack(m)
		}
		return ctx.Err()
	}
}

// OnNew lets the writer ask the new server something once nothing is under way.
func (h *Handover) OnNew(ctx context.Context, ask func(context.Context) error) error {
	a := &Asking{Ask: ask, Done: make(chan error, 1)}
	if err := h.Hand(ctx, a); err != nil {
		return err
	}
	select {
	case err := <-a.Done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shows tells that what has been stored so far is what somebody waits for.
func (e *Events) Shows(s Shown) {
	if s.Search != nil {
		s.Search.Served()
		return
	}
	e.Worth()
}

// Discard gives back what an event holds, and tells whoever waits for its end.
func (r *Resources) Discard(e Event, err error) {
	switch e := e.(type) {
	case *Outgoing:
		e.Pulled(err)
		r.GiveBack(e)
	case *Asking:
		e.Done <- err
	case *Copying:
		e.End(err)
	case Shown:
		if e.Search != nil {
			e.Search.End()
		}
	}
}

// GiveBack frees what a message holds. Nobody may use its body any more.
func (r *Resources) GiveBack(m *Outgoing) {
	r.Memory.Release(m.Held)
	if m.Body != nil {
		r.Buffers.put(m.Body)
	}
	m.Held, m.Body = 0, nil
}
