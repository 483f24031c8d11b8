package main

import (
	"context"
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
	"postferry/store"
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

	removals, moves, flagChanges int
}

// place is a folder of a person.
type place struct{ login, folder string }

// posted is a message and what became of it.
type posted struct {
	login  string
	sum    string // SHA-256 of the body
	old    string // its folder on the old server; "" if it was never there, or is no more
	new    string // its folder on the new server, once it is copied
	times  int    // how often it was delivered
	theirs []imap.Flag
	mine   []imap.Flag
	moved  bool // its flags on the old server no longer count
	gone   bool // deleted on the new server
	late   bool // deleted on the old server, before or after it was copied
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
		sure: map[place]map[imap.UID]bool{}, old: map[string]*imapclient.Client{}, new: map[string]*imapclient.Client{}}
	for i := range tortured {
		w.logins = append(w.logins, fmt.Sprintf("person%d@example.com", i))
	}
	w.pair = startPair(t, w.logins...)
	for _, login := range w.logins {
		for _, folder := range oldFolders {
			w.arrive(login, folder, 10)
		}
		w.before[login] = w.pair.old.Snapshot(login)
		w.old[login], w.new[login] = w.pair.old.Client(login), w.pair.new.Client(login)
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
	w.letters[idOf(m.Body)] = &posted{login: login, sum: fmt.Sprintf("%x", sha256.Sum256(m.Body)), old: folder, new: renamed(folder), times: 1, theirs: m.Flags}
	return m
}

// idOf is the Message-ID of a generated message.
func idOf(body []byte) string {
	_, rest, _ := strings.Cut(string(body), "Message-ID: <")
	id, _, _ := strings.Cut(rest, ">")
	return id
}

// happens lets somebody do something.
func (w *world) happens() {
	login := draw(w.rng, w.logins)
	switch n := w.rng.IntN(20); {
	case n < 2:
		w.arrive(login, draw(w.rng, oldFolders), 1)
	case n < 7:
		w.flagOld(login)
	case n < 12:
		w.flagNew(login)
	case n < 14:
		w.removeNew(login)
	case n < 16:
		w.moveNew(login)
	case n < 17:
		w.removeOld(login)
	case n < 18:
		w.deliverNew(login)
	default:
		w.visit(login)
	}
}

// pick opens a folder and draws one of its messages; nil if there is none that
// was delivered once only.
func (w *world) pick(c *imapclient.Client, folder string) (*posted, imap.UID) {
	w.Helper()
	data, err := c.Select(folder, nil).Wait()
	if err != nil || data.NumMessages == 0 {
		return nil, 0 // the folder may not be there yet
	}
	seq := imap.SeqSetNum(1 + w.rng.Uint32N(data.NumMessages))
	found, err := c.Fetch(seq, &imap.FetchOptions{UID: true, Envelope: true}).Collect()
	if err != nil {
		w.Fatal(err)
	}
	if len(found) == 0 || w.letters[found[0].Envelope.MessageID] == nil {
		return nil, 0
	}
	if l := w.letters[found[0].Envelope.MessageID]; l.times == 1 {
		return l, found[0].UID
	}
	return nil, 0
}

func (w *world) flagOld(login string) {
	c := w.old[login]
	l, uid := w.pick(c, draw(w.rng, oldFolders))
	if l == nil {
		return
	}
	l.theirs = w.some(theirFlags)
	setFlags(w.T, c, uid, imap.StoreFlagsSet, l.theirs...)
	w.flagChanges++
}

func (w *world) flagNew(login string) {
	c := w.new[login]
	l, uid := w.pick(c, renamed(draw(w.rng, oldFolders)))
	if l == nil {
		return
	}
	l.mine = w.some(myFlags)
	setFlags(w.T, c, uid, imap.StoreFlagsDel, myFlags...)
	if len(l.mine) > 0 {
		setFlags(w.T, c, uid, imap.StoreFlagsAdd, l.mine...)
	}
	w.flagChanges++
}

// pickSure draws a copy that the daemon was sure of at the last kill. One that is removed
// between the append and its proof, with a kill in between, can't be told from
// one that never arrived, and is copied once more.
func (w *world) pickSure(login, folder string) (*posted, imap.UID) {
	l, uid := w.pick(w.new[login], folder)
	if l == nil || !w.sure[place{login, folder}][uid] {
		return nil, 0
	}
	return l, uid
}

// proved notes the copies in a folder of which the daemon is sure.
func (w *world) proved(login, folder string, entries []store.Entry) {
	w.sure[place{login, folder}] = entriesUIDs(entries)
}

func (w *world) removeNew(login string) {
	l, uid := w.pickSure(login, renamed(draw(w.rng, oldFolders)))
	if l == nil {
		return
	}
	l.gone = true
	setFlags(w.T, w.new[login], uid, imap.StoreFlagsAdd, imap.FlagDeleted)
	if err := w.new[login].UIDExpunge(imap.UIDSetNum(uid)).Close(); err != nil {
		w.Fatal(err)
	}
	w.removals++
}

func (w *world) moveNew(login string) {
	from, to := renamed(draw(w.rng, oldFolders)), renamed(draw(w.rng, oldFolders))
	if from == to {
		return
	}
	l, uid := w.pickSure(login, from)
	if l == nil {
		return
	}
	if _, err := w.new[login].Move(imap.UIDSetNum(uid), to).Wait(); err != nil {
		return // the other folder may not be there yet
	}
	l.moved, l.new = true, to
	w.moves++
}

func (w *world) removeOld(login string) {
	c := w.old[login]
	l, uid := w.pick(c, draw(w.rng, oldFolders))
	if l == nil {
		return
	}
	l.late, l.old = true, ""
	setFlags(w.T, c, uid, imap.StoreFlagsAdd, imap.FlagDeleted)
	if err := c.UIDExpunge(imap.UIDSetNum(uid)).Close(); err != nil {
		w.Fatal(err)
	}
}

// deliverNew: mail comes to the new server by itself.
func (w *world) deliverNew(login string) {
	m := w.letter(login, "INBOX")
	l := w.letters[idOf(m.Body)]
	m.Flags, l.old, l.theirs = nil, "", nil
	if err := lab.Append(w.new[login], "INBOX", m); err != nil {
		w.Fatal(err)
	}
}

// visit opens a folder through the daemon, which may be dying.
func (w *world) visit(login string) {
	ctx, cancel := context.WithTimeout(w.Context(), 200*time.Millisecond)
	defer cancel()
	c, err := imapclient.DialTLS(w.daemon.IMAPS(), &imapclient.Options{TLSConfig: w.pair.clientTLS()})
	if err != nil {
		return
	}
	closed := context.AfterFunc(ctx, func() { c.Close() })
	defer closed()
	defer c.Close()
	if c.Login(login, odd).Wait() == nil {
		_, _ = c.Select(renamed(draw(w.rng, oldFolders)), nil).Wait()
	}
}

// copyOf is where a message was found.
type copyOf struct {
	folder string
	flags  []imap.Flag
}

// check compares both servers with what must have come of it all.
func (w *world) check() {
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
}

// bySum finds messages by the SHA-256 of their bodies.
func bySum(s *lab.Snapshot) map[string][]copyOf {
	found := map[string][]copyOf{}
	for name, folder := range s.Folders {
		for _, m := range folder.Messages {
			found[m.Sum] = append(found[m.Sum], copyOf{name, m.Flags})
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
	if len(found) != want && !(l.late && len(found) == 0) { // deleted before it was copied
		w.Errorf("%s: %s (%+v) is on the new server %d times, not %d: %v", l.login, id, *l, len(found), want, found)
		return
	}
	for _, f := range found {
		flags := slices.Concat(l.theirs, l.mine)
		if l.moved || l.late {
			flags = slices.Concat(without(f.flags, myFlags), l.mine)
		}
		if f.folder != l.new || !sameFlags(f.flags, flags) && l.times == 1 {
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
