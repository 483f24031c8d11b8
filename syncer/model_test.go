package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
)

// TestModel drives the engine with random histories of two servers, a client and
// failures, and checks after each history that every old message is on the new
// server exactly once unless there is a reason for it not to be.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		defer m.close()
		t.Repeat(map[string]func(*rapid.T){
			"deliverOld":  m.deliverOld,
			"deliverOld2": m.deliverOld,
			"deliverNew":  m.deliverNew,
			"flagOld":     m.flagOld,
			"flagNew":     m.flagNew,
			"removeOld":   m.removeOld,
			"removeNew":   m.removeNew,
			"renameNew":   m.renameNew,
			"deleteNew":   m.deleteFolderNew,
			"addOld":      m.addFolderOld,
			"pass":        m.passWithFault,
			"pass2":       m.passWithFault,
			"visit":       m.visitFolder,
			"restart":     m.restart,
			"validity":    m.changeValidity,
			"":            m.neverTwice,
		})
		m.quiesce()
	})
}

// model is what the history has done so far.
type model struct {
	t     *rapid.T
	pair  *fakePair
	cfg   config.Config
	dir   string
	db    *store.Bolt
	store *faultyStore
	id    store.AccountID
	n     int

	engine *Engine
	stop   func()

	history []string

	repaired map[string]string // what a body becomes when the new server refuses it as it is -> the body

	removed  map[string]bool // bodies the user removed on the new server, or whose folder was
	gone     map[string]bool // bodies that left the old server
	oldFlags map[string]bool // bodies whose flags changed on the old server
	newFlags map[string]bool // the same on the new one
	renamed  map[string]string
	lostDirs map[string]bool // new folders the user deleted
}

func newModel(t *rapid.T) *model {
	dir, err := os.MkdirTemp(shm(), "postferry-model-")
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(dir, store.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	m := &model{t: t, dir: dir, db: db, pair: &fakePair{old: newFakeServer(), new: newFakeServer()},
		repaired: map[string]string{}, removed: map[string]bool{}, gone: map[string]bool{}, oldFlags: map[string]bool{}, newFlags: map[string]bool{},
		renamed: map[string]string{}, lostDirs: map[string]bool{}}
	m.store = &faultyStore{Store: db, fault: func(string) error { return nil }}
	m.cfg = config.Default()
	m.cfg.Sync.Memory = 1 << 20
	m.cfg.Domains = []config.Domain{{Name: "example.com",
		Old: config.Server{Security: config.Insecure, Host: "old.example", Port: 143},
		New: config.Server{Security: config.Insecure, Host: "new.example", Port: 143}}}
	c := store.Credentials{Login: "anna@example.com", Password: "secret"}
	rows, _, err := db.PutAccounts(context.Background(), []store.Account{{
		Domain: "example.com", Login: "anna@example.com", Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		t.Fatal(err)
	}
	m.id = rows[0].ID
	m.pair.new.refuse = refuseLikeCyrus
	m.pair.new.uidplus = rapid.Bool().Draw(t, "uidplus")
	m.pair.old.condstor = rapid.Bool().Draw(t, "condstore")
	m.pair.old.add("INBOX")
	m.pair.new.add("INBOX")
	m.pair.old.add("Work")
	m.startEngine()
	return m
}

// shm is a folder in memory where there is one: thousands of databases are made.
func shm() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (m *model) startEngine() {
	e, err := New(&m.cfg, m.store, zerolog.Nop())
	if err != nil {
		m.t.Fatal(err)
	}
	e.shared.dial = m.pair.dialers()
	e.shared.quiet = 6 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = e.Run(ctx, false)
	}()
	m.engine, m.stop = e, func() { cancel(); <-ended }
}

func (m *model) close() {
	m.stop()
	m.db.Close()
	os.RemoveAll(m.dir)
}

func (m *model) restart(*rapid.T) {
	m.note("restart")
	m.stop()
	m.startEngine()
}

// note writes the history that a failure is explained by: what drawing shows
// is not enough, as background work makes histories differ between runs.
func (m *model) note(format string, args ...any) {
	m.history = append(m.history, fmt.Sprintf(format, args...))
}

// fail ends the test with the history.
func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format+"\nhistory:\n%s", append(args, strings.Join(m.history, "\n"))...)
}

// body makes a message that is like no other.
func (m *model) body() string {
	m.n++
	if m.n%7 == 0 { // the new server takes it only repaired
		body := fmt.Sprintf("Message-ID: <%d@example.com>\nFrom: a@example.com\n\n\x00%s\n", m.n, strings.Repeat("line\n", m.n))
		if m.n%2 == 0 {
			body = strings.TrimPrefix(body, fmt.Sprintf("Message-ID: <%d@example.com>\n", m.n))
		}
		fixed, _ := repairMessage([]byte(body), nil, "")
		m.repaired[string(fixed.body)] = body
		return body
	}
	if m.n%5 == 0 { // without Message-ID
		return fmt.Sprintf("From: a@example.com\r\nSubject: quota %d\r\n\r\n%s\r\n", m.n, strings.Repeat("x", m.n))
	}
	return mail(m.n)
}

// original is the body of the old server that one of the new server stands for.
func (m *model) original(body string) string {
	if was, ok := m.repaired[body]; ok {
		return was
	}
	return body
}

func (m *model) pick(t *rapid.T, s *fakeServer) (folder, body string) {
	s.mu.Lock()
	var all [][2]string
	for name, b := range s.folders {
		for _, msg := range b.messages {
			all = append(all, [2]string{name, string(msg.body)})
		}
	}
	s.mu.Unlock()
	if len(all) == 0 {
		return "", ""
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	p := rapid.SampledFrom(all).Draw(t, "message")
	return p[0], p[1]
}

func (m *model) folderOf(t *rapid.T, s *fakeServer) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.folders {
		names = append(names, name)
	}
	slices.Sort(names)
	return rapid.SampledFrom(names).Draw(t, "folder")
}

func (m *model) deliverOld(t *rapid.T) {
	name := m.folderOf(t, m.pair.old)
	for range rapid.IntRange(1, 8).Draw(t, "count") {
		m.pair.old.deliver(name, m.body(), imap.FlagSeen)
		m.note("old %s: message %d", name, m.n)
	}
}

func (m *model) deliverNew(t *rapid.T) {
	m.pair.new.deliver(m.folderOf(t, m.pair.new), "new "+m.body())
}

func (m *model) flagOld(t *rapid.T) {
	if name, body := m.pick(t, m.pair.old); name != "" {
		m.oldFlags[body] = true
		m.note("old %s: flags of %q", name, body)
		m.pair.old.setFlags(name, body, rapid.SampledFrom([][]imap.Flag{{}, {imap.FlagSeen}, {imap.FlagFlagged, "$Work"}}).Draw(t, "flags")...)
	}
}

func (m *model) flagNew(t *rapid.T) {
	if name, body := m.pick(t, m.pair.new); name != "" {
		m.newFlags[m.original(body)] = true
		m.pair.new.setFlags(name, body, imap.FlagDraft)
	}
}

func (m *model) removeOld(t *rapid.T) {
	if name, body := m.pick(t, m.pair.old); name != "" {
		m.gone[body] = true
		m.note("old %s: removed %q", name, body)
		m.pair.old.remove(name, body)
	}
}

// unjudged tells whether a crash has left intents behind. What a user removes
// between the append and its proof can't be told from what never arrived, and
// losing mail is worse than bringing it back; so the histories don't do it.
func (m *model) unjudged() bool {
	folders, err := m.db.Folders(context.Background(), m.id)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range folders {
		l, err := m.db.Ledger(context.Background(), m.id, f.ID)
		if err != nil {
			m.t.Fatal(err)
		}
		if len(l.Intents) > 0 {
			return true
		}
	}
	return false
}

func (m *model) removeNew(t *rapid.T) {
	if m.unjudged() {
		return
	}
	if name, body := m.pick(t, m.pair.new); name != "" {
		m.removed[m.original(body)] = true
		m.note("new %s: removed %q", name, body)
		m.pair.new.remove(name, body)
	}
}

func (m *model) userFolder(t *rapid.T) string {
	name := m.folderOf(t, m.pair.new)
	if name == "INBOX" {
		return ""
	}
	return name
}

func (m *model) renameNew(t *rapid.T) {
	from := m.userFolder(t)
	if from == "" {
		return
	}
	m.n++
	to := fmt.Sprintf("Renamed%d", m.n)
	m.note("new %s: renamed to %s", from, to)
	m.pair.new.mu.Lock()
	m.pair.new.folders[to] = m.pair.new.folders[from]
	delete(m.pair.new.folders, from)
	m.pair.new.mu.Unlock()
	if err := m.engine.Changed(context.Background(), m.id, "RENAME", from, to); err != nil {
		t.Fatal(err)
	}
}

func (m *model) deleteFolderNew(t *rapid.T) {
	name := m.userFolder(t)
	if name == "" || m.unjudged() {
		return
	}
	m.note("new %s: deleted", name)
	m.pair.new.mu.Lock()
	for _, msg := range m.pair.new.folders[name].messages {
		m.removed[m.original(string(msg.body))] = true
	}
	delete(m.pair.new.folders, name)
	m.pair.new.mu.Unlock()
	m.lostDirs[name] = true
	if err := m.engine.Changed(context.Background(), m.id, "DELETE", name, ""); err != nil {
		t.Fatal(err)
	}
}

func (m *model) addFolderOld(*rapid.T) {
	m.n++
	m.pair.old.add(fmt.Sprintf("Folder%d", m.n))
}

func (m *model) changeValidity(t *rapid.T) {
	name := m.folderOf(t, m.pair.old)
	m.pair.old.mu.Lock()
	defer m.pair.old.mu.Unlock()
	m.note("old %s: UIDVALIDITY changed", name)
	// A session that has the folder open goes on with what it knows.
	was := m.pair.old.folders[name]
	now := &fakeFolder{validity: was.validity + 5000, next: 1, modseq: was.modseq, sub: was.sub}
	for i, msg := range was.messages {
		c := *msg
		c.uid = imap.UID(2*i + 1)
		now.next = c.uid + 1
		now.messages = append(now.messages, &c)
	}
	m.pair.old.folders[name] = now
}

// trouble is one planned failure.
type trouble struct {
	mu    sync.Mutex
	after int // steps until it strikes
	kind  string
	hit   bool
	at    string
	dead  bool // after a crash nothing works any more
}

var codes = []imap.ResponseCode{imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeServerBug,
	imap.ResponseCodeLimit, imap.ResponseCodeOverQuota, imap.ResponseCodeCannot, imap.ResponseCodeNoPerm}

// strike is the fault function of both servers and the store.
func (f *trouble) strike(step string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := &upstream.Error{Server: "fake", Op: step, Class: upstream.Lost, Err: io.ErrUnexpectedEOF}
	if f.dead {
		return lost
	}
	f.after--
	if f.after != 0 {
		return nil
	}
	f.hit = true
	f.at = step
	switch f.kind {
	case "cut":
		return lost
	case "crash":
		f.dead = true
		return lost
	}
	if strings.HasPrefix(step, "-") {
		return lost // a NO after the fact would be a lie
	}
	code := imap.ResponseCode(f.kind)
	class := upstream.Later
	switch code {
	case imap.ResponseCodeOverQuota:
		class = upstream.Fix
	case imap.ResponseCodeCannot, imap.ResponseCodeNoPerm:
		class = upstream.Refused
	}
	return &upstream.Error{Server: "fake", Op: step, Class: class, Code: code, Err: errors.New("NO")}
}

// outcome tells where it has struck, if it has. What the engine does in the
// background may still be struck meanwhile.
func (f *trouble) outcome() (at string, struck bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at, f.hit
}

func (m *model) plan(t *rapid.T) *trouble {
	f := &trouble{after: rapid.IntRange(0, 60).Draw(t, "steps"), kind: rapid.SampledFrom([]string{"cut", "crash", "cut", "crash", "NO"}).Draw(t, "trouble")}
	if f.kind == "NO" {
		f.kind = string(rapid.SampledFrom(codes).Draw(t, "code"))
	}
	return f
}

func (m *model) set(fault func(string) error) {
	for _, s := range []*fakeServer{m.pair.old, m.pair.new} {
		s.mu.Lock()
		s.fault = fault
		s.mu.Unlock()
	}
	m.store.set(fault)
}

func (m *model) passWithFault(t *rapid.T) {
	f := m.plan(t)
	m.set(f.strike)
	res := m.pass()
	m.set(func(string) error { return nil })
	at, struck := f.outcome()
	m.note("pass: %s struck %q; %+v", f.kind, at, res.Pass)
	if struck {
		m.restart(t) // resting servers and refused accounts begin anew
		_ = m.engine.Updated(context.Background(), []store.AccountID{m.id})
	}
}

func (m *model) pass() Result {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	results, err := m.engine.Sync(ctx, []store.AccountID{m.id}, nil)
	if err != nil {
		m.t.Fatalf("Sync: %v", err)
	}
	return results[0]
}

func (m *model) visitFolder(t *rapid.T) {
	name := m.folderOf(t, m.pair.new)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	m.note("visit %s", name)
	m.engine.Connected(ctx, m.id)
	m.engine.Visit(ctx, m.id, name, nil)
	m.engine.Disconnected(m.id)
}

// copies counts each body on the new server.
func (m *model) copies() map[string]int {
	m.pair.new.mu.Lock()
	defer m.pair.new.mu.Unlock()
	all := map[string]int{}
	for _, b := range m.pair.new.folders {
		for _, msg := range b.messages {
			all[m.original(string(msg.body))]++
		}
	}
	return all
}

func (m *model) neverTwice(*rapid.T) {
	for body, n := range m.copies() {
		if n > 1 {
			m.fail("%d copies of %q", n, body)
		}
		if m.removed[body] {
			m.fail("came back after its user removed it: %q", body)
		}
	}
}

// quiesce ends the history: two undisturbed passes, then everything must be there.
func (m *model) quiesce() {
	m.restart(nil)
	_ = m.engine.Updated(context.Background(), []store.AccountID{m.id})
	m.pass()
	if res := m.pass(); res.Problem != nil || !res.Pass.Complete {
		m.fail("the last pass is not complete: %+v, problem %+v\n%s", res.Pass, res.Problem, m.dump())
	}
	m.neverTwice(m.t)
	excused := m.excused()
	copies := m.copies()
	m.pair.old.mu.Lock()
	defer m.pair.old.mu.Unlock()
	for name, b := range m.pair.old.folders {
		for _, msg := range b.messages {
			body := string(msg.body)
			if copies[body] == 0 && !m.removed[body] && !excused[name] && !excused[name+"\x00"+string(imapKey(b.validity, msg.uid))] {
				m.fail("%s: lost: %q", name, body)
			}
			if copies[body] == 1 && !m.newFlags[body] {
				if got := m.newFlagsOf(body); !slices.Equal(got, msg.flags) {
					m.fail("%s: flags %v on the old server, %v on the new: %q", name, msg.flags, got, body)
				}
			}
		}
	}
	for _, op := range m.pair.old.log {
		if slices.Contains([]string{"SELECT", "STORE", "APPEND", "CREATE", "SUBSCRIBE"}, op) {
			m.t.Fatalf("%s went to the old server", op)
		}
	}
}

// dump shows the old folders beside their ledgers.
func (m *model) dump() string {
	var b strings.Builder
	folders, _ := m.db.Folders(context.Background(), m.id)
	for _, f := range folders {
		box := m.pair.old.folders[f.Old]
		l, _ := m.db.Ledger(context.Background(), m.id, f.ID)
		fmt.Fprintf(&b, "%s -> %s %s, checkpoint %+v; old: validity %d, uidnext %d, modseq %d, messages", f.Old, f.New, f.State, f.Checkpoint, box.validity, box.next, box.modseq)
		for _, msg := range box.messages {
			fmt.Fprintf(&b, " %d", msg.uid)
		}
		fmt.Fprintf(&b, "; ledger")
		for _, e := range l.Entries {
			fmt.Fprintf(&b, " %s=%d", keyText(e.Key), e.UID)
		}
		fmt.Fprintf(&b, "; intents %d, quarantine %d\n", len(l.Intents), len(l.Quarantine))
	}
	return b.String()
}

// excused are old folders whose user deleted them on the new server, and quarantined messages.
func (m *model) excused() map[string]bool {
	out := map[string]bool{}
	folders, err := m.db.Folders(context.Background(), m.id)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range folders {
		if f.State == store.FolderDeleted {
			if !m.lostDirs[f.New] && !strings.HasPrefix(f.New, "Renamed") {
				m.fail("%s counts as deleted, but nobody deleted it", f.New)
			}
			out[f.Old] = true
		}
		l, err := m.db.Ledger(context.Background(), m.id, f.ID)
		if err != nil {
			m.t.Fatal(err)
		}
		for _, q := range l.Quarantine {
			out[f.Old+"\x00"+string(q.Key)] = true
		}
	}
	return out
}

func (m *model) newFlagsOf(body string) []imap.Flag {
	m.pair.new.mu.Lock()
	defer m.pair.new.mu.Unlock()
	for _, b := range m.pair.new.folders {
		for _, msg := range b.messages {
			if m.original(string(msg.body)) == body {
				return msg.flags
			}
		}
	}
	return nil
}

// faultyStore fails where it is told to.
type faultyStore struct {
	store.Store
	mu    sync.Mutex
	fault func(string) error
}

func (s *faultyStore) set(fault func(string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = fault
}

func (s *faultyStore) step(op string) error {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	if err := fault(op); err != nil {
		return fmt.Errorf("the disk: %s", op)
	}
	return nil
}

func (s *faultyStore) Commit(ctx context.Context, b store.Batch) error {
	if err := s.step("+COMMIT"); err != nil {
		return err
	}
	if err := s.Store.Commit(ctx, b); err != nil {
		return err
	}
	return s.step("-COMMIT")
}

func (s *faultyStore) PutFolders(ctx context.Context, id store.AccountID, f []store.Folder) ([]store.Folder, error) {
	if err := s.step("+FOLDERS"); err != nil {
		return nil, err
	}
	rows, err := s.Store.PutFolders(ctx, id, f)
	if err == nil {
		err = s.step("-FOLDERS")
	}
	return rows, err
}
