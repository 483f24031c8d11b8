package syncer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// fakeServer is a mail server in memory, for what real servers can't be made
// to do: to fail at a chosen step.
type fakeServer struct {
	mu       sync.Mutex
	idling   atomic.Int64 // sessions that wait for what comes
	silent   atomic.Bool  // nothing is told until the wait is over
	folders  map[string]*fakeFolder
	hidden   map[string]*fakeFolder // that it doesn't tell of for now
	password string
	// fault is asked before and after each step ("+op" before, "-op" after it took
	// effect); an error from it is what the client sees.
	fault func(step string) error
	// takes is asked before each step how long it takes, in which others may take theirs; nil for no time.
	takes          func(op string) time.Duration
	refuse         func(body []byte) error // of APPEND
	uidplus        bool
	condstor       bool
	moves          bool                                // it has MOVE
	movesUntold    bool                                // but doesn't say where messages are then
	tellCopies     func(upstream.Moved) upstream.Moved // what it says of copies that it was told to make
	refuseCopy     func() error
	single         bool     // no MULTIAPPEND: each message of a batch has its own fate
	first          imap.UID // UIDs that were used before there were folders
	fleeting       bool     // UIDNOTSTICKY: other UIDs each time a folder is opened
	unsaid         bool     // which it doesn't say: only its UIDVALIDITY is another one each time
	validity       uint32
	shown          map[store.Key]string  // what was under which UID then
	late           []*lateStore          // what it has read and will store only later
	stored         func(bodies [][]byte) // is told of what it has stored late; nil for nobody
	unlisted       map[string]bool       // folders that it has left out of a list
	log            []string
	boots          int // how often it has been started anew
	sessions, peak int // sessions now, and at most at the same time
}

type fakeFolder struct {
	validity uint32
	next     imap.UID
	modseq   uint64
	messages []*fakeMessage
	sub      bool
	attrs    []imap.MailboxAttr
	void     bool        // numbered anew since: sessions that have it open lose it
	shows    *fakeFolder // what is shown under other UIDs here
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
	return &fakeServer{folders: map[string]*fakeFolder{}, hidden: map[string]*fakeFolder{}, unlisted: map[string]bool{}, uidplus: true, condstor: true, validity: 1000, shown: map[store.Key]string{},
		fault: func(string) error { return nil }, refuse: func([]byte) error { return nil }, refuseCopy: func() error { return nil },
		tellCopies: func(m upstream.Moved) upstream.Moved { return m }}
}

// fail asks fault from now on.
func (f *fakeServer) fail(fault func(step string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// slow makes it take some time for each step.
func (f *fakeServer) slow(takes func(op string) time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.takes = takes
}

// takeTime takes that time; others aren't kept from their steps.
func (f *fakeServer) takeTime(op string) {
	f.mu.Lock()
	takes := f.takes
	f.mu.Unlock()
	if takes != nil {
		time.Sleep(takes(op))
	}
}

// add makes a folder.
func (f *fakeServer) add(name string) *fakeFolder {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.addLocked(name)
}

func (f *fakeServer) addLocked(name string) *fakeFolder {
	f.validity++
	box := &fakeFolder{validity: f.validity, next: f.first + 1, modseq: 1}
	f.folders[name] = box
	return box
}

// deliver puts a message into a folder.
func (f *fakeServer) deliver(name, body string, flags ...imap.Flag) imap.UID {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.folders[name].append([]byte(body), flags, time.Unix(1700000000+int64(len(body)), 0)) // most have dates of their own
}

func (b *fakeFolder) append(body []byte, flags []imap.Flag, date time.Time) imap.UID {
	b.modseq++
	m := &fakeMessage{uid: b.next, flags: message.NormaliseFlags(flags), date: date, body: body, modseq: b.modseq}
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
			m.flags, m.modseq = message.NormaliseFlags(flags), b.modseq
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

// settle lets the server store what it has read and not stored.
func (f *fakeServer) settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.late {
		l.store(true)
	}
	f.late = nil
}

// catchUp stores what is due with the step that comes.
func (f *fakeServer) catchUp() {
	var rest []*lateStore
	for _, l := range f.late {
		if l.steps--; l.steps > 0 {
			rest = append(rest, l)
			continue
		}
		l.store(true)
	}
	f.late = rest
}

// renumber gives a folder another UIDVALIDITY and its messages other UIDs.
func (f *fakeServer) renumber(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.renumberLocked(name)
}

func (f *fakeServer) renumberLocked(name string) {
	f.validity++
	f.folders[name].void = true
	f.folders[name] = f.folders[name].numbered(f.validity)
}

// lost tells whether who has the folder open loses the connection.
func (b *fakeFolder) lost() bool { return b.void || b.shows != nil && b.shows.void }

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

// fakePair is an old and a new server and how to reach them.
type fakePair struct {
	old, new *fakeServer
}

func (p *fakePair) dialers() session.Dialers {
	return session.Dialers{
		Old: func(_ context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
			s, err := p.dial(server, c, opt)
			return session.IMAPSource{IMAPReader: s}, err
		},
		New: func(_ context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Target, error) {
			return p.dial(server, c, opt)
		},
		Back: func(_ context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Returner, error) {
			opt.ReadOnly = true // which tells the old server
			return p.dial(server, c, opt)
		},
	}
}

func (p *fakePair) dial(server config.Server, c store.Credentials, opt link.Options) (*fakeSession, error) {
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
		s.log = append(s.log, "REFUSED")
		return nil, &link.Error{Server: server.Address(), Op: "login", Class: link.Fix, Code: imap.ResponseCodeAuthenticationFailed, Err: fmt.Errorf("refused")}
	}
	s.sessions++
	s.peak = max(s.peak, s.sessions)
	return &fakeSession{fakeServer: s, born: s.boots, traffic: opt.Traffic, progress: opt.Progress}, nil
}
