package syncer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
)

// fakeServer is a mail server in memory, for what real servers can't be made
// to do: to fail at a chosen step.
type fakeServer struct {
	mu       sync.Mutex
	folders  map[string]*fakeFolder
	password string
	// fault is asked before and after each step ("+op" before, "-op" after it took
	// effect); an error from it is what the client sees.
	fault          func(step string) error
	refuse         func(body []byte) error // of APPEND
	uidplus        bool
	condstor       bool
	single         bool // no MULTIAPPEND: each message of a batch has its own fate
	fleeting       bool // UIDNOTSTICKY: other UIDs each time a folder is opened
	validity       uint32
	shown          map[store.Key]string // what was under which UID then
	late           []func()             // what it has read and will store only after the next step
	log            []string
	sessions, peak int // sessions now, and at most at the same time
}

type fakeFolder struct {
	validity uint32
	next     imap.UID
	modseq   uint64
	messages []*fakeMessage
	sub      bool
	attrs    []imap.MailboxAttr
	void     bool // numbered anew since: sessions that have it open lose it
}

type fakeMessage struct {
	uid    imap.UID
	flags  []imap.Flag
	date   time.Time
	body   []byte
	modseq uint64
	stands *fakeMessage // what is shown under another UID here
}

func newFakeServer() *fakeServer {
	return &fakeServer{folders: map[string]*fakeFolder{}, uidplus: true, condstor: true, validity: 1000, shown: map[store.Key]string{},
		fault: func(string) error { return nil }, refuse: func([]byte) error { return nil }}
}

// add makes a folder.
func (f *fakeServer) add(name string) *fakeFolder {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addLocked(name)
}

func (f *fakeServer) addLocked(name string) *fakeFolder {
	f.validity++
	box := &fakeFolder{validity: f.validity, next: 1, modseq: 1}
	f.folders[name] = box
	return box
}

// deliver puts a message into a folder.
func (f *fakeServer) deliver(name, body string, flags ...imap.Flag) imap.UID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.folders[name].append([]byte(body), flags, time.Unix(1700000000, 0))
}

func (b *fakeFolder) append(body []byte, flags []imap.Flag, date time.Time) imap.UID {
	b.modseq++
	m := &fakeMessage{uid: b.next, flags: normalise(flags), date: date, body: body, modseq: b.modseq}
	b.next++
	b.messages = append(b.messages, m)
	return m.uid
}

// bodies is what is in a folder, in order.
func (f *fakeServer) bodies(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	if b := f.folders[name]; b != nil {
		for _, m := range b.messages {
			all = append(all, string(m.body))
		}
	}
	return all
}

// attempts is how often somebody tried to connect.
func (f *fakeServer) attempts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, op := range f.log {
		if op == "CONNECT" {
			n++
		}
	}
	return n
}

// remove expunges the messages with a body, and tells how many there were.
func (f *fakeServer) remove(name, body string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.folders[name]
	if b == nil {
		return 0
	}
	n := len(b.messages)
	b.modseq++
	b.messages = slices.DeleteFunc(b.messages, func(m *fakeMessage) bool { return string(m.body) == body })
	return n - len(b.messages)
}

// setFlags replaces a message's flags.
func (f *fakeServer) setFlags(name, body string, flags ...imap.Flag) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.folders[name]
	for _, m := range b.messages {
		if string(m.body) == body {
			b.modseq++
			m.flags, m.modseq = normalise(flags), b.modseq
		}
	}
}

func (f *fakeServer) flags(name, body string) []imap.Flag {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.folders[name].messages {
		if string(m.body) == body {
			return m.flags
		}
	}
	return nil
}

// fakeSession is a session with a fakeServer.
type fakeSession struct {
	*fakeServer
	traffic upstream.Traffic
	box     *fakeFolder // selected; stays valid when renamed or deleted
	closed  bool
}

// settle lets the server store what it has read and not stored.
func (f *fakeServer) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.catchUp()
}

func (f *fakeServer) catchUp() {
	for _, store := range f.late {
		store()
	}
	f.late = nil
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
	if s.box != nil && s.box.void && slices.Contains(needFolder, op) {
		return lostError(op)
	}
	if err := fn(); err != nil {
		return err
	}
	return s.fault("-" + op)
}

// needFolder are the steps that concern the open folder.
var needFolder = []string{"LISTING", "FLAGS", "HEADERS", "BODIES", "SEARCH", "STORE"}

func lostError(op string) error {
	return &upstream.Error{Server: "fake", Op: op, Class: upstream.Lost, Err: io.ErrUnexpectedEOF}
}

// renumber gives a folder another UIDVALIDITY and its messages other UIDs.
func (f *fakeServer) renumber(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.validity++
	f.folders[name].void = true
	f.folders[name] = f.folders[name].numbered(f.validity)
}

// numbered is a folder with the same messages under other UIDs.
func (b *fakeFolder) numbered(validity uint32) *fakeFolder {
	now := &fakeFolder{validity: validity, next: 1, modseq: b.modseq, sub: b.sub, attrs: b.attrs}
	for i, msg := range b.messages {
		c := *msg
		c.uid, c.stands = imap.UID(2*i+1), msg
		now.next = c.uid + 1
		now.messages = append(now.messages, &c)
	}
	return now
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
			b = b.numbered(s.validity)
			for _, m := range b.messages {
				s.shown[imapKey(b.validity, m.uid)] = string(m.body)
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

func (s *fakeSession) ExamineAndList(ctx context.Context, name string, set imap.UIDSet, fn func(upstream.Message) error) (*upstream.Selected, bool, error) {
	sel, err := s.Examine(ctx, name)
	if err != nil {
		return nil, false, err
	}
	return sel, true, s.ListMessages(ctx, set, 0, fn)
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
	return s.each("HEADERS", set, func(m *fakeMessage) error { return fn(m.line(), headerOf(m.body)) })
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
	var start imap.UID
	fmt.Sscanf(from, "%d:*", &start)
	err = s.each("SEARCH", imap.UIDSet{imap.UIDRange{Start: start, Stop: 0}}, func(m *fakeMessage) error {
		set.AddNum(m.uid)
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
					m.flags, m.modseq = normalise(append(without(m.flags, c.Remove), c.Add...)), b.modseq
					if s.fleeting {
						m.stands.flags = m.flags
					}
				}
			}
		}
		return nil
	})
}

func (s *fakeSession) AppendLimit() int64 { return 0 }

func (s *fakeSession) Quotas(context.Context, string) ([]upstream.Quota, error) { return nil, nil }

func (s *fakeSession) Permanent(_ context.Context, name string) (*upstream.Selected, error) {
	return &upstream.Selected{PermanentFlags: systemFlags, AnyFlag: true}, s.step("PERMANENT", func() error {
		if s.folders[name] == nil {
			return refusedError("SELECT", imap.ResponseCodeNonExistent)
		}
		return nil
	})
}

func (s *fakeSession) ReadBack(_ context.Context, name string, uidValidity uint32, set imap.UIDSet) (found []upstream.Message, err error) {
	err = s.step("READBACK", func() error {
		b := s.folders[name]
		if b == nil {
			return refusedError("EXAMINE", imap.ResponseCodeNonExistent)
		}
		for _, m := range b.messages {
			if !s.fleeting && b.validity == uidValidity && set.Contains(m.uid) {
				found = append(found, m.line())
			}
		}
		return nil
	})
	return found, err
}

// fakeCall is a batch whose fate is sealed when it is sent, as on a server
// that has read it; whether the client hears of it is another matter.
type fakeCall struct {
	s       *fakeSession
	results []upstream.AppendResult
}

func (s *fakeSession) SendAppend(_ context.Context, mailbox string, batch []upstream.Append) (appendCall, error) {
	bodies := make([][]byte, len(batch))
	for i, a := range batch {
		var err error
		s.move(0, int(a.Size))
		if bodies[i], err = io.ReadAll(a.Body); err != nil || int64(len(bodies[i])) != a.Size {
			s.Close()
			return nil, &upstream.Error{Op: "APPEND", Class: upstream.Lost, Err: io.ErrUnexpectedEOF}
		}
	}
	call := &fakeCall{s: s, results: make([]upstream.AppendResult, len(batch))}
	each := len(batch)
	if s.single {
		each = 1
	}
	var err error
	for at := 0; at < len(batch) && err == nil; at += each {
		err = s.appendOne(mailbox, batch[at:at+each], bodies[at:at+each], call.results[at:at+each])
	}
	return call, err
}

// move moves octets within the bounds of the session.
func (s *fakeSession) move(read, written int) {
	if s.traffic != nil {
		<-time.After(s.traffic.Moved(read, written))
	}
}

// errLate from a fault lets the server store what it has read when the client is gone.
var errLate = errors.New("late")

// appendOne is one APPEND command. What is refused before it was sent is not lost.
func (s *fakeSession) appendOne(mailbox string, batch []upstream.Append, bodies [][]byte, results []upstream.AppendResult) error {
	err := s.step("APPEND", func() error {
		copy(results, s.store(mailbox, batch, bodies))
		return nil
	})
	if errors.Is(err, errLate) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.late = append(s.late, func() { s.store(mailbox, batch, bodies) })
		return lostError("APPEND")
	}
	if err != nil && upstream.ClassOf(err) != upstream.Lost {
		for i := range results {
			results[i] = upstream.AppendResult{Err: err}
		}
		return nil
	}
	return err
}

// store is one MULTIAPPEND: all or nothing. The caller holds the lock.
func (s *fakeSession) store(mailbox string, batch []upstream.Append, bodies [][]byte) []upstream.AppendResult {
	results := make([]upstream.AppendResult, len(batch))
	b := s.folders[mailbox]
	var refusal error
	if b == nil {
		refusal = refusedError("APPEND", imap.ResponseCodeTryCreate)
	}
	for _, body := range bodies {
		if err := s.refuse(body); err != nil {
			refusal = err
		}
	}
	for i, a := range batch {
		if refusal != nil {
			results[i].Err = refusal
			continue
		}
		uid := b.append(bodies[i], a.Flags, a.Date)
		if s.uidplus && !s.fleeting {
			results[i] = upstream.AppendResult{UIDValidity: b.validity, UID: uid}
		}
	}
	return results
}

func (c *fakeCall) Wait(context.Context) ([]upstream.AppendResult, error) {
	return c.results, c.s.step("WAIT", func() error { return nil })
}

func (s *fakeSession) Alive(context.Context) error {
	return s.step("NOOP", func() error { return nil })
}
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

// fakePair is an old and a new server and how to reach them.
type fakePair struct {
	old, new *fakeServer
}

func (p *fakePair) dialers() dialers {
	return dialers{
		old: func(_ context.Context, server config.Server, c store.Credentials, opt upstream.Options) (oldSession, error) {
			s, err := p.dial(server, c, opt)
			return oldIMAP{s}, err
		},
		new: func(_ context.Context, server config.Server, c store.Credentials, opt upstream.Options) (newSession, error) {
			return p.dial(server, c, opt)
		},
	}
}

func (p *fakePair) dial(server config.Server, c store.Credentials, opt upstream.Options) (*fakeSession, error) {
	s := p.new
	if opt.ReadOnly {
		s = p.old
	}
	if opt.Progress != nil {
		opt.Progress()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log = append(s.log, "CONNECT")
	if err := s.fault("+CONNECT"); err != nil {
		return nil, err
	}
	if s.password != "" && c.Password.Reveal() != s.password {
		return nil, &upstream.Error{Server: server.Address(), Op: "login", Class: upstream.Fix, Code: imap.ResponseCodeAuthenticationFailed, Err: fmt.Errorf("refused")}
	}
	s.sessions++
	s.peak = max(s.peak, s.sessions)
	return &fakeSession{fakeServer: s, traffic: opt.Traffic}, nil
}
