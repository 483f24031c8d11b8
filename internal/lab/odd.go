package lab

import (
	"context"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"postferry/config"
	"postferry/internal/lab/inmemory"
	"postferry/internal/lab/loopback"
)

// OddCaps are the capabilities of an Odd server that is given no others.
const OddCaps = "IMAP4rev1 LITERAL+ MULTIAPPEND UIDPLUS CONDSTORE LIST-EXTENDED LIST-STATUS NAMESPACE ID UNSELECT"

// OddOptions say in what an Odd server is odd. Its functions but Listing are called one
// at a time, whatever the number of connections.
type OddOptions struct {
	// Caps are announced; what is not among them is not there either. "" for OddCaps.
	Caps string
	// Lies are capabilities that are announced beside Caps without being there.
	Lies string
	// Greeting is sent instead of "* OK ready".
	Greeting string
	// Answer may answer a command instead of the server, which then does
	// nothing; "" leaves it to the server. "NO x" gets the command's tag in
	// front, what begins with "* " is sent as it is.
	Answer func(c *OddConn) string
	// Noise is sent before each tagged response.
	Noise string
	// Listing is called before a LIST is answered, and may wait.
	Listing func()
	// Fetch may rewrite the FETCH response of a message ("* 1 FETCH (...)" and
	// CRLF), or leave it out.
	Fetch func(c *OddConn, m *OddMessage, response string) string
	// Unlisted folders are there, but neither LIST nor LSUB tells of them.
	Unlisted func(folder string) bool
	// Hidden messages count, but no FETCH and no SEARCH tells of them.
	Hidden func(folder string, m *OddMessage) bool
	// Append may refuse a message ("NO x"), or change what is stored of it.
	Append func(c *OddConn, m *OddMessage) string
	// Stored and Told are how many of the messages of one APPEND are stored, and of how
	// many the UID is told; 0 for all. More than there are: the last one's again.
	Stored, Told int
	// Unites: what a folder has already is not stored there again, and its UID is told once more, as
	// Gmail does.
	Unites bool
	// Swapped UIDs are told of the messages of an APPEND, the last one's first.
	Swapped bool
	// Fleeting UIDs don't last (UIDNOTSTICKY, RFC 4315): a folder has others each time
	// it is opened.
	Fleeting bool
	// PermanentFlags are what SELECT tells, "" for the five system flags and \*.
	PermanentFlags string
	// Quota is told by GETQUOTAROOT and enforced by APPEND, in octets; 0 for none.
	// QUOTA must be among Caps.
	Quota int
}

// Odd is an IMAP server in memory that lets everybody in with any password and
// behaves well, except where it is told not to. It is for what no real server
// can be made to do.
type Odd struct {
	// Addr is host:port.
	Addr string
	// Dial connects to one that is in memory; nil for one that listens at Addr.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	tb    testing.TB
	door  door
	asked sync.Mutex // held while a function of opt runs

	mu       sync.Mutex
	opt      OddOptions
	folders  map[string]*oddFolder
	order    []string // of folders
	validity uint32
	open     int      // connections that are logged in
	heard    []string // verbs, with the names of folders
	strange  []string // lines that are no command
	changes  []string // commands that change something
}

// door counts who has come.
type door interface{ Accepted() int }

// OddMessage is a message on an Odd server.
type OddMessage struct {
	UID    uint32
	Flags  []string
	Date   string // as INTERNALDATE gives it, without the quotes
	Body   string
	modseq uint64
}

type oddFolder struct {
	validity   uint32
	next       uint32
	modseq     uint64
	subscribed bool
	messages   []*OddMessage
}

// OddConn is a connection with an Odd server, and the command it is at.
type OddConn struct {
	// Number counts the connections from 0, Open those that are logged in now.
	Number, Open int
	// Verb is in upper case ("UID FETCH"), Args the rest, with quotes and
	// literals undone for names.
	Verb string
	Args []string
	// Commands counts those of this connection, the present one included.
	Commands int
	// Identified tells whether ID was sent.
	Identified bool

	server   *Odd
	conn     net.Conn
	in       *oddReader
	tag      string
	loggedIn bool
	selected *oddFolder
	name     string // of it
	hangUp   bool
	silent   bool // the present answer gets lost
}

// Folder is the folder that is open, or the one that the command names.
func (c *OddConn) Folder() string { return c.name }

// Tell sends untagged responses, each with its CRLF.
func (c *OddConn) Tell(text string) { c.say(text) }

// ask calls a function of the options.
func (o *Odd) ask(fn func() string) string {
	o.asked.Lock()
	defer o.asked.Unlock()
	return fn()
}

// Validity is the folder's UIDVALIDITY, as text.
func (c *OddConn) Validity() string {
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	if f := c.server.folders[c.name]; f != nil {
		return strconv.FormatUint(uint64(f.validity), 10)
	}
	return "0"
}

// HangUp ends the connection once the present answer is out.
func (c *OddConn) HangUp() { c.hangUp = true }

// LoseAnswer does what the present command says and ends the connection without a word.
func (c *OddConn) LoseAnswer() { c.hangUp, c.silent = true, true }

// oddDate is the date of messages that were given none.
const oddDate = "03-Feb-2024 04:05:06 +0000"

// StartOdd starts a server with an empty INBOX.
func StartOdd(tb testing.TB, opt OddOptions) *Odd {
	tb.Helper()
	o := newOdd(tb, opt)
	relay := loopback.NewServer(tb, func(ctx context.Context, c *net.TCPConn, number int) { o.serve(ctx, c, number) })
	tb.Cleanup(relay.Finish)
	o.door, o.Addr = relay, relay.Addr
	relay.Start()
	return o
}

// OddInMemory starts a server that is reached by Dial only, for bubbles of testing/synctest. addr is what it is called.
func OddInMemory(tb testing.TB, addr string, opt OddOptions) *Odd {
	o := newOdd(tb, opt)
	relay := inmemory.NewServer(tb, addr, o.serve)
	o.door, o.Addr, o.Dial = relay, addr, relay.Dial
	return o
}

func newOdd(tb testing.TB, opt OddOptions) *Odd {
	if opt.Caps == "" {
		opt.Caps = OddCaps
	}
	o := &Odd{tb: tb, opt: opt, folders: map[string]*oddFolder{}, validity: 1000}
	o.Create("INBOX")
	return o
}

// Server describes the server as a configuration does: plain text.
func (o *Odd) Server() config.Server { return At(config.Server{Security: config.Insecure}, o.Addr) }

// Change changes what is odd, for the commands that follow.
func (o *Odd) Change(fn func(opt *OddOptions)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	fn(&o.opt)
}

// Create makes a folder.
func (o *Odd) Create(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.create(name)
}

func (o *Odd) create(name string) bool {
	if o.folders[name] != nil {
		return false
	}
	o.validity++
	o.folders[name] = &oddFolder{validity: o.validity, next: 1, modseq: 1}
	o.order = append(o.order, name)
	return true
}

// Rename gives a folder another name, as somebody does in a webmail. What is below it
// stays. anew gives it and its messages other numbers, as some servers do.
func (o *Odd) Rename(from, to string, anew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f, at := o.folders[from], slices.Index(o.order, from)
	if f == nil || o.folders[to] != nil {
		o.tb.Errorf("lab: %q can't become %q", from, to)
		return
	}
	delete(o.folders, from)
	o.folders[to], o.order[at] = f, to
	if anew {
		o.renumber(f)
	}
}

// Delete removes a folder.
func (o *Odd) Delete(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.folders[name] == nil {
		o.tb.Errorf("lab: no folder %q", name)
	}
	delete(o.folders, name)
	o.order = slices.DeleteFunc(o.order, func(n string) bool { return n == name })
}

// Renumber gives a folder another UIDVALIDITY and its messages other UIDs.
func (o *Odd) Renumber(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.renumber(o.folders[name])
}

// Folders returns the names of all folders, in order.
func (o *Odd) Folders() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Sorted(slices.Values(o.order))
}

// Deliver puts a message into a folder and returns its UID. date may be "".
func (o *Odd) Deliver(folder, body, date string, flags ...string) uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.folders[folder]
	if f == nil {
		o.tb.Errorf("lab: no folder %q", folder)
		return 0
	}
	return f.add(&OddMessage{Flags: flags, Date: date, Body: body}).UID
}

func (f *oddFolder) add(m *OddMessage) *OddMessage {
	if m.Date == "" {
		m.Date = oddDate
	}
	f.modseq++
	m.UID, m.modseq = f.next, f.modseq
	f.next++
	f.messages = append(f.messages, m)
	return m
}

// Messages returns what is in a folder, in order.
func (o *Odd) Messages(folder string) []OddMessage {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []OddMessage
	if f := o.folders[folder]; f != nil {
		for _, m := range f.messages {
			c := *m
			c.Flags = slices.Clone(m.Flags)
			slices.Sort(c.Flags)
			all = append(all, c)
		}
	}
	return all
}

// SetFlags replaces the flags of the messages with a body.
func (o *Odd) SetFlags(folder, body string, flags ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.folders[folder]
	f.modseq++
	for _, m := range f.messages {
		if m.Body == body {
			m.Flags, m.modseq = flags, f.modseq
		}
	}
}

// Remove expunges the messages with a body.
func (o *Odd) Remove(folder, body string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.folders[folder]
	f.modseq++
	f.messages = slices.DeleteFunc(f.messages, func(m *OddMessage) bool { return m.Body == body })
}

// renumber gives a folder other UIDs. The caller holds the lock.
func (o *Odd) renumber(f *oddFolder) {
	o.validity++
	f.validity, f.next = o.validity, 1+o.validity%7
	for _, m := range f.messages {
		m.UID = f.next
		f.next += 2
	}
}

// Heard returns the verbs of all commands so far, those about a folder with
// its name.
func (o *Odd) Heard() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.heard)
}

// Count counts the commands with a verb.
func (o *Odd) Count(verb string) int {
	n := 0
	for _, h := range o.Heard() {
		if h == verb || strings.HasPrefix(h, verb+" ") {
			n++
		}
	}
	return n
}

// Strange returns the lines that were no commands: mail that was taken for
// commands, mostly.
func (o *Odd) Strange() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.strange)
}

// Changes returns the commands that change the server, or would clear \Recent
// or set \Seen.
func (o *Odd) Changes() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.changes)
}

// Connections counts the connections so far.
func (o *Odd) Connections() int {
	return o.door.Accepted()
}

func (o *Odd) serve(_ context.Context, conn net.Conn, number int) {
	c := &OddConn{Number: number, server: o, conn: conn, in: newOddReader(conn)}
	o.mu.Lock()
	greeting := o.opt.Greeting
	o.mu.Unlock()
	if greeting == "" {
		greeting = "* OK ready"
	}
	c.say(greeting + "\r\n")
	if strings.HasPrefix(greeting, "* BYE") {
		return
	}
	for !c.hangUp && c.next() {
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if c.loggedIn {
		o.open--
	}
}

// writePatience bounds how long a client is waited for that does not read.
const writePatience = 10 * time.Second

// say sends text. An error shows when the next command is read.
func (c *OddConn) say(text string) {
	_ = c.conn.SetWriteDeadline(time.Now().Add(writePatience))
	_, _ = c.conn.Write([]byte(text))
}
