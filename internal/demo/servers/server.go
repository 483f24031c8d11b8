package servers

import (
	"bytes"
	"io"
	"log"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
)

// Server is a mail server in memory, for one person and others who join
// later, on a free port of the loopback interface.
type Server struct {
	memory   *imapmemserver.Server
	user     *imapmemserver.User
	server   *imapserver.Server
	listener net.Listener
	served   chan error
}

// startServer starts a server with empty folders. Handing out a message
// takes it pause, as it would over a slow line.
func startServer(login, password string, folders []string, pause time.Duration) (*Server, error) {
	memory := imapmemserver.New()
	user, err := newUser(memory, login, password, folders)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{memory: memory, user: user, listener: listener, served: make(chan error, 1)}
	s.server = imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return slowSession{memory.NewSession().(imapserver.SessionIMAP4rev2), pause}, nil, nil
		},
		Caps: imap.CapSet{
			imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {}, imap.CapMove: {},
			imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapLiteralPlus: {},
		},
		InsecureAuth: true, // loopback only
		Logger:       log.New(io.Discard, "", 0),
	})
	go func() { s.served <- s.server.Serve(listener) }()
	return s, nil
}

// newUser makes a person with empty folders known to a server.
func newUser(memory *imapmemserver.Server, login, password string, folders []string) (*imapmemserver.User, error) {
	user := imapmemserver.NewUser(login, password)
	for _, name := range folders {
		if err := user.Create(name, nil); err != nil {
			return nil, err
		}
		if err := user.Subscribe(name); err != nil {
			return nil, err
		}
	}
	memory.AddUser(user)
	return user, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL is how a configuration names the server.
func (s *Server) URL() string { return "imap+insecure://" + s.Addr().String() }

func (s *Server) close() {
	s.server.Close()
	<-s.served
}

// Put adds a message to a folder, as a delivery does.
func (s *Server) Put(folder string, m Message) error {
	return putMessage(s.user, folder, m)
}

func putMessage(user *imapmemserver.User, folder string, m Message) error {
	_, err := user.Append(folder, bytes.NewReader(m.Raw), &imap.AppendOptions{Flags: m.flags, Time: m.Date})
	return err
}

// slowSession takes its time to hand out messages.
type slowSession struct {
	imapserver.SessionIMAP4rev2
	pause time.Duration
}

func (s slowSession) Fetch(w *imapserver.FetchWriter, set imap.NumSet, options *imap.FetchOptions) error {
	if len(options.BodySection) == 0 || s.pause == 0 {
		return s.SessionIMAP4rev2.Fetch(w, set, options)
	}
	there, err := s.there(set)
	if err != nil {
		return err
	}
	for _, uid := range there {
		<-time.After(s.pause) // bounded by the few messages of the demo
		if err := s.SessionIMAP4rev2.Fetch(w, imap.UIDSetNum(uid), options); err != nil {
			return err
		}
	}
	return nil
}

// there are the messages of a set that exist: a set may name all numbers there can be.
func (s slowSession) there(set imap.NumSet) ([]imap.UID, error) {
	var criteria imap.SearchCriteria
	switch set := set.(type) {
	case imap.UIDSet:
		criteria.UID = []imap.UIDSet{set}
	case imap.SeqSet:
		criteria.SeqNum = []imap.SeqSet{set}
	}
	found, err := s.Search(imapserver.NumKindUID, &criteria, &imap.SearchOptions{ReturnAll: true})
	if err != nil {
		return nil, err
	}
	return found.AllUIDs(), nil
}
