package main

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
)

// world is what people and their correspondents do during the torture, and what
// must come of it.
type world struct {
	*testing.T
	rng     *rand.Rand
	pair    *pair
	daemon  *testDaemon
	logins  []string
	letters map[string]*posted // by Message-ID
	before  map[string]*lab.Snapshot
	sure    map[place]map[imap.UID]bool // copies that were in the ledger at the last kill
	old     map[string]*imapclient.Client
	new     map[string]*imapclient.Client

	renaming map[string]bool // people who have renamed a folder since the last kill
	putBack  map[string]bool // people whose mailbox at the new server was put back to an earlier state
	amiss    map[place]bool  // folders of the old server of which a copy is not as it should be

	removals, moves, flagChanges, renames int
	throwaways                            int // messages in throwaway folders
}

// place is a folder of a person.
type place struct{ login, folder string }

// posted is a message and what became of it.
type posted struct {
	login  string
	sum    string // SHA-256 of the body
	old    string // its folder on the old server; "" if it was never there, or is no more
	new    string // its folder on the new server, once it is copied
	first  string // where it was copied to
	date   time.Time
	times  int // how often it was delivered
	theirs []imap.Flag
	mine   []imap.Flag
	moved  bool // its flags on the old server no longer count
	gone   bool // deleted on the new server
	late   bool // deleted on the old server, before or after it was copied

	changes  int  // of theirs
	anyFlags bool // an earlier state was put back since it got its flags
	blurred  bool // and since it was removed or moved: that may be undone
}

var (
	// The flags that change on the old server, and those that people change on the
	// new one, so that it is plain what the merge of both is.
	theirFlags = []imap.Flag{imap.FlagSeen, imap.FlagFlagged, "$work"}
	myFlags    = []imap.Flag{imap.FlagDraft, imap.FlagAnswered, "$mine"}
	oldFolders = []string{"INBOX", "INBOX.Gesendet", "INBOX.Projekte", "INBOX.Projekte.Zwei"}
)

const (
	tortured     = 6 // people
	letterOctets = 6_000
)

// newWorld starts two servers with some mail on the old one.
func newWorld(t *testing.T, rng *rand.Rand) *world {
	w := &world{T: t, rng: rng, letters: map[string]*posted{}, before: map[string]*lab.Snapshot{},
		sure: map[place]map[imap.UID]bool{}, old: map[string]*imapclient.Client{}, new: map[string]*imapclient.Client{}, renaming: map[string]bool{}, putBack: map[string]bool{}, amiss: map[place]bool{}}
	for i := range tortured {
		w.logins = append(w.logins, fmt.Sprintf("person%d@example.com", i))
	}
	w.pair = startPair(t, w.logins...)
	for _, login := range w.logins {
		for _, folder := range oldFolders {
			w.arrive(login, folder, 10)
		}
		w.arrive(login, throwaway, 4)
		w.before[login] = w.pair.old.Snapshot(login)
		w.old[login], w.new[login] = w.pair.old.Client(login), w.pair.new.Client(login)
	}
	for _, l := range w.letters {
		if l.old == throwaway {
			w.throwaways += l.times
		}
	}
	return w
}

// draw is one of several.
func draw[T any](rng *rand.Rand, of []T) T { return of[rng.IntN(len(of))] }

// some are some of several flags.
func (w *world) some(of []imap.Flag) (out []imap.Flag) {
	for _, f := range of {
		if w.rng.IntN(2) == 0 {
			out = append(out, f)
		}
	}
	return out
}

// mailArrives: so much late mail that there is something to copy at the next kill.
func (w *world) mailArrives() {
	for range 3 {
		w.arrive(draw(w.rng, w.logins), draw(w.rng, oldFolders), 5+w.rng.IntN(20))
	}
}

// arrive delivers messages to the old server, one in twenty of them twice.
func (w *world) arrive(login, folder string, n int) {
	w.Helper()
	var msgs []lab.Msg
	for range n {
		m := w.letter(login, folder)
		msgs = append(msgs, m)
		if w.rng.IntN(20) == 0 {
			msgs = append(msgs, m)
			w.letters[idOf(m.Body)].times++
		}
	}
	w.pair.old.FillMaildir(login, folder, msgs)
}

// letter makes a message.
func (w *world) letter(login, folder string) lab.Msg {
	m := lab.Generate(w.rng.Uint64(), 1, 600+w.rng.IntN(2*letterOctets))[0]
	m.Flags = w.some(theirFlags)
	w.letters[idOf(m.Body)] = &posted{login: login, sum: fmt.Sprintf("%x", sha256.Sum256(m.Body)), old: folder, new: renamed(folder), first: renamed(folder), times: 1, theirs: m.Flags, date: m.Date.UTC()}
	return m
}

// idOf is the Message-ID of a generated message.
func idOf(body []byte) string {
	_, rest, _ := strings.Cut(string(body), "Message-ID: <")
	id, _, _ := strings.Cut(rest, ">")
	return id
}

// copyOf is where a message was found.
type copyOf struct {
	folder string
	flags  []imap.Flag
	date   time.Time
}

// check compares both servers with what must have come of it all.
func (w *world) check() {
	took := 0
	for _, login := range w.logins {
		old, new := w.pair.old.Snapshot(login), w.pair.new.Snapshot(login)
		for name, folder := range w.before[login].Folders {
			if now := old.Folders[name]; now == nil || now.UIDValidity != folder.UIDValidity {
				w.Errorf("%s: folder %s of the old server has changed", login, name)
			}
		}
		if len(old.Folders) != len(w.before[login].Folders) {
			w.Errorf("%s: the old server has other folders", login)
		}
		if w.nameNow(login, movable) != movable {
			took++
		}
		inOld, inNew := bySum(old), bySum(new)
		for id, l := range w.letters {
			if l.login == login {
				w.checkOld(id, l, inOld[l.sum])
				w.checkNew(id, l, inNew[l.sum])
				delete(inOld, l.sum)
				delete(inNew, l.sum)
			}
		}
		if len(inOld)+len(inNew) > 0 {
			w.Errorf("%s: messages that nobody has sent: old %v, new %v", login, inOld, inNew)
		}
	}
	if w.renames > 10*len(w.logins) && took == 0 {
		w.Errorf("of %d renamings none took effect", w.renames)
	}
}

// bySum finds messages by the SHA-256 of their bodies.
func bySum(s *lab.Snapshot) map[string][]copyOf {
	found := map[string][]copyOf{}
	for name, folder := range s.Folders {
		for _, m := range folder.Messages {
			found[m.Sum] = append(found[m.Sum], copyOf{firstName(name), m.Flags, m.Date})
		}
	}
	return found
}

func (w *world) checkOld(id string, l *posted, found []copyOf) {
	want := l.times
	if l.old == "" {
		want = 0
	}
	if len(found) != want {
		w.Errorf("%s: %s is on the old server %d times, not %d: %v", l.login, id, len(found), want, found)
		return
	}
	if want == 1 && (found[0].folder != l.old || !sameFlags(found[0].flags, l.theirs)) {
		w.Errorf("%s: %s on the old server is in %v, not in %s with %v", l.login, id, found[0], l.old, l.theirs)
	}
}

func (w *world) checkNew(id string, l *posted, found []copyOf) {
	want := l.times
	if l.gone {
		want = 0
	}
	if l.blurred && len(found) <= l.times+1 {
		return
	}
	if len(found) != want && !(l.late && len(found) == 0) { // deleted before it was copied
		w.amiss[place{l.login, l.old}] = true
		w.Errorf("%s: %s (%+v) is on the new server %d times, not %d: %v", l.login, id, *l, len(found), want, found)
		return
	}
	for _, f := range found {
		flags := slices.Concat(l.theirs, l.mine)
		if l.moved || l.late {
			flags = slices.Concat(without(f.flags, myFlags), l.mine)
		}
		if f.folder != l.new || !sameFlags(f.flags, flags) && l.times == 1 && !l.anyFlags || !f.date.Equal(l.date) {
			w.amiss[place{l.login, l.old}] = true
			w.Errorf("%s: %s (%+v) on the new server is in %v, not in %s with %v", l.login, id, *l, f, l.new, flags)
		}
	}
}

func without(flags, others []imap.Flag) []imap.Flag {
	return slices.DeleteFunc(slices.Clone(flags), func(f imap.Flag) bool { return slices.Contains(others, f) })
}

func sameFlags(a, b []imap.Flag) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
