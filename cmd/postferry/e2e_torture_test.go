package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
	"postferry/store"
	"postferry/store/bolt"
)

// What "make torture" sets: how many kills and cuts there are at least, and
// the seed of what is drawn. What the servers and the daemon do meanwhile is
// their own affair, so a seed gives the same plan, not the same run.
const (
	tortureKills = "TORTURE_KILLS"
	tortureCuts  = "TORTURE_CUTS"
	tortureSeed  = "TORTURE_SEED"
)

// fewKills and fewCuts are enough for every day.
const (
	fewKills = 10
	fewCuts  = 10
)

// TestTorture kills the daemon and cuts its connections on both sides at random
// octets, while mail arrives late on the old server, flags change on both, people
// delete and move mail on the new one and rename folders, and accidents happen: servers stop,
// are killed or put back to an earlier state, and so is the daemon's. In the end every message must be on the new
// server once, with the flags of both sides, unless its user removed it; and the
// old server must be as it was left.
func TestTorture(t *testing.T) {
	t.Parallel()
	x := &torture{T: t, kills: setting(t, tortureKills, fewKills), cuts: setting(t, tortureCuts, fewCuts)}
	seed := uint64(setting(t, tortureSeed, int(rand.Int64N(math.MaxInt32))))
	t.Logf("%s=%d; at least %d kills and %d cuts", tortureSeed, seed, x.kills, x.cuts)
	x.rng = rand.New(rand.NewPCG(seed, 0))
	x.begin()
	for x.killed < x.kills || x.struck() < x.cuts {
		x.round()
	}
	x.end()
}

// setting is what an environment variable says.
func setting(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is no number", name, text)
	}
	return n
}

// settleAfter is the number of kills after which folders have been filled for the first time.
const settleAfter = 3

// torture is one run.
type torture struct {
	*testing.T
	kills, cuts int
	rng         *rand.Rand
	pair        *pair
	world       *world
	daemon      *testDaemon
	old, new    *lab.Faulty

	mu    sync.Mutex // guards what the lines draw from
	dice  *rand.Rand
	peace bool // nothing is cut any more

	began, told             time.Time
	killed, copying, unsure int // kills; those while messages were being sent; those that left intents
	copied                  int // messages in the ledger at the last kill

	due       []int           // accidents that are still to come before any comes again
	happened  map[string]int  // by name
	thaw      sync.WaitGroup  // processes that are stopped
	settled   bool            // all throwaway folders had been copied at the last kill
	deleted   map[string]bool // people who have deleted theirs
	kept      map[*lab.Dovecot]*kept
	keptOf    map[*lab.Dovecot]string // whose mailbox that is
	backup    *kept
	restoring bool // at the next kill
}

// begin starts the servers, the lines and the daemon.
func (x *torture) begin() {
	x.began, x.told = time.Now(), time.Now()
	x.dice = rand.New(rand.NewPCG(x.rng.Uint64(), 1))
	x.world = newWorld(x.T, x.rng)
	x.pair = x.world.pair
	x.old, x.new = lab.FaultLine(x, x.pair.old.IMAP, x.plan), lab.FaultLine(x, x.pair.new.IMAP, x.plan)
	x.pair.oldURL, x.pair.newURL, x.pair.newCA = "imap+insecure://"+x.old.Addr, "imap+insecure://"+x.new.Addr, false
	x.pair.sync = fmt.Sprintf("interval = \"1s\"\nstall = %q", tortureStall)
	x.happened, x.deleted = map[string]int{}, map[string]bool{}
	x.kept, x.keptOf = map[*lab.Dovecot]*kept{}, map[*lab.Dovecot]string{}
	x.daemon = x.pair.serve()
	x.world.daemon = x.daemon
	takeOverAll(x.T, x.daemon.Config, x.world.logins...)
}

// plan cuts one connection in three, after few octets as probably as after many.
func (x *torture) plan(int) (p lab.Plan) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.peace || x.dice.IntN(3) > 0 {
		return lab.Plan{}
	}
	fault := lab.Fault{Kind: lab.Cut, At: int64(math.Exp2(6 + 13*x.dice.Float64()))} // 64 octets to half a million
	if x.dice.IntN(2) == 0 {
		fault.Kind = lab.Reset
	}
	if x.dice.IntN(2) == 0 {
		p.ToServer = fault
	} else {
		p.ToClient = fault
	}
	return p
}

func (x *torture) struck() int { return x.old.Strikes() + x.new.Strikes() }

// round lets mail arrive and things happen until the time for a kill has come.
func (x *torture) round() {
	if x.killed == settleAfter && !x.settled {
		x.settle()
	}
	x.world.mailArrives()
	x.accident()
	resume := x.await(x.moment())
	if x.rng.IntN(4) > 0 { // as in a power cut; otherwise what the system has taken still arrives
		x.new.Hang(true)
		x.daemon.Kill9()
		resume()
		x.new.CutAll()
		x.new.Hang(false)
	} else {
		x.daemon.Kill9()
		resume()
	}
	x.killed++
	x.restoreState()
	x.look()
	x.tell()
	x.daemon.Restart()
}

// moment draws when the next kill falls: mostly when so many octets more have been sent to
// the new server, sometimes (octets 0) after a time, while the daemon finds out what
// the kill before has left behind.
func (x *torture) moment() (octets int64, after time.Duration) {
	if x.rng.IntN(6) == 0 {
		return 0, time.Duration(x.rng.Int64N(int64(3 * time.Second)))
	}
	return 10_000 + x.rng.Int64N(200_000), time.Duration(x.rng.Int64N(int64(5 * time.Millisecond)))
}

// await goes on with the life of the people until that moment, at which the line
// to the new server has stopped if it is an octet's. Mail goes on arriving until so much is sent.
func (x *torture) await(octets int64, after time.Duration) (resume func()) {
	if octets == 0 {
		x.live(after, nil)
		return func() {}
	}
	stopped, resume := x.new.StopAfter(octets)
	for until := time.Now().Add(2 * uploadPatience); time.Now().Before(until); x.world.mailArrives() {
		if x.live(3*time.Second, stopped) {
			x.copying++
			wait(x.T, after)
			return resume
		}
	}
	x.Fatalf("%d octets have not been sent to the new server within %s", octets, 2*uploadPatience) // Dovecot waits for locks for three minutes
	return resume
}

// live lets things happen for so long, or until the line has stopped, and reports whether it has.
func (x *torture) live(long time.Duration, stopped <-chan struct{}) bool {
	for until := time.After(long); ; {
		select {
		case <-stopped:
			return true
		case <-until:
			return false
		case <-time.After(time.Duration(x.rng.Int64N(int64(60 * time.Millisecond)))):
			x.world.happens()
		}
	}
}

// look reads the state of the killed daemon: which copies it is sure of.
func (x *torture) look() {
	st, err := bolt.Open(filepath.Join(filepath.Dir(x.daemon.Config), "state"), bolt.Options{Command: "test"})
	if err != nil {
		x.Fatal(err)
	}
	defer st.Close()
	accounts, err := st.Accounts(x.Context())
	if err != nil {
		x.Fatal(err)
	}
	x.copied = 0
	intents, throwaways := 0, 0
	clear(x.world.sure)
	clear(x.world.renaming)
	for _, a := range accounts {
		folders, err := st.Folders(x.Context(), a.ID)
		if err != nil {
			x.Fatal(err)
		}
		for _, f := range folders {
			l, err := st.Ledger(x.Context(), a.ID, f.ID)
			if err != nil {
				x.Fatal(err)
			}
			x.copied, intents = x.copied+len(l.Entries), intents+len(l.Intents)
			x.world.proved(a.Login, f.New, l.Entries)
			if f.Old == throwaway {
				throwaways += len(l.Entries)
			}
		}
	}
	if intents > 0 {
		x.unsure++
	}
	x.settled = throwaways == x.world.throwaways
}

// tell shows how far it is, every few seconds.
func (x *torture) tell() {
	if time.Since(x.told) < 10*time.Second && x.killed < x.kills {
		return
	}
	x.told = time.Now()
	x.Logf("%4.0f s: %d of %d kills (%d while messages were being sent, %d left intents behind), %d of %d cuts (%d old, %d new), %s, %d messages recorded",
		time.Since(x.began).Seconds(), x.killed, x.kills, x.copying, x.unsure, x.struck(), x.cuts, x.old.Strikes(), x.new.Strikes(), x.world, x.copied)
}

// calm says whether connections are cut no more.
func (x *torture) calm(on bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.peace = on
}

// end lets the daemon finish in peace and looks at both servers.
func (x *torture) end() {
	x.calm(true)
	x.thaw.Wait()
	x.daemon.Restart() // nothing rests any more
	for n := range 3 {
		status, stdout, stderr := postferry(x.T, "", "sync", "-c", x.daemon.Config)
		if status == exitOK {
			break
		} else if n == 2 { // the first may meet what was cut just before
			x.Fatalf("sync: status %d\n%s%s", status, stdout, stderr)
		}
	}
	x.world.check()
	x.checkVerify()
	if len(x.world.amiss) > 0 {
		x.daemon.Kill9()
		x.tellAmiss()
	}
	if x.copying < x.killed/2 || x.unsure < x.killed/3 {
		x.Errorf("of %d kills only %d fell while messages were being sent, and %d left intents behind", x.killed, x.copying, x.unsure)
	}
	x.Logf("accidents: %s", x.tellAccidents())
	x.Logf("%d kills, %d cuts at the old server and %d at the new one in %.0f s; then everything was compared: %s",
		x.killed, x.old.Strikes(), x.new.Strikes(), time.Since(x.began).Seconds(), x.world)
}

// tellAmiss shows of folders in which something was amiss what the ledger says, and what
// the daemon and the new server have logged about them.
func (x *torture) tellAmiss() {
	st, err := bolt.Open(filepath.Join(filepath.Dir(x.daemon.Config), "state"), bolt.Options{Command: "test"})
	if err != nil {
		x.Fatal(err)
	}
	defer st.Close()
	for at := range x.world.amiss {
		a, err := st.Account(x.Context(), at.login)
		if err != nil {
			x.Fatal(err)
		}
		folders, err := st.Folders(x.Context(), a.ID)
		if err != nil {
			x.Fatal(err)
		}
		for _, f := range folders {
			if f.Old != at.folder {
				continue
			}
			l, err := st.Ledger(x.Context(), a.ID, f.ID)
			if err != nil {
				x.Fatal(err)
			}
			x.Logf("%s: %s -> %s, %+v, intents %+v", at.login, f.Old, f.New, f.Checkpoint, l.Intents)
			for _, e := range l.Entries {
				x.Logf("  %x: %d/%d %v", e.Key, e.UIDValidity, e.UID, e.Flags)
			}
		}
		for line := range strings.SplitSeq(x.daemon.Log(), "\n") {
			if strings.Contains(line, at.login) && !strings.Contains(line, "pass ended") {
				x.Log(line)
			}
		}
		x.Log(x.pair.new.Complaints(at.login))
	}
}

// entriesUIDs are the new UIDs that a ledger has.
func entriesUIDs(entries []store.Entry) map[imap.UID]bool {
	uids := make(map[imap.UID]bool, len(entries))
	for _, e := range entries {
		if e.UID != 0 {
			uids[e.UID] = true
		}
	}
	return uids
}

func (w *world) String() string {
	return fmt.Sprintf("%d messages (%d removed, %d moved, %d flag changes), %d renamings", len(w.letters), w.removals, w.moves, w.flagChanges, w.renames)
}
