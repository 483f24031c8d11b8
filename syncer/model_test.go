package syncer

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"postferry/config"
	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer/message"
	"postferry/syncer/session"
)

// modelTime is the environment variable that says for how long TestModel goes
// on (1h30m, 60s); without it, it draws as many histories as -rapid.checks says.
const modelTime = "MODEL_TIME"

// modelAccidents is the environment variable with which TestModel draws any number of other people's accidents in a history,
// and what people do at the old server, instead of one accident.
const modelAccidents = "MODEL_ACCIDENTS"

// fewAccidents is how many accidents befall the servers and the ledger in one history at most, unless modelAccidents says
// otherwise. More of them can come to what neither the engine nor the model tells apart.
const fewAccidents = 1

// anyAccidents tells whether a long run draws what one history in some thousands still deviates with: any number of accidents, answers
// that lack something, a second login, a folder that shows all mail, and what people do at the old server.
func anyAccidents() bool { return os.Getenv(modelAccidents) != "" }

// TestModel drives the engine with random histories of two servers, a client and
// failures, and checks after each step that nothing is there too often, and after
// each complete pass and each history that every old message is on the new server
// exactly once unless there is a reason for it not to be. rapid prints the
// seed of a history that fails; the history is printed as well, because what the engine
// does at the same time makes histories of one seed differ.
func TestModel(t *testing.T) {
	t.Parallel()
	var end time.Time
	if limit := os.Getenv(modelTime); limit != "" {
		d, err := time.ParseDuration(limit)
		if err != nil {
			t.Fatalf("%s: %v", modelTime, err)
		}
		end = time.Now().Add(d)
	}
	var done tally
	for first := true; first || time.Now().Before(end); first = false {
		rapid.Check(t, func(drawn *rapid.T) { carried(t, drawn, func(drawn *rapid.T) { history(drawn, &done) }) })
		t.Log(&done)
		if e := done.excuses.tooMany(done.histories.Load()); e != "" {
			t.Fatalf("more than one history of %d needs the excuse %q", excusedMost, e)
		}
	}
}

// carried runs a history in a bubble of its own, and panics with what it panics with: rapid ends a history like that, and
// wants to hear of it in the goroutine that it runs the history in.
func carried(t *testing.T, drawn *rapid.T, history func(*rapid.T)) {
	var panicked any
	inBubble(t, func(*testing.T) {
		defer func() { panicked = recover() }()
		history(drawn)
	})
	switch { // rapid takes what is thrown in one line for one failure
	case panicked == nil:
	case drawn.Failed():
		panic(panicked)
	default: // among them that there is nothing more to be drawn
		panic(panicked)
	}
}

// tally counts what was tried, over all histories.
type tally struct {
	histories, steps, passes, strikes atomic.Int64
	excuses                           uses
}

func (c *tally) String() string {
	return fmt.Sprintf("%d histories, %d steps, %d passes, of which %d met trouble; histories with excuses: %s",
		c.histories.Load(), c.steps.Load(), c.passes.Load(), c.strikes.Load(), &c.excuses)
}

func history(t *rapid.T, done *tally) {
	m := newModel(t, done)
	defer m.close()
	actions := map[string]func(*rapid.T){
		"deliver to old":       m.deliverOld,
		"deliver to old again": m.deliverOld, // twice, as it should come often
		"deliver twin to old":  m.deliverTwin,
		"deliver to new":       m.deliverNew,
		"deliver to both":      m.deliverBoth,
		"flag on old":          m.flagOld,
		"flag on new":          m.flagNew,
		"delete on old":        m.removeOld,
		"delete on new":        m.removeNew,
		"expunge on new":       m.expungeNew,
		"move on new":          m.moveNew,
		"rename on new":        m.renameNew,
		"delete folder on new": m.deleteFolderNew,
		"add folder to old":    m.addFolderOld,
		"pass":                 m.passWithTrouble,
		"another pass":         m.passWithTrouble,
		"visit":                m.visitFolder,
		"stop":                 m.stopAndBegin,
		"restart":              m.restart,
		"renumber old":         m.renumberOld,
		"renumber new":         m.renumberNew,
		"lose ledger":          m.loseLedger,
		"":                     m.neverTwice,
	}
	t.Repeat(with(actions, m.precautions(), m.accidents(), m.oldActions(), m.clientActions(), m.secondActions(), m.allMailActions(), m.labelActions()))
	m.quiesce()
	done.histories.Add(1)
	done.excuses.add(m.used)
}

// precautions are what accidents need, and what ends one.
func (m *model) precautions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"back up old":    m.backUpOld,
		"back up new":    m.backUpNew,
		"back up ledger": m.backUpLedger,
		"a day passes":   m.passDay,
		"show":           m.show,
	}
}

// accidents are what befalls servers, folders and ledgers from outside, without the engine being told.
func (m *model) accidents() map[string]func(*rapid.T) {
	all := map[string]func(*rapid.T){
		"put old back":    m.putOldBack,
		"put new back":    m.putNewBack,
		"number old":      m.numberOld,
		"number new":      m.numberNew,
		"restart modseq":  m.restartModSeq,
		"put ledger back": m.putLedgerBack,
		"rename untold":   m.renameUntold,
		"delete untold":   m.deleteUntold,
		"hide":            m.hide,
	}
	left := fewAccidents
	if anyAccidents() {
		left = math.MaxInt
		all["replace old"] = m.replaceOld
	}
	for name, accident := range all {
		all[name] = func(t *rapid.T) {
			before := len(m.history)
			if left > 0 {
				accident(t)
			}
			if len(m.history) > before {
				left--
			}
		}
	}
	return all
}

// model is what the history has done so far. Messages are known by their bodies.
type model struct {
	t      *rapid.T
	done   *tally
	pair   *fakePair
	cfg    config.Config
	dir    string
	db     *bolt.Store
	store  *faultyStore
	id     store.AccountID
	second store.AccountID // leads to the same mailboxes; 0 for none
	n      int

	engine  *Engine
	clients int // connected with it
	stop    func()

	history []string

	repaired   map[string]string // what a body becomes when the new server refuses it as it is -> the body
	limit      map[string]int    // how many copies there may have been since the ledger was lost the last time
	removed    map[string]int    // how many of them the user removed
	mine       map[string][]imap.Flag
	moved      map[string]int                 // how often the user moved one
	left       map[string]map[string]int      // what its user has removed or moved from a new folder, by body
	leftAt     map[string]map[string]imap.UID // the highest UID that it had there
	own        map[string]int                 // the user's own mail on the new server, with what was removed of it
	astray     map[string][]string            // former names of folders that were renamed without a word
	late       map[string]int                 // what the new server has stored late, by body; guarded by lateMu
	lateMu     sync.Mutex
	backup     *copyOfLedger // nil for none
	backups    []kept
	usedAgain  map[string]bool           // old folders whose UIDs may have been others before
	unseen     map[string]bool           // new folders that were put back: until the engine has seen that, nothing else befalls them that it could not tell from it
	numbered   map[string]bool           // new folders whose messages have other UIDs, likewise
	counted    map[string]uint64         // highest HIGHESTMODSEQ of old folders that count anew since the last pass
	excused    map[excuse]map[string]int // how many copies more there may be
	used       map[excuse]bool
	unclear    map[string]bool     // whether the old server's flags are there depends on more than the model knows
	uncarried  map[string]bool     // they may be there only when all flags have been compared, once a day
	dayLater   bool                // a day has passed since the last pass
	filed      map[string]bool     // delivered to a folder while another one shows all mail
	stray      map[string]bool     // moved by the user, or delivered to both servers
	movedOld   map[string]bool     // moved on the old server
	unarchived map[string]bool     // in a folder of the old server again that was put back, and in all mail before
	movedFrom  map[string][]string // what was moved from old folders since then
	shifted    bool                // something was moved there since the last pass
	visited    bool                // somebody has opened a folder since then
	double     map[string]bool     // may have copies of its own right besides ours
	lostDirs   map[string]bool     // new folders the user deleted
	labelled   map[string][]string // shows, or has shown, in these folders of the old server; nil where messages have no labels
	final      bool                // the history has ended: nothing is to come any more
	amnesia    bool                // the ledger was lost, and no pass has been complete since
}

func newModel(t *rapid.T, done *tally) *model {
	m := &model{t: t, done: done, pair: &fakePair{old: newFakeServer(), new: newFakeServer()},
		repaired: map[string]string{}, limit: map[string]int{}, removed: map[string]int{}, mine: map[string][]imap.Flag{},
		unclear: map[string]bool{}, uncarried: map[string]bool{}, stray: map[string]bool{}, filed: map[string]bool{}, movedOld: map[string]bool{}, unarchived: map[string]bool{}, movedFrom: map[string][]string{}, double: map[string]bool{}, lostDirs: map[string]bool{},
		moved: map[string]int{}, left: map[string]map[string]int{}, leftAt: map[string]map[string]imap.UID{}, own: map[string]int{}, counted: map[string]uint64{}, unseen: map[string]bool{}, usedAgain: map[string]bool{}, late: map[string]int{}, astray: map[string][]string{}, numbered: map[string]bool{},
		excused: map[excuse]map[string]int{}, used: map[excuse]bool{}}
	m.store = &faultyStore{fault: noFault}
	m.cfg = config.Default()
	m.cfg.Sync.Memory = 64 << 10 // so that messages of 16 KB are large
	m.cfg.Domains = []config.Domain{{Name: "example.com",
		Old: config.Server{Security: config.Insecure, Host: "old.example", Port: 143},
		New: config.Server{Security: config.Insecure, Host: "new.example", Port: 143}}}
	m.openStore()
	m.drawServers(t)
	for _, s := range []*fakeServer{m.pair.old, m.pair.new} {
		s.add("INBOX")
	}
	m.pair.old.add("Work")
	m.drawAllMail(t)
	m.drawLabels(t)
	m.startEngine()
	return m
}

// drawServers decides what the servers can.
func (m *model) drawServers(t *rapid.T) {
	often := func(label string) bool { return rapid.IntRange(0, 3).Draw(t, label) > 0 }
	m.pair.new.refuse = m.refuse
	m.pair.new.stored = m.storedLate
	m.pair.new.uidplus = rapid.Bool().Draw(t, "UIDPLUS")
	m.pair.new.single = !often("MULTIAPPEND")
	m.pair.new.moves = rapid.Bool().Draw(t, "MOVE")
	m.pair.new.fleeting = !often("new UIDs last")
	m.pair.old.fleeting = !often("old UIDs last") && !often("old UIDs last indeed")
	m.pair.old.condstor = rapid.Bool().Draw(t, "CONDSTORE") && !m.pair.old.fleeting
	if !often("low UIDs") { // then folders are listed before their messages are asked for
		m.pair.old.first = session.ListWindow
	}
	m.note("new server: UIDPLUS %t, MULTIAPPEND %t, lasting UIDs %t; old server: CONDSTORE %t, lasting UIDs %t",
		m.pair.new.uidplus, !m.pair.new.single, !m.pair.new.fleeting, m.pair.old.condstor, !m.pair.old.fleeting)
}

// openStore begins with an empty store.
func (m *model) openStore() {
	dir, err := os.MkdirTemp(shm(), "postferry-model-")
	if err != nil {
		m.t.Fatal(err)
	}
	if m.db, err = bolt.Open(dir, bolt.Options{Command: "test"}); err != nil {
		m.t.Fatal(err)
	}
	m.dir, m.store.Store, m.store.unproved = dir, m.db, newUnproved()
	c := store.Credentials{Login: "anna@example.com", Password: annasPassword}
	rows, _, err := m.db.PutAccounts(context.Background(), []store.Account{{
		Domain: "example.com", Login: "anna@example.com", Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		m.t.Fatal(err)
	}
	m.id = rows[0].ID
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
	e.shared.dial = m.dialers()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = e.Run(ctx, false)
	}()
	m.engine, m.clients, m.stop = e, 0, func() { cancel(); <-ended }
}

func (m *model) close() {
	m.stop()
	m.closeStore()
	m.dropBackup()
}

func (m *model) closeStore() {
	m.db.Close()
	os.RemoveAll(m.dir)
}

func (m *model) restart(*rapid.T) {
	m.note("restart")
	m.stop()
	m.startEngine()
}

// note writes the history that a failure is explained by.
func (m *model) note(format string, args ...any) {
	m.done.steps.Add(1)
	m.history = append(m.history, fmt.Sprintf(format, args...))
}

// fail ends the test with the history.
func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format+"\nhistory:\n%s\n%s", append(args, strings.Join(m.history, "\n"), m.dump())...)
}

// body makes a message that is like no other.
func (m *model) body() string {
	m.n++
	id := fmt.Sprintf("Message-ID: <%d@example.com>\r\nFrom: a@example.com\r\n", m.n)
	switch {
	case m.n%7 == 0: // the new server takes it only repaired
		body := fmt.Sprintf("Message-ID: <%d@example.com>\nFrom: a@example.com\n\n\x00%s\n", m.n, strings.Repeat("line\n", m.n))
		if m.n%2 == 0 {
			body = strings.TrimPrefix(body, fmt.Sprintf("Message-ID: <%d@example.com>\n", m.n))
		}
		fixed, _ := message.RepairMessage([]byte(body), nil, "")
		m.repaired[string(fixed.Body)] = body
		return body
	case m.n%5 == 0: // without Message-ID
		return fmt.Sprintf("From: a@example.com\r\nSubject: quota %d\r\n\r\n%s\r\n", m.n, strings.Repeat("x", m.n))
	case m.n%11 == 0: // the new server never takes it
		return id + fmt.Sprintf("%s%s\r\n\r\nText\r\n", refusedField, forMessages[m.n%len(forMessages)])
	case m.n%13 == 0: // too large to be held in memory
		return id + "\r\n" + strings.Repeat("a line of a large message\r\n", 800)
	}
	return mail(m.n)
}

// refusedField is in messages that the new server refuses with the code it gives.
const refusedField = "X-Refused: "

// refuse is what the new server does with a message.
func (m *model) refuse(body []byte) error {
	if _, rest, ok := strings.Cut(string(body), refusedField); ok {
		code, _, _ := strings.Cut(rest, "\r\n")
		return refusedError("APPEND", imap.ResponseCode(code))
	}
	return refuseLikeCyrus(body)
}

// original is the body of the old server that one of the new server stands for.
func (m *model) original(body string) string {
	if was, ok := m.repaired[body]; ok {
		return was
	}
	return body
}

// count counts each body in each folder of a server.
func (m *model) count(s *fakeServer) map[string]map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]map[string]int{}
	folders := maps.Clone(s.folders)
	maps.Copy(folders, s.hidden)
	for name, b := range folders {
		all[name] = map[string]int{}
		for _, msg := range b.messages {
			all[name][m.original(string(msg.body))]++
		}
	}
	return all
}

// total adds up what count counts.
func total(folders map[string]map[string]int) map[string]int {
	all := map[string]int{}
	for _, bodies := range folders {
		for body, n := range bodies {
			all[body] += n
		}
	}
	return all
}

// dump shows the old folders beside their ledgers.
func (m *model) dump() string {
	var b strings.Builder
	folders, _ := m.db.Folders(context.Background(), m.id)
	for _, f := range folders {
		l, _ := m.db.Ledger(context.Background(), m.id, f.ID)
		if len(l.Entries)+len(l.Intents)+len(l.Quarantine)+int(f.Checkpoint.Messages) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%s -> %s %s, checkpoint %+v\n", f.Old, f.New, f.State, f.Checkpoint)
		for i, s := range []*fakeServer{m.pair.old, m.pair.new} {
			name := []string{f.Old, f.New}[i]
			if box := s.folders[name]; box != nil {
				fmt.Fprintf(&b, "  %s: validity %d, uidnext %d, modseq %d, messages", name, box.validity, box.next, box.modseq)
				for _, msg := range box.messages {
					fmt.Fprintf(&b, " %d", msg.uid)
				}
				b.WriteByte('\n')
			}
		}
		b.WriteString("  ledger")
		for _, e := range l.Entries {
			fmt.Fprintf(&b, " %s=%d/%d", message.KeyText(e.Key), e.UIDValidity, e.UID)
		}
		fmt.Fprintf(&b, "\n  intents %d, quarantine %d\n", len(l.Intents), len(l.Quarantine))
	}
	return b.String()
}

// flagsOf are the flags of the message with a body, wherever it is.
func (m *model) flagsOf(s *fakeServer, body string) []imap.Flag {
	s.mu.Lock()
	defer s.mu.Unlock()
	folders := maps.Clone(s.folders)
	maps.Copy(folders, s.hidden)
	for _, b := range folders {
		if b.showsAll() {
			continue
		}
		for _, msg := range b.messages {
			if m.original(string(msg.body)) == body {
				return slices.Clone(msg.flags)
			}
		}
	}
	return nil
}
