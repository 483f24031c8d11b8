package syncer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"sort"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/wire"
)

// fakeSession is a session with a fakeServer.
type fakeSession struct {
	*fakeServer
	traffic  upstream.Traffic
	box      *fakeFolder // selected; stays valid when renamed or deleted
	closed   bool
	asked    imap.UIDSet // bodies that nobody has waited for yet
	of       *fakeFolder // the folder that they are of
	progress func()      // told of every answer
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return &upstream.Error{Op: op, Class: upstream.Lost, Err: io.ErrClosedPipe}
	}
	s.log = append(s.log, op)
	s.catchUp()
	if err := s.fault("+" + op); err != nil {
		return err
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
	return s.fault("-" + op)
}

// needFolder are the steps that concern the open folder.
var needFolder = []string{"LISTING", "FLAGS", "HEADERS", "BODIES", "SEARCH", "STORE", "MOVE"}

func lostError(op string) error {
	return &upstream.Error{Server: "fake", Op: op, Class: upstream.Lost, Err: io.ErrUnexpectedEOF}
}

func (s *fakeSession) Alive(context.Context) error {
	return s.step("NOOP", func() error { return nil })
}
func (s *fakeSession) Together() bool                 { return !s.single }
func (s *fakeSession) Hung() bool                     { return false }
func (s *fakeSession) AwaitEnd(context.Context) error { return s.Close() }
func (s *fakeSession) Logout(context.Context) error   { return s.Close() }
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
	if upstream.ClassOf(err) == upstream.Refused { // a folder the server refuses is missing
		return map[string]upstream.Status{}, nil
	}
	return all, err
}

func refusedError(op string, code imap.ResponseCode) error {
	return &upstream.Error{Server: "fake", Op: op, Class: upstream.Refused, Code: code, Text: "no", Err: fmt.Errorf("NO [%s]", code)}
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
			HighestModSeq: st.HighestModSeq, NotSticky: s.fleeting}
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
	if upstream.ClassOf(err) == upstream.Lost {
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

// each calls fn for the selected folder's messages in a set.
func (s *fakeSession) each(op string, set imap.UIDSet, fn func(*fakeMessage) error) error {
	var found []*fakeMessage
	err := s.step(op, func() error {
		b := s.box
		for _, m := range b.messages {
			if inSet(set, m.uid, b) {
				c := *m
				found = append(found, &c)
			}
		}
		return nil
	})
	for _, m := range found {
		if ferr := fn(m); ferr != nil {
			return ferr
		}
	}
	return err
}

func inSet(set imap.UIDSet, uid imap.UID, b *fakeFolder) bool {
	last := imap.UID(0)
	if len(b.messages) > 0 {
		last = b.messages[len(b.messages)-1].uid
	}
	for _, r := range set {
		lo, hi := r.Start, r.Stop
		if lo == 0 {
			lo = last
		}
		if hi == 0 {
			hi = max(last, lo)
		}
		if lo <= uid && uid <= hi {
			return true
		}
	}
	return false
}

func (m *fakeMessage) line() upstream.Message {
	return upstream.Message{UID: m.uid, Flags: m.flags, Date: m.date, Size: int64(len(m.body)), ModSeq: m.modseq}
}

func (s *fakeSession) ListMessages(_ context.Context, set imap.UIDSet, since uint64, fn func(upstream.Message) error) error {
	return s.each("LISTING", set, func(m *fakeMessage) error {
		if since > 0 && m.modseq <= since {
			return nil
		}
		return fn(m.line())
	})
}

func (s *fakeSession) ListFlags(_ context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	return s.each("FLAGS", set, func(m *fakeMessage) error { return fn(m.line()) })
}

func (s *fakeSession) Headers(_ context.Context, set imap.UIDSet, fn func(upstream.Message, []byte) error) error {
	return s.each("HEADERS", set, func(m *fakeMessage) error { return fn(m.line(), message.Header(m.body)) })
}

func (s *fakeSession) SelectAndHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message, []byte) error) (*upstream.Selected, error) {
	sel, err := s.open("SELECT", name)
	if err != nil || len(set) == 0 {
		return sel, err
	}
	return sel, s.Headers(ctx, set, fn)
}

func (s *fakeSession) SendHeaders(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message, []byte) error) (session.HeadersCall, error) {
	sel, err := s.open("GLANCE", name)
	if err == nil {
		err = s.Headers(ctx, set, fn)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.box = nil // it was left again
	if upstream.ClassOf(err) == upstream.Lost {
		return nil, err
	}
	return fakeHeaders{sel, err}, nil
}

// fakeHeaders were told when they were asked for.
type fakeHeaders struct {
	sel *upstream.Selected
	err error
}

func (c fakeHeaders) Wait(context.Context) (*upstream.Selected, error) { return c.sel, c.err }

// Ask's calls are answered together with the first of them that is waited for, as a
// server may do it that is at several at once.
func (s *fakeSession) Ask(_ context.Context, set imap.UIDSet) (session.BodiesCall, error) {
	s.asked, s.of = append(s.asked, set...), s.box
	return fakeBodies{s}, nil
}

type fakeBodies struct{ s *fakeSession }

func (c fakeBodies) Wait(ctx context.Context, fn func(imap.UID, int64, io.Reader) error) error {
	set := c.s.asked
	if c.s.asked = nil; len(set) == 0 {
		return nil
	}
	defer c.s.within(c.s.of)()
	return c.s.Bodies(ctx, set, fn)
}

func (s *fakeSession) Bodies(_ context.Context, set imap.UIDSet, fn func(imap.UID, int64, io.Reader) error) error {
	return s.each("BODIES", set, func(m *fakeMessage) error {
		if err := s.step("BODY", func() error { return nil }); err != nil {
			return err
		}
		half := len(m.body) / 2
		s.move(len(m.body), 0)
		return fn(m.uid, int64(len(m.body)), io.MultiReader(bytes.NewReader(m.body[:half]), &latter{s: s, rest: m.body[half:]}))
	})
}

// latter is the second half of a body, before which the connection may break.
type latter struct {
	s    *fakeSession
	rest []byte
	came bool
}

func (l *latter) Read(p []byte) (int, error) {
	if !l.came {
		if err := l.s.step("HALF", func() error { return nil }); err != nil {
			return 0, lostError("UID FETCH")
		}
		l.came = true
	}
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (s *fakeSession) Search(_ context.Context, criteria string) (set imap.UIDSet, err error) {
	from, ok := strings.CutPrefix(criteria, "UID ")
	if !ok {
		return nil, fmt.Errorf("unexpected criteria %q", criteria)
	}
	var start, stop imap.UID
	larger, smaller := -1, math.MaxInt
	if n, _ := fmt.Sscanf(from, "%d:%d LARGER %d SMALLER %d", &start, &stop, &larger, &smaller); n < 2 {
		fmt.Sscanf(from, "%d:*", &start)
	}
	err = s.each("SEARCH", imap.UIDSet{imap.UIDRange{Start: start, Stop: stop}}, func(m *fakeMessage) error {
		if len(m.body) > larger && len(m.body) < smaller {
			set.AddNum(m.uid)
		}
		return nil
	})
	return set, err
}

// Find knows one string: it is somewhere in the message.
func (s *fakeSession) Find(_ context.Context, criteria wire.Criteria) (set imap.UIDSet, err error) {
	if len(criteria.Words) != 2 || !criteria.Words[1].String {
		return nil, refusedError("UID SEARCH", "")
	}
	err = s.each("SEARCH", imap.UIDSet{imap.UIDRange{Start: 1}}, func(m *fakeMessage) error {
		if strings.Contains(string(m.body), criteria.Words[1].Text) {
			set.AddNum(m.uid)
		}
		return nil
	})
	return set, err
}

func (s *fakeSession) Create(_ context.Context, name string, _ imap.MailboxAttr) error {
	return s.step("CREATE", func() error {
		if s.folders[name] == nil {
			s.addLocked(name)
		}
		return nil
	})
}

func (s *fakeSession) CreateAll(ctx context.Context, folders []upstream.NewFolder) ([]bool, error) {
	made := make([]bool, len(folders))
	for i, f := range folders {
		err := s.Create(ctx, f.Name, f.Use)
		if session.BreaksConnection(err) {
			return made, err
		}
		made[i] = err == nil
	}
	return made, nil
}

func (s *fakeSession) Subscribe(_ context.Context, names []string) error {
	return s.step("SUBSCRIBE", func() error {
		for _, n := range names {
			if b := s.folders[n]; b != nil {
				b.sub = true
			}
		}
		return nil
	})
}

func (s *fakeSession) StoreFlags(_ context.Context, changes []upstream.FlagChange) error {
	return s.step("STORE", func() error {
		b := s.box
		for _, c := range changes {
			for _, m := range b.messages {
				if m.uid == c.UID {
					b.modseq++
					m.flags, m.modseq = changed(m.flags, c), b.modseq
					if s.fleeting { // its user may have changed others since the folder was opened
						m.stands.flags = changed(m.stands.flags, c)
					}
				}
			}
		}
		return nil
	})
}

func (s *fakeSession) ExpungeUIDs(_ context.Context, set imap.UIDSet) error {
	return s.step("EXPUNGE", func() error {
		s.box.messages = slices.DeleteFunc(s.box.messages, func(m *fakeMessage) bool {
			return set.Contains(m.uid) && message.ContainsFlag(m.flags, imap.FlagDeleted)
		})
		return nil
	})
}

func (s *fakeSession) CanMove() bool { return s.moves && s.uidplus }

// MoveUIDs moves within the open folder: first all are copied, then the former ones go.
func (s *fakeSession) MoveUIDs(_ context.Context, set imap.UIDSet, mailbox string) (moved upstream.Moved, told bool, err error) {
	var copied []*fakeMessage
	if err := s.step("MOVE", func() error {
		if s.folders[mailbox] != s.box {
			return refusedError("UID MOVE", imap.ResponseCodeNonExistent)
		}
		moved.UIDValidity = s.box.validity
		for _, m := range s.box.messages {
			if set.Contains(m.uid) {
				copied = append(copied, m)
			}
		}
		for _, m := range copied {
			moved.From, moved.To = append(moved.From, m.uid), append(moved.To, s.box.append(m.body, m.flags, m.date))
		}
		return nil
	}); err != nil {
		return upstream.Moved{}, false, err
	}
	err = s.step("MOVED", func() error {
		s.box.messages = slices.DeleteFunc(s.box.messages, func(m *fakeMessage) bool { return slices.Contains(copied, m) })
		return nil
	})
	return moved, !s.movesUntold && len(moved.From) > 0, err
}

func changed(flags []imap.Flag, c upstream.FlagChange) []imap.Flag {
	return message.NormaliseFlags(append(message.WithoutFlags(flags, c.Remove), c.Add...))
}

func (s *fakeSession) AppendLimit() int64 { return 0 }

func (s *fakeSession) UIDPlus() bool { return s.uidplus }

func (s *fakeSession) Quotas(context.Context, string) ([]upstream.Quota, error) { return nil, nil }

func (s *fakeSession) SendPermanent(_ context.Context, name string) (session.PermanentCall, error) {
	return fakePermanent{s, name}, nil
}

type fakePermanent struct {
	s    *fakeSession
	name string
}

func (c fakePermanent) Wait(context.Context) (*upstream.Selected, error) {
	return &upstream.Selected{PermanentFlags: message.SystemFlags, AnyFlag: true}, c.s.step("PERMANENT", func() error {
		if c.s.folders[c.name] == nil {
			return refusedError("SELECT", imap.ResponseCodeNonExistent)
		}
		return nil
	})
}

func (s *fakeSession) SendStatus(ctx context.Context, name string) (session.StatusCall, error) {
	all, err := s.Status(ctx, []string{name})
	st, told := all[name]
	return fakeStatus{st, told}, err
}

type fakeStatus struct {
	st   upstream.Status
	told bool
}

func (c fakeStatus) Wait(context.Context) (upstream.Status, bool, error) { return c.st, c.told, nil }

// fakeReadBack is what a look at copies found when it was asked for.
type fakeReadBack struct {
	found []upstream.Message
	err   error
}

func (c fakeReadBack) Wait(context.Context) ([]upstream.Message, error) { return c.found, c.err }

func (s *fakeSession) SendReadBack(_ context.Context, name string, uidValidity uint32, set, sizes imap.UIDSet) (session.ReadBackCall, error) {
	var found []upstream.Message
	err := s.step("READBACK", func() error {
		b := s.folders[name]
		if b == nil {
			return refusedError("EXAMINE", imap.ResponseCodeNonExistent)
		}
		for _, m := range b.messages {
			if !s.fleeting && b.validity == uidValidity && (set.Contains(m.uid) || sizes.Contains(m.uid)) {
				found = append(found, m.line())
			}
		}
		return nil
	})
	return fakeReadBack{found, err}, nil
}

func (s *fakeSession) Unsubscribe(_ context.Context, name string) error {
	return s.step("UNSUBSCRIBE", func() error {
		if b := s.folders[name]; b != nil {
			b.sub = false
		}
		return nil
	})
}

func (s *fakeSession) Subscribed(_ context.Context, name string) (is bool, err error) {
	err = s.step("LSUB", func() error {
		is = s.folders[name] != nil && s.folders[name].sub
		return nil
	})
	return is, err
}

func (s *fakeSession) HasLabels() bool { return false }

func (s *fakeSession) Labels(context.Context, imap.UIDSet, func(upstream.Labelled) error) error {
	return nil
}
