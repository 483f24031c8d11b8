package syncer

import (
	"bytes"
	"context"
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
	fault    func(step string) error
	refuse   func(body []byte) error // of APPEND
	uidplus  bool
	condstor bool
	validity uint32
	log      []string
}

type fakeFolder struct {
	validity uint32
	next     imap.UID
	modseq   uint64
	messages []*fakeMessage
	sub      bool
	attrs    []imap.MailboxAttr
}

type fakeMessage struct {
	uid    imap.UID
	flags  []imap.Flag
	date   time.Time
	body   []byte
	modseq uint64
}

func newFakeServer() *fakeServer {
	return &fakeServer{folders: map[string]*fakeFolder{}, uidplus: true, condstor: true, validity: 1000,
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

// remove expunges the messages with a body.
func (f *fakeServer) remove(name, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := f.folders[name]
	b.modseq++
	b.messages = slices.DeleteFunc(b.messages, func(m *fakeMessage) bool { return string(m.body) == body })
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
	box    *fakeFolder // selected; stays valid when renamed or deleted
	closed bool
}

func (s *fakeSession) step(op string, fn func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return &upstream.Error{Op: op, Class: upstream.Lost, Err: io.ErrClosedPipe}
	}
	s.log = append(s.log, op)
	if err := s.fault("+" + op); err != nil {
		return err
	}
	if err := fn(); err != nil {
		return err
	}
	return s.fault("-" + op)
}

func (s *fakeSession) Namespace(context.Context) (upstream.Namespace, error) {
	return upstream.Namespace{Delim: '/'}, s.step("NAMESPACE", func() error { return nil })
}

func (s *fakeSession) List(_ context.Context, withStatus bool) (list []upstream.Mailbox, err error) {
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
	return list, err
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
	return all, s.step("STATUS", func() error {
		for _, n := range names {
			if b := s.folders[n]; b != nil {
				all[n] = s.status(b)
			}
		}
		return nil
	})
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
		s.box = b
		st := s.status(b)
		sel = &upstream.Selected{Messages: st.Messages, UIDNext: st.UIDNext, UIDValidity: st.UIDValidity, HighestModSeq: st.HighestModSeq}
		return nil
	})
	return sel, err
}

func (s *fakeSession) Examine(_ context.Context, name string) (*upstream.Selected, error) {
	return s.open("EXAMINE", name)
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
		return fn(m.uid, int64(len(m.body)), bytes.NewReader(m.body))
	})
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
				}
			}
		}
		return nil
	})
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
		if bodies[i], err = io.ReadAll(a.Body); err != nil || int64(len(bodies[i])) != a.Size {
			s.Close()
			return nil, &upstream.Error{Op: "APPEND", Class: upstream.Lost, Err: io.ErrUnexpectedEOF}
		}
	}
	call := &fakeCall{s: s, results: make([]upstream.AppendResult, len(batch))}
	err := s.step("APPEND", func() error {
		call.results = s.store(mailbox, batch, bodies)
		return nil
	})
	if upstream.ClassOf(err) == upstream.Refused {
		for i := range call.results {
			call.results[i] = upstream.AppendResult{Err: err}
		}
		err = nil
	}
	return call, err
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
		if s.uidplus {
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
	return &fakeSession{fakeServer: s}, nil
}
