package writer

import (
	"bytes"
	"errors"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
	"postferry/upstream/link"
)

// sending is a message on its way to the new folder, and what has become of it so far.
type sending struct {
	*job.Outgoing
	foreseen *given           // the look at its copy that was asked for along with it
	lines    message.LineEnds // of the body as it was sent
	mending
}

// message is what the new server is given.
func (m *sending) message() upstream.Append {
	a := upstream.Append{Flags: m.flags(), Date: m.Msg.Date, Size: int64(len(m.Body)), Body: bytes.NewReader(m.Body)}
	if m.Stream != nil {
		a.Size, a.Body = int64(m.Intent.Size), m.Stream
	}
	return a
}

// events are what is sent to the new server together, and what has its place among that.
type events []job.Event

// messages are those among them.
func (all events) messages() (msgs []*sending) {
	for _, e := range all {
		if m, ok := e.(*sending); ok {
			msgs = append(msgs, m)
		}
	}
	return msgs
}

// eventsOf are messages and nothing else.
func eventsOf(msgs ...*sending) events {
	all := make(events, len(msgs))
	for i, m := range msgs {
		all[i] = m
	}
	return all
}

// mending is what a message is marked with that the new server refused.
type mending struct {
	twice    bool            // it has been sent once more as it is
	keep     []imap.Flag     // what the new folder can keep of the flags
	refusal  error           // of the message as it is
	repaired *store.Repaired // set once it is tried repaired
	kept     []imap.Flag     // the repaired copy's flags
	lighter  bool            // only flags were left out so far: there may be more to mend
	aside    bool            // it was put off until nothing else is under way
	redated  bool            // its date was replaced

	refusedBefore bool   // the new server has refused it
	since         uint64 // messages that had been taken when it did so first
	said          error  // its last refusal, if that is about this message alone
}

// given is a copy to be looked at, and what it was given.
type given struct {
	uid   imap.UID
	flags []imap.Flag
	date  time.Time
	sure  bool // it has that UID
	news  bool // it shows something that is not known of the folder's flags or dates

	entry *store.Entry     // to be entered once it has been looked at; nil as long as nothing is known of it
	of    *sending         // what it is the copy of; its body is gone
	lines message.LineEnds // of what was sent
}

// countLines notes the line ends of a message that is sent from memory. Those of a stream
// are known when it has been read.
func (m *sending) countLines() {
	m.lines = message.LineEnds{}
	if m.Stream == nil {
		m.lines.Count(m.Body)
	}
}

// unexplained tells whether a refusal says nothing of what is wrong with the message, so
// that it is worth sending it once more as it is.
func (m *sending) unexplained(why error) bool {
	e, ok := errors.AsType[*link.Error](why)
	return ok && e.Class == link.Refused && e.Code == "" && !m.twice && m.repaired == nil && m.Intent.Size > 0 &&
		!message.ContainsAny(strings.ToLower(e.Text), "nul", "newline", "header", "flag", "keyword")
}

func serverSays(why error) string { return strings.TrimSpace(why.Error()) }

// flags are what a message is appended with.
func (m *sending) flags() []imap.Flag {
	if m.repaired != nil {
		return m.kept
	}
	return m.keep
}
