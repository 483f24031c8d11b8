package syncer

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"postferry/config"
	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

func TestMain(m *testing.M) {
	unix.Umask(0o022) // a state that others may write is refused
	goleak.VerifyTestMain(m)
}

// inBubble runs a test in a bubble, where time passes once all wait: its servers are in this process and reached without
// the network. Time begins there when messages with dates of today have been sent.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(time.Date(2026, time.July, 1, 12, 0, 0, 0, time.UTC)))
		test(t)
	})
}

// rig is an engine between two fake servers.
type rig struct {
	t       *testing.T
	pair    *fakePair
	cfg     *config.Config
	store   store.Store
	engine  *Engine
	account store.Account
	dialOld session.DialFunc[session.Source] // instead of the pair's
	dialNew session.DialFunc[session.Target] // likewise
	opened  func() []Opened                  // what clients have open
	silent  bool                             // nothing is logged
	limit   time.Duration                    // of a pass: passLimit, more where a test has much to do
	stop    func()
}

// passLimit is when a pass is taken for one that hangs.
const passLimit = 5 * time.Minute

// annasPassword is no word, so that it can be looked for in all that tests print.
const annasPassword = "hush-0f-anna"

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigIn(t, t.TempDir())
}

// inMemory is a folder for a state that needn't outlive the machine, where there is one.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(shm(), "postferry-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newRigIn(t *testing.T, dir string) *rig {
	t.Helper()
	cfg := config.Default()
	cfg.Sync.Memory = 8 << 20
	cfg.Domains = []config.Domain{{
		Name: "example.com", Enrol: true,
		Old: config.Server{Security: config.Insecure, Host: "old.example", Port: 143},
		New: config.Server{Security: config.Insecure, Host: "new.example", Port: 143},
	}}
	st, err := bolt.Open(dir, bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	c := store.Credentials{Login: "anna@example.com", Password: annasPassword}
	rows, _, err := st.PutAccounts(t.Context(), []store.Account{{
		Domain: "example.com", Login: "anna@example.com", Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, cfg: &cfg, store: st, account: rows[0], pair: &fakePair{old: newFakeServer(), new: newFakeServer()}, limit: passLimit}
	for _, s := range []*fakeServer{r.pair.old, r.pair.new} {
		s.add("INBOX")
	}
	return r
}

// through dials over connections of another kind than the system's.
func through[S session.Session](dial session.DialFunc[S], over func(ctx context.Context, network, addr string) (net.Conn, error)) session.DialFunc[S] {
	return func(ctx context.Context, server config.Server, c store.Credentials, opt link.Options) (S, error) {
		opt.Dial = over
		return dial(ctx, server, c, opt)
	}
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
		e.shared.dial.Old = r.dialOld
	}
	if r.dialNew != nil {
		e.shared.dial.New = r.dialNew
	}
	e.TellOpened(r.opened)
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
	ctx, cancel := context.WithTimeout(r.t.Context(), r.limit)
	defer cancel()
	results, err := r.engine.Sync(ctx, nil, nil)
	if err != nil || len(results) != 1 {
		r.t.Fatalf("Sync: %v, %d results", err, len(results))
	}
	return results[0]
}

// awaitEnd waits until the accounts that nobody uses any more have ended, with all that they had begun.
func (r *rig) awaitEnd() {
	r.t.Helper()
	var ending []chan struct{}
	if err := r.engine.loop.do(r.t.Context(), func() {
		for _, p := range r.engine.registry.accounts {
			if p.going {
				ending = append(ending, p.account.jobs.Gone)
			}
		}
	}); err != nil {
		r.t.Fatal(err)
	}
	for _, gone := range ending {
		<-gone
	}
}

func mail(n int) string {
	return fmt.Sprintf("Message-ID: <%d@example.com>\r\nFrom: a@example.com\r\nSubject: %d\r\n\r\nText %d\r\n", n, n, n)
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
