package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// fakeSession is a session with a fakeServer.
type fakeSession struct {
	*fakeServer
	traffic  link.Traffic
	box      *fakeFolder // selected; stays valid when renamed or deleted
	closed   bool
	asked    imap.UIDSet // bodies that nobody has waited for yet
	of       *fakeFolder // the folder that they are of
	progress func()      // told of every answer
	hung     *lateStore  // what it will store when it goes on, if it fell silent in the middle of an APPEND
	goesOn   hungError   // waits for that
	born     int         // how often the server had been started by then
	omits    int         // which item of the present answer it leaves out, from 1 on; 0 for none
}

// within answers what was asked for while a folder was open, although another one has
// been opened since, until the function it returns is called.
func (s *fakeSession) within(box *fakeFolder) (done func()) {
	now := s.box
	s.box = box
	return func() {
		if s.box == box {
			s.box = now // unless yet another one has been opened meanwhile
		}
	}
}

func (s *fakeSession) step(op string, fn func() error) error {
	s.takeTime(op)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.hung != nil || s.born != s.boots {
		return &link.Error{Op: op, Class: link.Lost, Err: io.ErrClosedPipe}
	}
	s.log = append(s.log, op)
	s.catchUp()
	s.omits = 0
	err := s.fault("+" + op)
	if n, omits := errors.AsType[omitError](err); omits {
		s.omits, err = int(n), nil
	}
	if err != nil {
		return s.orRestart(err, op)
	}
	if s.box != nil && s.box.lost() && slices.Contains(needFolder, op) {
		return lostError(op)
	}
	if s.progress != nil {
		s.progress()
	}
	if err := fn(); err != nil {
		return err
	}
	return s.orRestart(s.fault("-"+op), op)
}

// omitError from a fault lets an answer lack its item of that number, from 1 on and around.
type omitError int

func (omitError) Error() string { return "left out" }

// omitted is a list as the session tells it, and what it leaves out of it.
func omitted[T any](s *fakeSession, list []T) (told []T, lacks []T) {
	if s.omits == 0 || len(list) == 0 {
		return list, nil
	}
	at := (s.omits - 1) % len(list)
	return slices.Delete(slices.Clone(list), at, at+1), []T{list[at]}
}

// errRestart from a fault ends the server, with all sessions and what it had read and not stored; it runs again at once.
var errRestart = errors.New("restart")

func (s *fakeSession) orRestart(err error, op string) error {
	if !errors.Is(err, errRestart) {
		return err
	}
	s.boots++
	s.late = nil
	return lostError(op)
}

// needFolder are the steps that concern the open folder.
var needFolder = []string{"LISTING", "FLAGS", "HEADERS", "BODIES", "SEARCH", "STORE", "MOVE", "COPY"}

func lostError(op string) error {
	return &link.Error{Server: "fake", Op: op, Class: link.Lost, Err: io.ErrUnexpectedEOF}
}

func (s *fakeSession) Alive(context.Context) error {
	return s.step("NOOP", func() error { return nil })
}
func (s *fakeSession) Together() bool               { return !s.single }
func (s *fakeSession) Logout(context.Context) error { return s.Close() }
func (s *fakeSession) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.sessions--
	}
	s.closed = true
	return nil
}

func (s *fakeSession) Folders(_ context.Context, withStatus bool) (ns upstream.Namespace, list []upstream.Mailbox, err error) {
	err = s.step("LIST", func() error {
		for name, b := range s.folders {
			m := upstream.Mailbox{Name: name, Delim: '/', Subscribed: b.sub, Attrs: b.attrs}
			if withStatus {
				st := s.status(b)
				m.Status = &st
			}
			list = append(list, m)
		}
		sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
		told, lacks := omitted(s, list)
		for _, m := range lacks {
			s.unlisted[m.Name] = true
		}
		list = told
		return nil
	})
	return upstream.Namespace{Delim: '/'}, list, err
}

func (s *fakeSession) Unread() int { return 0 }

func (s *fakeSession) NoFolders() error { return refusedError("LIST", "") }

func (s *fakeSession) status(b *fakeFolder) upstream.Status {
	st := upstream.Status{Messages: uint32(len(b.messages)), UIDNext: b.next, UIDValidity: b.validity}
	if s.condstor {
		st.HighestModSeq = b.modseq
	}
	return st
}

func (s *fakeSession) Status(_ context.Context, names []string) (map[string]upstream.Status, error) {
	all := map[string]upstream.Status{}
	err := s.step("STATUS", func() error {
		for _, n := range names {
			if b := s.folders[n]; b != nil {
				all[n] = s.status(b)
			}
		}
		return nil
	})
	if link.ClassOf(err) == link.Refused { // a folder the server refuses is missing
		return map[string]upstream.Status{}, nil
	}
	return all, err
}

func refusedError(op string, code imap.ResponseCode) error {
	return &link.Error{Server: "fake", Op: op, Class: link.Refused, Code: code, Text: "no", Err: fmt.Errorf("NO [%s]", code)}
}

func (s *fakeSession) open(op, name string) (sel *upstream.Selected, err error) {
	err = s.step(op, func() error {
		b := s.folders[name]
		if b == nil {
			return refusedError(op, imap.ResponseCodeNonExistent)
		}
		if s.fleeting {
			s.validity++
			stored := b
			b = stored.numbered(s.validity)
			b.shows = stored
			for _, m := range b.messages {
				s.shown[message.IMAPKey(b.validity, m.uid)] = string(m.body)
			}
		}
		s.box = b
		st := s.status(b)
		sel = &upstream.Selected{Messages: st.Messages, UIDNext: st.UIDNext, UIDValidity: st.UIDValidity,
			HighestModSeq: st.HighestModSeq, NotSticky: s.fleeting && !s.unsaid}
		return nil
	})
	return sel, err
}

func (s *fakeSession) Examine(_ context.Context, name string) (*upstream.Selected, error) {
	return s.open("EXAMINE", name)
}

func (s *fakeSession) ExamineAndList(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message) error, heads imap.UIDSet, header func(upstream.Message, []byte) error) (*upstream.Selected, bool, error) {
	sel, err := s.Examine(ctx, name)
	if err != nil {
		return nil, false, err
	}
	if err := s.ListMessages(ctx, set, 0, fn); err != nil || len(heads) == 0 {
		return sel, true, err
	}
	return sel, true, s.each("HEADS", heads, func(m *fakeMessage) error { return header(m.line(), message.Header(m.body)) })
}

func (s *fakeSession) Early(ctx context.Context, name string, set imap.UIDSet, first int) (*upstream.Selected, session.EarlyCall, error) {
	sel, err := s.Examine(ctx, name)
	return sel, fakeEarly{s, s.box, set, first}, err
}

// SendOpen opens the folder at once: what is asked of the former one afterwards meets
// this one.
func (s *fakeSession) SendOpen(ctx context.Context, name string, ahead session.OpenWith) (session.OpenCall, error) {
	f, err := session.IMAPSource{IMAPReader: s}.Open(ctx, name, ahead)
	if link.ClassOf(err) == link.Lost {
		return nil, err
	}
	return fakeOpen{f, err}, nil
}

type fakeOpen struct {
	f   *session.SourceFolder
	err error
}

func (o fakeOpen) Wait(context.Context) (*session.SourceFolder, error) { return o.f, o.err }

// fakeEarly brings the first messages.
type fakeEarly struct {
	s     *fakeSession
	box   *fakeFolder
	set   imap.UIDSet
	first int
}

func (c fakeEarly) Wait(ctx context.Context, fn func(upstream.Message, int64, io.Reader) error) (lines []upstream.Message, all bool, err error) {
	defer c.s.within(c.box)()
	some := map[imap.UID]upstream.Message{}
	var set imap.UIDSet
	err = c.s.each("EARLY", c.set, func(m *fakeMessage) error {
		if len(some) < c.first {
			some[m.uid] = m.line()
			set.AddNum(m.uid)
		}
		return nil
	})
	if err == nil && len(set) > 0 {
		err = c.s.Bodies(ctx, set, func(uid imap.UID, size int64, r io.Reader) error {
			lines = append(lines, some[uid])
			return fn(some[uid], size, r)
		})
	}
	return lines, err == nil, err
}

func (s *fakeSession) Select(_ context.Context, name string) (*upstream.Selected, error) {
	return s.open("SELECT", name)
}
