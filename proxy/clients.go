package proxy

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postferry/store"
	"postferry/wire"
)

// Client is somebody who is logged in, as an operator is shown it.
type Client struct {
	Session string // names the connection in the log, and to the new server
	Login   string
	Account store.AccountID // 0 if the login is not known
	Program string          // as it calls itself (ID, RFC 2971); "" if it doesn't
	Address string
	TLS     bool
	Folder  string // the raw name of the open folder; "" for none
	Since   time.Time
	Quiet   time.Duration // since it has last asked for anything but news
	Held    string        // what its command waits for; "" for nothing
}

// What a client's command can be held back by.
const (
	heldByVisit  = "its folder being filled"
	heldByStatus = "folders being filled"
	heldBySearch = "the old server being searched"
	heldByChange = "the copying into a folder coming to rest"
)

// present are the relays there are.
type present struct {
	mu     sync.Mutex
	relays map[*relay]struct{}
}

func newPresent() present { return present{relays: map[*relay]struct{}{}} }

func (p *present) enter(r *relay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relays[r] = struct{}{}
}

func (p *present) leave(r *relay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.relays, r)
}

func (p *present) all() []*relay {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*relay, 0, len(p.relays))
	for r := range p.relays {
		all = append(all, r)
	}
	return all
}

// Clients tells who is logged in, by login, the longest first.
func (s *Server) Clients() []Client {
	now := time.Now()
	relays := s.present.all()
	all := make([]Client, len(relays))
	for i, r := range relays {
		all[i] = r.described(now)
	}
	slices.SortFunc(all, func(a, b Client) int {
		if c := strings.Compare(a.Login, b.Login); c != 0 {
			return c
		}
		return a.Since.Compare(b.Since)
	})
	return all
}

func (r *relay) described(now time.Time) Client {
	c := Client{
		Session: r.session, Login: r.in.login, Account: r.account().ID, Address: r.client.RemoteAddr().String(), TLS: r.secure,
		Folder: r.flow.folder(), Since: r.since, Quiet: now.Sub(time.Unix(0, r.said.Load())),
	}
	if program := r.program.Load(); program != nil {
		c.Program = *program
	}
	if held := r.held.Load(); held != nil {
		c.Held = *held
	}
	return c
}

// Kick says goodbye to all who are logged in with a login, as soon as no response is cut by
// it, and tells how many they were. They may come back at once.
func (s *Server) Kick(login string) (kicked int) {
	for _, r := range s.present.all() {
		if strings.EqualFold(r.in.login, login) && r.ending.Load() == nil {
			r.logger().Info().Msg("a client is sent away, as an operator wants it")
			r.kick(errKicked)
			kicked++
		}
	}
	return kicked
}

// folder is the raw name of the folder that is open, as far as is known.
func (f *flow) folder() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

// holding notes what the client's command waits for, until the function that it returns is called.
func (r *relay) holding(by string) (over func()) {
	r.held.Store(&by)
	held := r.srv.metrics.held.WithLabelValues(by)
	held.Inc()
	return func() {
		held.Dec()
		r.held.Store(nil)
	}
}

// programOf is what a client calls itself.
func programOf(id []wire.Field) string {
	var name, version string
	for _, f := range id {
		switch f.Name {
		case "name":
			name = f.Value
		case "version":
			version = f.Value
		}
	}
	return printable(strings.TrimSpace(name + " " + version))
}

// activity is what is known of a client while it is there.
type activity struct {
	session string
	secure  bool
	since   time.Time
	said    atomic.Int64 // when it last asked for anything but news; Unix nanoseconds
	program atomic.Pointer[string]
	held    atomic.Pointer[string]
}

func (a *activity) begin(p *session, program string) {
	a.session, a.secure, a.since = p.number, p.secure, time.Now()
	a.said.Store(a.since.UnixNano())
	a.call(program)
}

// call notes what the client calls itself.
func (a *activity) call(program string) {
	if program != "" {
		a.program.Store(&program)
	}
}

// asksFor notes a command.
func (a *activity) asksFor(v wire.Verb) {
	if v != wire.VerbNoop && v != wire.VerbIdle {
		a.said.Store(time.Now().UnixNano())
	}
}
