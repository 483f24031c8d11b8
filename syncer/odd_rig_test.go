package syncer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/internal/lab"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/syncer/verify"
	"postferry/wire"
)

// oddRig is an engine between two servers that are odd in what a test is about.
type oddRig struct {
	*rig
	old, new *lab.Odd
	folders  []string // of the old server
}

// oddFolders are the folders an odd old server is given, with messages that
// all have flags and dates. In the first, the tenth message is the odd one.
var oddFolders = map[string]int{"INBOX": 30, "Archive": 5, "Work": 12}

const oddOne = 10

func newOddRig(t *testing.T, old, new lab.OddOptions) *oddRig {
	t.Helper()
	return newOddRigWith(t, old, new, oddFolders)
}

// newOddRigInMemory is for bubbles of synctest: the servers are reached without the network.
func newOddRigInMemory(t *testing.T, old, new lab.OddOptions) *oddRig {
	t.Helper()
	return newOddRigInMemoryWith(t, old, new, oddFolders)
}

// newOddRigInMemoryWith gives the old server so many messages in folders.
func newOddRigInMemoryWith(t *testing.T, old, new lab.OddOptions, folders map[string]int) *oddRig {
	t.Helper()
	r := fillOddRig(t, lab.OddInMemory(t, "old.example:143", old), lab.OddInMemory(t, "new.example:143", new), folders)
	real := session.RealDialers()
	r.dialOld, r.dialNew = through(real.Old, r.old.Dial), through(real.New, r.new.Dial)
	return r
}

// newOddRigWith gives the old server so many messages in folders.
func newOddRigWith(t *testing.T, old, new lab.OddOptions, folders map[string]int) *oddRig {
	t.Helper()
	return fillOddRig(t, lab.StartOdd(t, old), lab.StartOdd(t, new), folders)
}

func fillOddRig(t *testing.T, old, new *lab.Odd, folders map[string]int) *oddRig {
	t.Helper()
	r := &oddRig{rig: newRig(t), old: old, new: new, folders: slices.Sorted(maps.Keys(folders))}
	r.pair = nil
	r.cfg.Domains[0].Old, r.cfg.Domains[0].New = r.old.Server(), r.new.Server()
	r.cfg.Sync.Stall = 2 * time.Second
	for _, name := range r.folders {
		if name != "INBOX" {
			r.old.Create(name)
		}
		for i := range folders[name] {
			r.old.Deliver(name, oddMail(name, i+1), oddDay(i), oddFlags(i)...)
		}
	}
	return r
}

func oddMail(folder string, n int) string {
	return fmt.Sprintf("Message-ID: <%s-%d@example.com>\r\nFrom: a@example.com\r\nSubject: number %d of %s;\r\n\r\n%s\r\n", folder, n, n, folder, strings.Repeat("text ", n*10))
}

// isOdd recognises the odd message of INBOX.
func isOdd(body string) bool {
	return strings.Contains(body, fmt.Sprintf("Subject: number %d of INBOX;", oddOne))
}

func oddDay(i int) string { return fmt.Sprintf("%02d-Mar-2019 10:00:%02d +0100", i%28+1, i%60) }

func oddFlags(i int) []string {
	return [][]string{{}, {`\Seen`}, {`\Answered`, `\Seen`}, {`\Flagged`}, {"$Label1", `\Seen`}}[i%5]
}

// arrived compares both sides: every message must be on the new server once,
// as it is; but those that lost, which may be nil, gives a reason for must not.
func (r *oddRig) arrived(lost func(folder, body string) bool) {
	r.t.Helper()
	for _, name := range r.folders {
		there := map[string]int{}
		for _, m := range r.new.Messages(name) {
			there[oddIdentity(m)]++
		}
		for _, m := range r.old.Messages(name) {
			want := 1
			if lost != nil && lost(name, m.Body) {
				want = 0
			}
			if n := there[oddIdentity(m)]; n != want {
				r.t.Errorf("%s UID %d: %d times on the new server, want %d", name, m.UID, n, want)
			}
			delete(there, oddIdentity(m))
		}
		for id := range there {
			r.t.Errorf("%s: not from the old server: %.200q", name, id)
		}
	}
	r.untouched()
}

// untouched: the old server was only read, and neither took mail for commands.
func (r *oddRig) untouched() {
	r.t.Helper()
	if c := r.old.Changes(); len(c) > 0 {
		r.t.Errorf("the old server heard %q", c)
	}
	for _, s := range []*lab.Odd{r.old, r.new} {
		for _, line := range s.Strange() {
			if !strings.HasPrefix(line, "INBOX (UIDNEXT)") {
				r.t.Errorf("a server heard %.80q as a command", line)
			}
		}
	}
}

func oddIdentity(m lab.OddMessage) string {
	date, _ := wire.ParseDate(m.Date)
	return fmt.Sprintf("%v %v %s", m.Flags, date.Unix(), m.Body)
}

// quarantined are the reasons and causes of all messages in quarantine.
func (r *oddRig) quarantined() (all []store.Quarantined) {
	r.t.Helper()
	folders, err := r.store.Folders(r.t.Context(), r.account.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range folders {
		l, err := r.store.Ledger(r.t.Context(), r.account.ID, f.ID)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, l.Quarantine...)
	}
	return all
}

// complete wants a pass that leaves nothing behind.
func (r *oddRig) complete(copied uint64) {
	r.t.Helper()
	if res := r.sync(); res.Problem != nil || !res.Pass.Complete || res.Pass.Copied != copied {
		r.t.Errorf("%+v, problem %+v", res.Pass, res.Problem)
	}
}

// oddTotal is how many messages there are.
func oddTotal() (sum uint64) {
	for _, n := range oddFolders {
		sum += uint64(n)
	}
	return sum
}

// verify compares both sides and returns what was found, by kind, and the account's result.
func (r *oddRig) verify(bodies bool) (found map[report.FindingKind][]report.Finding, account report.VerifiedAccount) {
	r.t.Helper()
	found = map[report.FindingKind][]report.Finding{}
	v := verify.Verification{Config: r.cfg, Store: r.store, Log: zerolog.New(zerolog.NewTestWriter(r.t)), Bodies: bodies, Tell: func(e report.VerifyEvent) error {
		if e.Finding != nil {
			found[e.Finding.Kind] = append(found[e.Finding.Kind], *e.Finding)
		}
		if e.Account != nil {
			account = *e.Account
		}
		return nil
	}}
	if err := v.Run(r.t.Context(), nil); err != nil {
		r.t.Fatal(err)
	}
	return found, account
}
