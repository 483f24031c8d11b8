package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream"
)

// event is what the reader hands to the writer, in the order of the old folder.
type event interface{ isEvent() }

// outgoing is a message to be appended to the new folder. Either its body is held in memory, or it
// is streamed from the old server.
type outgoing struct {
	msg      upstream.Message
	key      store.Key
	intent   store.Intent
	body     []byte
	held     int64 // octets of the memory budget that the writer gives back
	stream   *source
	streamed chan error       // told when the stream has been read, or will not be
	foreseen *given           // the look at its copy that was asked for along with it
	lines    message.LineEnds // of the body as it was sent
	mending
}

// quarantined is a message that goes to quarantine without being sent.
type quarantined struct{ *store.Quarantined }

// reached is how far the old folder is dealt with, once all before it is.
type reached struct{ *store.Checkpoint }

// shown: once all before it is on the new server, the folder is worth showing, or the hits of a
// client's search are.
type shown struct{ search *ClientSearch } // nil for whoever opens the folder

// keywords: messages with keywords follow.
type keywords struct{}

// asking is what the reader wants to be asked of the new server, whose session is the writer's.
type asking struct {
	ask  func(context.Context) error
	done chan error
}

func (*outgoing) isEvent()   {}
func (quarantined) isEvent() {}
func (reached) isEvent()     {}
func (shown) isEvent()       {}
func (keywords) isEvent()    {}
func (*asking) isEvent()     {}

// source is a body that the writer reads from the old server's connection.
type source struct {
	r     io.Reader
	err   error // the old server's fault
	lines message.LineEnds
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.lines.Count(p[:n])
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// pulled tells the reader, if it waits, that a streamed message was read or won't be.
func (m *outgoing) pulled(err error) {
	if m.streamed != nil {
		m.streamed <- err
	}
}

func (m *outgoing) message() upstream.Append {
	a := upstream.Append{Flags: m.flags(), Date: m.msg.Date, Size: int64(len(m.body)), Body: bytes.NewReader(m.body)}
	if m.stream != nil {
		a.Size, a.Body = int64(m.intent.Size), m.stream
	}
	return a
}

// events are what is sent to the new server together, and what has its place among that.
type events []event

// outgoing are the messages among them.
func (all events) outgoing() (msgs []*outgoing) {
	for _, e := range all {
		if m, ok := e.(*outgoing); ok {
			msgs = append(msgs, m)
		}
	}
	return msgs
}

// eventsOf are messages and nothing else.
func eventsOf(msgs ...*outgoing) events {
	all := make(events, len(msgs))
	for i, m := range msgs {
		all[i] = m
	}
	return all
}
