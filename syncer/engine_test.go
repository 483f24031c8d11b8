package syncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is an engine between two fake servers.
type rig struct {
	t       *testing.T
	pair    *fakePair
	cfg     *config.Config
	store   store.Store
	engine  *Engine
	account store.Account
	dialOld dialFunc[oldSession] // instead of the pair's
	clock   func() time.Time     // instead of the real one
	silent  bool                 // nothing is logged
	stop    func()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	cfg := config.Default()
	cfg.Sync.Memory = 8 << 20
	cfg.Domains = []config.Domain{{
		Name: "example.com",
		Old:  config.Server{Security: config.Insecure, Host: "old.example", Port: 143},
		New:  config.Server{Security: config.Insecure, Host: "new.example", Port: 143},
	}}
	st, err := store.Open(t.TempDir(), store.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	c := store.Credentials{Login: "anna@example.com", Password: "secret"}
	rows, _, err := st.PutAccounts(t.Context(), []store.Account{{
		Domain: "example.com", Login: "anna@example.com", Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, cfg: &cfg, store: st, account: rows[0], pair: &fakePair{old: newFakeServer(), new: newFakeServer()}}
	for _, s := range []*fakeServer{r.pair.old, r.pair.new} {
		s.add("INBOX")
	}
	return r
}

// start runs the engine; it is stopped at the end of the test at the latest.
func (r *rig) start(background bool) {
	r.t.Helper()
	log := zerolog.New(zerolog.NewTestWriter(r.t))
	if r.silent {
		log = zerolog.Nop()
	}
	e, err := New(r.cfg, r.store, log)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.pair != nil { // otherwise the servers are real ones, or odd
		e.shared.dial = r.pair.dialers()
	}
	if r.dialOld != nil {
		e.shared.dial.old = r.dialOld
	}
	if r.clock != nil {
		e.shared.clock = r.clock
	}
	e.shared.quiet = 20 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := e.Run(ctx, background); err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}()
	r.engine = e
	r.stop = func() { cancel(); <-ended }
	r.t.Cleanup(func() { r.stop() })
}

// sync makes one pass.
func (r *rig) sync() Result {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 30*time.Second)
	defer cancel()
	results, err := r.engine.Sync(ctx, nil, nil)
	if err != nil || len(results) != 1 {
		r.t.Fatalf("Sync: %v, %d results", err, len(results))
	}
	return results[0]
}

func mail(n int) string {
	return fmt.Sprintf("Message-ID: <%d@example.com>\r\nFrom: a@example.com\r\nSubject: %d\r\n\r\nText %d\r\n", n, n, n)
}

func TestPassCopiesEverythingOnce(t *testing.T) {
	r := newRig(t)
	for i := range 350 {
		r.pair.old.deliver("INBOX", mail(i), imap.FlagSeen)
	}
	r.pair.old.add("Work")
	r.pair.old.deliver("Work", mail(1000), "$Label1", imap.FlagFlagged)
	r.start(false)
	res := r.sync()
	if res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != 351 {
		t.Fatalf("first pass: %+v, problem %+v", res.Pass, res.Problem)
	}
	if !slices.Equal(r.pair.old.bodies("INBOX"), r.pair.new.bodies("INBOX")) {
		t.Fatal("INBOX differs")
	}
	if got := r.pair.new.flags("Work", mail(1000)); !slices.Equal(got, []imap.Flag{"$Label1", imap.FlagFlagged}) {
		t.Fatalf("flags: %v", got)
	}
	// Stragglers, the user's deletions and flags on both sides.
	r.pair.old.deliver("INBOX", mail(2000))
	r.pair.new.remove("INBOX", mail(3))
	r.pair.new.setFlags("INBOX", mail(4), imap.FlagSeen, imap.FlagFlagged)
	r.pair.old.setFlags("INBOX", mail(4), imap.FlagSeen, imap.FlagAnswered)
	r.pair.old.setFlags("INBOX", mail(5))
	res = r.sync()
	if res.Pass.Copied != 1 || !res.Pass.Complete {
		t.Fatalf("second pass: %+v, problem %+v", res.Pass, res.Problem)
	}
	if got := r.pair.new.flags("INBOX", mail(4)); !slices.Equal(got, []imap.Flag{imap.FlagAnswered, imap.FlagFlagged, imap.FlagSeen}) {
		t.Fatalf("merged flags: %v", got)
	}
	if got := r.pair.new.flags("INBOX", mail(5)); len(got) != 0 {
		t.Fatalf("flag removed on the old server stays: %v", got)
	}
	if slices.Contains(r.pair.new.bodies("INBOX"), mail(3)) {
		t.Fatal("a deleted message came back")
	}
	if res = r.sync(); res.Pass.Copied+res.Pass.FlagChanges != 0 {
		t.Fatalf("third pass: %+v", res.Pass)
	}
}

func TestRefusedMessagesStandAlone(t *testing.T) {
	r := newRig(t)
	for i := range 250 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.pair.new.refuse = func(body []byte) error {
		if strings.Contains(string(body), "Subject: 77\r") || strings.Contains(string(body), "Subject: 200\r") {
			return refusedError("APPEND", "")
		}
		return nil
	}
	r.start(false)
	res := r.sync()
	if res.Pass.Copied != 248 || res.Pass.Quarantined != 2 || !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	if res = r.sync(); res.Pass.Copied != 0 || res.Pass.Quarantined != 0 {
		t.Fatalf("second pass: %+v", res.Pass)
	}
}

// TestCutAtEveryStep loses the connection once at each step in turn, on either
// side, before and after it took effect. Nothing may be lost or doubled.
func TestCutAtEveryStep(t *testing.T) {
	for _, side := range []string{"old", "new"} {
		for _, step := range []string{"EXAMINE", "LIST", "LISTING", "BODIES", "BODY", "STATUS", "APPEND", "WAIT", "SELECT", "STORE", "CREATE"} {
			for _, when := range []string{"+", "-"} {
				t.Run(side+when+step, func(t *testing.T) { cutAt(t, side, when+step) })
			}
		}
	}
}

func cutAt(t *testing.T, side, step string) {
	t.Parallel()
	r := newRig(t)
	for i := range 120 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.pair.old.add("Work")
	r.pair.old.deliver("Work", mail(1000))
	s := r.pair.old
	if side == "new" {
		s = r.pair.new
	}
	left := 2
	s.fault = func(at string) error {
		if at == step && left > 0 {
			left--
			return &upstream.Error{Op: step, Class: upstream.Lost, Err: io.ErrUnexpectedEOF}
		}
		return nil
	}
	r.start(false)
	r.sync()
	r.pair.old.setFlags("INBOX", mail(1), imap.FlagSeen)
	r.sync()
	if res := r.sync(); !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
	for _, name := range []string{"INBOX", "Work"} {
		if !slices.Equal(sorted(r.pair.old.bodies(name)), sorted(r.pair.new.bodies(name))) {
			t.Errorf("%s: old %d messages, new %d", name, len(r.pair.old.bodies(name)), len(r.pair.new.bodies(name)))
		}
	}
	if got := r.pair.new.flags("INBOX", mail(1)); !slices.Contains(got, imap.FlagSeen) {
		t.Errorf("flags: %v", got)
	}
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

func TestVisitComesFirst(t *testing.T) {
	r := newRig(t)
	for i := range 50 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	ctx := t.Context()
	r.engine.Connected(ctx, r.account.ID)
	defer r.engine.Disconnected(r.account.ID)
	r.engine.Visit(ctx, r.account.ID, "INBOX", nil)
	if n := len(r.pair.new.bodies("INBOX")); n != 50 {
		t.Fatalf("after the visit the folder has %d messages", n)
	}
}

func TestLostLedgerAdopts(t *testing.T) {
	r := newRig(t)
	for i := range 30 {
		r.pair.old.deliver("INBOX", mail(i))
		r.pair.new.deliver("INBOX", mail(i))
	}
	r.pair.old.deliver("INBOX", mail(0)) // a second copy of the same message
	r.start(false)
	res := r.sync()
	if res.Pass.Adopted != 30 || res.Pass.Copied != 1 {
		t.Fatalf("%+v", res.Pass)
	}
}

func TestUIDValidityChange(t *testing.T) {
	r := newRig(t)
	for i := range 30 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	r.sync()
	r.pair.new.remove("INBOX", mail(7))
	r.pair.old.mu.Lock()
	box := r.pair.old.folders["INBOX"]
	box.validity += 1000
	for i, m := range box.messages {
		m.uid = imap.UID(i*3 + 5)
		box.next = m.uid + 1
	}
	r.pair.old.mu.Unlock()
	r.pair.old.setFlags("INBOX", mail(8), imap.FlagAnswered)
	res := r.sync()
	if res.Pass.Copied != 0 || res.Pass.Adopted != 30 || !res.Pass.Complete {
		t.Fatalf("%+v problem %+v", res.Pass, res.Problem)
	}
	if got := r.pair.new.flags("INBOX", mail(8)); !slices.Contains(got, imap.FlagAnswered) {
		t.Errorf("flags: %v", got)
	}
}

func TestWithoutUIDPLUS(t *testing.T) {
	r := newRig(t)
	r.pair.new.uidplus = false
	for i := range 130 {
		r.pair.old.deliver("INBOX", mail(i))
	}
	r.start(false)
	if res := r.sync(); res.Pass.Copied != 130 {
		t.Fatalf("%+v problem %+v", res.Pass, res.Problem)
	}
	r.pair.old.setFlags("INBOX", mail(1), imap.FlagSeen)
	r.sync()
	if got := r.pair.new.flags("INBOX", mail(1)); !slices.Contains(got, imap.FlagSeen) {
		t.Errorf("flags: %v", got)
	}
}

func TestFolderChanges(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"A", "B", "C", "C/D"} {
		r.pair.old.add(name)
		r.pair.old.deliver(name, mail(len(name)))
	}
	r.start(false)
	r.sync()
	ctx := t.Context()
	r.pair.new.mu.Lock()
	delete(r.pair.new.folders, "A")
	delete(r.pair.new.folders, "B") // behind our back
	r.pair.new.folders["X"], r.pair.new.folders["X/D"] = r.pair.new.folders["C"], r.pair.new.folders["C/D"]
	delete(r.pair.new.folders, "C")
	delete(r.pair.new.folders, "C/D")
	r.pair.new.mu.Unlock()
	if err := r.engine.Changed(ctx, r.account.ID, "DELETE", "A", ""); err != nil {
		t.Fatal(err)
	}
	if err := r.engine.Changed(ctx, r.account.ID, "RENAME", "C", "X"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"A", "B", "C", "C/D"} {
		r.pair.old.deliver(name, mail(50+len(name)))
	}
	r.sync()
	r.pair.new.mu.Lock()
	for _, name := range []string{"A", "B", "C", "C/D"} {
		if r.pair.new.folders[name] != nil {
			t.Errorf("%s was made again", name)
		}
	}
	r.pair.new.mu.Unlock()
	for _, name := range []string{"X", "X/D"} {
		if n := len(r.pair.new.bodies(name)); n != 2 {
			t.Errorf("%s has %d messages", name, n)
		}
	}
}

// TestRenamingWithoutAnAnswer is a RENAME whose completion nobody saw.
func TestRenamingWithoutAnAnswer(t *testing.T) {
	tests := []struct {
		name     string
		commands [][2]string
		done     int    // how many of them the new server carried out
		want     string // where late mail is to go
	}{
		{"done", [][2]string{{"A", "X"}}, 1, "X/B"},
		{"not done", [][2]string{{"A", "X"}}, 0, "A/B"},
		{"two, none done", [][2]string{{"A", "X"}, {"X", "Y"}}, 0, "A/B"},
		{"two, one done", [][2]string{{"A", "X"}, {"X", "Y"}}, 1, "X/B"},
		{"two, both done", [][2]string{{"A", "X"}, {"X", "Y"}}, 2, "Y/B"},
		{"back again", [][2]string{{"A", "X"}, {"X", "A"}}, 2, "A/B"},
		{"INBOX stays", [][2]string{{"INBOX", "X"}}, 0, "A/B"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.pair.old.add("A")
			r.pair.old.add("A/B")
			r.pair.old.deliver("A/B", mail(1))
			r.pair.new.fleeting = true // it can't be told by the UIDVALIDITY
			r.start(false)
			r.sync()
			for i, c := range tt.commands {
				if err := r.engine.Renaming(t.Context(), r.account.ID, c[0], c[1]); err != nil {
					t.Fatal(err)
				}
				if i < tt.done {
					r.pair.new.rename(c[0], c[1])
					r.pair.new.rename(c[0]+"/B", c[1]+"/B")
				}
			}
			r.stop()
			r.start(false)
			r.pair.old.deliver("A/B", mail(2))
			r.sync()
			if n := len(r.pair.new.bodies(tt.want)); n != 2 {
				t.Errorf("%s has %d messages", tt.want, n)
			}
		})
	}
}

// TestFoldersRenamedElsewhere by the user without the relay go on under their new
// names, if it is certain which they are.
func TestFoldersRenamedElsewhere(t *testing.T) {
	r := newRig(t)
	names := []string{"A", "A/B", "Alike", "Alike too", "Gone"}
	for _, name := range names {
		r.pair.old.add(name)
		r.pair.old.deliver(name, mail(1))
	}
	r.start(false)
	r.sync()
	r.pair.new.mu.Lock()
	folders := r.pair.new.folders
	folders["Alike"].validity = folders["Alike too"].validity
	for from, to := range map[string]string{"A": "X", "A/B": "X/B", "Alike": "Y", "Alike too": "Z"} {
		folders[to] = folders[from]
	}
	for _, name := range names {
		delete(folders, name)
	}
	r.pair.new.mu.Unlock()
	r.pair.new.add("Unrelated")
	for _, name := range names {
		r.pair.old.deliver(name, mail(2))
	}
	r.sync()
	want := map[string]int{"X": 2, "X/B": 2, "Y": 1, "Z": 1, "Unrelated": 0}
	for name, n := range want {
		if got := len(r.pair.new.bodies(name)); got != n {
			t.Errorf("%s has %d messages, want %d", name, got, n)
		}
	}
	for _, name := range names {
		if r.pair.new.folders[name] != nil {
			t.Errorf("%s was made again", name)
		}
	}
}

func TestRefusedPasswordIsNotTriedAgain(t *testing.T) {
	r := newRig(t)
	r.pair.old.password = "other"
	r.start(false)
	res := r.sync()
	if res.Problem == nil || res.Problem.Advice != store.NeedsFix {
		t.Fatalf("problem: %+v", res.Problem)
	}
	attempts := func() int { return r.pair.old.attempts() }
	before := attempts()
	r.engine.Connected(t.Context(), r.account.ID)
	r.engine.Visit(t.Context(), r.account.ID, "INBOX", nil)
	r.engine.Disconnected(r.account.ID)
	if n := attempts() - before; n != 0 {
		t.Fatalf("tried %d times again by itself", n)
	}
	if res = r.sync(); res.Problem == nil || res.Problem.Advice != store.NeedsFix {
		t.Fatalf("an asked-for pass: %+v, problem %+v", res.Pass, res.Problem)
	}
	r.pair.old.mu.Lock()
	r.pair.old.password = "secret"
	r.pair.old.mu.Unlock()
	if err := r.engine.Updated(t.Context(), []store.AccountID{r.account.ID}); err != nil {
		t.Fatal(err)
	}
	if res = r.sync(); res.Problem != nil || !res.Pass.Complete {
		t.Fatalf("%+v, problem %+v", res.Pass, res.Problem)
	}
}

// TestCorrectedPasswordIsTriedAtOnce wants the background to go on with an
// account whose password was corrected.
func TestCorrectedPasswordIsTriedAtOnce(t *testing.T) {
	r := newRig(t)
	r.pair.old.password = "other"
	r.start(true)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	until := func(what string, ok func([]store.Pass) bool) {
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			passes, err := r.store.Passes(ctx, r.account.ID)
			if err != nil {
				t.Fatalf("waiting for %s: %v", what, err)
			}
			if ok(passes) {
				return
			}
			<-tick.C
		}
	}
	until("a refusal", func(p []store.Pass) bool { return len(p) > 0 })
	r.pair.old.mu.Lock()
	r.pair.old.password = "secret"
	r.pair.old.mu.Unlock()
	if err := r.engine.Updated(ctx, []store.AccountID{r.account.ID}); err != nil {
		t.Fatal(err)
	}
	until("a complete pass", func(p []store.Pass) bool { return p[len(p)-1].Complete })
}

// TestPassLooksForItself: a look at the trees that began for a client does not know what
// came before the pass was asked for.
func TestPassLooksForItself(t *testing.T) {
	r := newRig(t)
	r.start(false)
	r.sync()
	seen, proceed := make(chan struct{}), make(chan struct{})
	looks := 0
	r.pair.new.fault = func(step string) error {
		if step != "+LIST" {
			return nil
		}
		if looks++; looks == 1 {
			close(seen)
			<-proceed
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a, leave, err := r.engine.acquire(ctx, r.account.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer leave()
	if err := a.do(ctx, func() { a.startTree(a.front, true) }); err != nil {
		t.Fatal(err)
	}
	<-seen
	old := func() bool {
		r.pair.old.mu.Lock()
		defer r.pair.old.mu.Unlock()
		return slices.Contains(r.pair.old.log[len(r.pair.old.log)-1:], "LIST")
	}
	for !old() {
		if err := pause(ctx, time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	r.pair.old.deliver("INBOX", mail(1))
	results := make(chan Result, 1)
	go func() { results <- r.sync() }()
	for {
		asked := false
		if err := a.do(ctx, func() { asked = a.pass != nil }); err != nil {
			t.Fatal(err)
		}
		if asked {
			break
		}
	}
	close(proceed)
	if res := <-results; res.Pass.Copied != 1 || !res.Pass.Complete {
		t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
}

func TestGraverError(t *testing.T) {
	fix := &upstream.Error{Class: upstream.Fix, Err: errors.New("fix")}
	later := &upstream.Error{Class: upstream.Later, Err: errors.New("later")}
	tests := []struct{ one, other, want error }{
		{nil, nil, nil},
		{later, nil, later},
		{nil, fix, fix},
		{later, fix, fix},
		{fix, later, fix},
		{fix, &upstream.Error{Class: upstream.Fix, Err: errors.New("other")}, fix},
	}
	for _, tt := range tests {
		if got := graver(tt.one, tt.other); got != tt.want {
			t.Errorf("graver(%v, %v) = %v, want %v", tt.one, tt.other, got, tt.want)
		}
	}
}
