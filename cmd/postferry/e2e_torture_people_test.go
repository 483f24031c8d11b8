package main

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/internal/lab"
	"postferry/store"
)

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
	case n < 19:
		w.renameNew(login)
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
	l.changes++
	setFlags(w.T, c, uid, imap.StoreFlagsSet, l.theirs...)
	w.flagChanges++
}

func (w *world) flagNew(login string) {
	c := w.new[login]
	l, uid := w.pickNew(login, renamed(draw(w.rng, oldFolders)))
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

// pickNew is pick for a folder of the new server, unless it is just being renamed.
func (w *world) pickNew(login, folder string) (*posted, imap.UID) {
	if w.unsettled(login, folder) {
		return nil, 0
	}
	return w.pick(w.new[login], w.nameNow(login, folder))
}

// unsettled tells whether a folder is just being renamed.
func (w *world) unsettled(login, folder string) bool {
	return w.renaming[login] && strings.HasPrefix(folder, movable)
}

// pickSure draws a copy that the daemon was sure of at the last kill. One that is removed
// between the append and its proof, with a kill in between, can't be told from
// one that never arrived, and is copied once more.
func (w *world) pickSure(login, folder string) (*posted, imap.UID) {
	if w.putBack[login] { // the ledger's UIDs may be those of other messages there
		return nil, 0
	}
	l, uid := w.pickNew(login, folder)
	if l == nil || !w.sure[place{login, folder}][uid] {
		return nil, 0
	}
	return l, uid
}

// proved notes the copies in a folder of which the daemon is sure.
func (w *world) proved(login, folder string, entries []store.Entry) {
	w.sure[place{login, firstName(folder)}] = entriesUIDs(entries)
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
	if from == to || w.unsettled(login, to) {
		return
	}
	l, uid := w.pickSure(login, from)
	if l == nil {
		return
	}
	if _, err := w.new[login].Move(imap.UIDSetNum(uid), w.nameNow(login, to)).Wait(); err != nil {
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
	folder := w.nameNow(login, renamed(draw(w.rng, oldFolders)))
	w.through(login, func(c *imapclient.Client) { _, _ = c.Select(folder, nil).Wait() })
}

// renameNew renames a folder with one below it through the daemon, which may be
// dying: what became of that is known after the next kill. Until then it is left alone,
// as servers end sessions that have a renamed folder open.
func (w *world) renameNew(login string) {
	if w.renaming[login] || !w.recorded(login, movable) {
		return
	}
	w.renames++
	w.renaming[login] = true
	from, to := w.nameNow(login, movable), fmt.Sprintf("%s-%d", movable, w.renames)
	_ = w.new[login].Unselect().Wait()
	w.through(login, func(c *imapclient.Client) { _ = c.Rename(from, to, nil).Wait() })
}

// recorded tells whether the daemon's state had a folder of the new server at the last kill. One that is renamed
// between its being made and that, with a kill in between, stays behind empty, as nothing tells that it was ours.
func (w *world) recorded(login, folder string) bool {
	_, known := w.sure[place{login, folder}]
	return known
}

// movable is the folder that people rename.
const movable = "Projekte"

var renamedMovable = regexp.MustCompile("^" + movable + `-\d+`)

// firstName is what a folder of the new server was called at first.
func firstName(folder string) string { return renamedMovable.ReplaceAllString(folder, movable) }

// nameNow is what such a folder is called now; the same if there is none.
func (w *world) nameNow(login, folder string) string {
	list, err := w.new[login].List("", "*", nil).Collect()
	if err != nil {
		w.Fatal(err)
	}
	for _, f := range list {
		if firstName(f.Mailbox) == folder {
			return f.Mailbox
		}
	}
	return folder
}

// through does something with a session through the daemon, for a fifth of a second at most.
func (w *world) through(login string, do func(*imapclient.Client)) {
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
		do(c)
	}
}
