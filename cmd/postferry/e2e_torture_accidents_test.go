package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"postferry/internal/lab"
)

// tortureStall is how long a connection may be silent during the torture.
const tortureStall = 2 * time.Second

// throwaway is a folder that people delete at the new server, and its name there.
const throwaway = "INBOX.Wegwerf"

// accidents are what happens to servers, state and folders, beside kills and cuts: each
// about as often as any other.
var accidents = []struct {
	name   string
	happen func(x *torture) bool // false: not now
}{
	{"processes of the new server stopped", func(x *torture) bool { return x.freeze(x.pair.new) }},
	{"processes of the old server stopped", func(x *torture) bool { return x.freeze(x.pair.old) }},
	{"new server killed", func(x *torture) bool { return x.restart(x.pair.new) }},
	{"old server killed", func(x *torture) bool { return x.restart(x.pair.old) }},
	{"folder renamed at the new server", (*torture).renameDirectly},
	{"folder deleted at the new server", (*torture).deleteDirectly},
	{"new server put back", func(x *torture) bool { return x.keepOrPutBack(x.pair.new, x.world.logins[:2]) }},
	{"old server put back", func(x *torture) bool { return x.keepOrPutBack(x.pair.old, x.world.logins[2:4]) }},
	{"state put back", (*torture).backUpOrRestore},
}

// kept is an earlier state of a server or of the daemon, to be put back.
type kept struct {
	putBack func()
	letters map[string]posted
	copied  map[string]bool // letters of which there were copies: others the daemon's state can't know
}

// accident lets one of the accidents happen that have been drawn.
func (x *torture) accident() {
	if len(x.due) == 0 {
		x.due = x.rng.Perm(len(accidents))
	}
	for n, i := range x.due {
		if accidents[i].happen(x) {
			x.happened[accidents[i].name]++
			x.due = slices.Delete(x.due, n, n+1)
			return
		}
	}
}

// freeze stops a server's sessions for longer than connections may be silent, meanwhile all else goes on.
func (x *torture) freeze(server *lab.Dovecot) bool {
	sessions := server.Sessions()
	if len(sessions) == 0 {
		return false
	}
	x.thaw.Add(1)
	signal := func(s syscall.Signal) {
		for _, pid := range sessions {
			_ = syscall.Kill(pid, s) // it may have ended
		}
	}
	signal(syscall.SIGSTOP)
	time.AfterFunc(tortureStall+time.Duration(x.rng.Int64N(int64(2*tortureStall))), func() {
		signal(syscall.SIGCONT)
		x.thaw.Done()
	})
	return true
}

// restart kills a server and starts it again; people connect again.
func (x *torture) restart(server *lab.Dovecot) bool {
	x.thaw.Wait() // what is stopped does not end
	server.KillAll()
	for _, login := range x.world.logins { // for which the next one would wait three minutes
		removeLocks(x.T, server.UserDir(login))
	}
	server.Restart()
	x.reconnect(server)
	return true
}

// removeLocks removes the lock files that a killed server has left.
func removeLocks(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".lock") {
			err = os.Remove(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (x *torture) reconnect(server *lab.Dovecot) {
	clients := x.world.old
	if server == x.pair.new {
		clients = x.world.new
	}
	for _, login := range x.world.logins {
		clients[login].Close()
		clients[login] = server.Client(login)
	}
}

// renameDirectly renames a folder with one below it without the daemon's being told.
func (x *torture) renameDirectly() bool {
	w, login := x.world, draw(x.rng, x.world.logins)
	if w.renaming[login] || !w.recorded(login, movable) {
		return false
	}
	from := w.nameNow(login, movable)
	w.renames++
	_ = w.new[login].Unselect().Wait()
	return w.new[login].Rename(from, fmt.Sprintf("%s-%d", movable, w.renames), nil).Wait() == nil
}

// deleteDirectly deletes a folder all of whose mail has been copied, likewise.
func (x *torture) deleteDirectly() bool {
	login := draw(x.rng, x.world.logins[4:])
	if !x.settled || x.deleted[login] {
		return false
	}
	c := x.world.new[login]
	_ = c.Unselect().Wait()
	if c.Delete(renamed(throwaway)).Wait() != nil {
		return false
	}
	for _, l := range x.world.letters {
		if l.login == login && l.old == throwaway {
			l.gone = true
		}
	}
	x.deleted[login] = true
	return true
}

// keepOrPutBack keeps a mailbox, and the next time puts it back.
func (x *torture) keepOrPutBack(server *lab.Dovecot, logins []string) bool {
	k, w := x.kept[server], x.world
	if k == nil {
		login := draw(x.rng, logins)
		if w.renaming[login] || !x.settled { // a folder that is not in it can't be found any more
			return false
		}
		x.thaw.Wait()
		k = &kept{putBack: server.Keep(login), letters: w.lettersOf(login)}
		x.kept[server], x.keptOf[server] = k, login
		x.reconnect(server)
		return true
	}
	login := x.keptOf[server]
	if w.renaming[login] {
		return false
	}
	x.thaw.Wait()
	k.putBack()
	x.reconnect(server)
	x.kept[server] = nil
	for id, l := range w.letters {
		was, known := k.letters[id]
		switch {
		case l.login != login:
		case server == x.pair.new:
			l.newPutBack(was, known)
		default:
			l.oldPutBack(was, known)
		}
	}
	w.putBack[login] = w.putBack[login] || server == x.pair.new
	return true
}

func (w *world) lettersOf(login string) map[string]posted {
	all := map[string]posted{}
	for id, l := range w.letters {
		if login == "" || l.login == login {
			all[id] = *l
		}
	}
	return all
}

// newPutBack: what people did since is undone; what was copied since is copied again, unless
// it is known that its user has removed it.
func (l *posted) newPutBack(was posted, known bool) {
	l.anyFlags = true
	touched := l.gone || l.moved
	switch {
	case known:
		l.blurred = l.blurred || was.gone != l.gone || was.moved != l.moved || was.new != l.new
		l.mine, l.moved, l.new, l.gone = was.mine, was.moved, was.new, was.gone
	case l.old == "" && !l.late: // came by itself
		l.gone = true
	default:
		l.blurred = l.blurred || touched
		l.mine, l.moved, l.gone, l.new = nil, false, false, l.first
	}
}

// oldPutBack: what came since is not there any more, what was removed since is back.
func (l *posted) oldPutBack(was posted, known bool) {
	l.anyFlags = true
	switch {
	case known:
		l.old, l.theirs = was.old, was.theirs
		l.late = was.late
	case l.old != "":
		l.old, l.late = "", true
	}
}

// backUpOrRestore makes a backup of the state, which is put back after the kill of the next time.
func (x *torture) backUpOrRestore() bool {
	if x.backup != nil {
		x.restoring = true
		return true
	}
	target := filepath.Join(x.TempDir(), "backup.tar")
	if !x.settled {
		return false
	}
	copied := x.world.copied()
	if status, _, stderr := postferry(x.T, "", "backup", "-c", x.daemon.Config, target); status != exitOK {
		x.Fatalf("backup: %d %s", status, stderr)
	}
	data, err := os.ReadFile(target)
	if err != nil {
		x.Fatal(err)
	}
	x.backup = &kept{letters: x.world.lettersOf(""), copied: copied, putBack: func() {
		restore(x.T, filepath.Join(filepath.Dir(x.daemon.Config), "state"), archived(x.T, data))
	}}
	return true
}

// copied are the letters of which there is a copy.
func (w *world) copied() map[string]bool {
	found := map[string]bool{}
	for _, login := range w.logins {
		copies := bySum(w.pair.new.Snapshot(login))
		for id, l := range w.letters {
			found[id] = found[id] || l.login == login && len(copies[l.sum]) > 0
		}
	}
	return found
}

// settle lets the daemon work in peace until all that people throw away has been copied.
func (x *torture) settle() {
	x.calm(true)
	defer x.calm(false)
	for range 3 {
		if status, _, _ := postferry(x.T, "", "sync", "-c", x.daemon.Config); status == exitOK {
			return
		}
	}
}

// restoreState puts the state back: what was removed since may have been copied since, and comes again. With which
// flags something was copied since, nothing tells any more.
func (x *torture) restoreState() {
	if !x.restoring {
		return
	}
	x.backup.putBack()
	for id, l := range x.world.letters {
		was, known := x.backup.letters[id]
		if !known || was.gone != l.gone || was.moved != l.moved || was.new != l.new {
			l.blurred = l.blurred || l.gone || l.moved
			l.anyFlags = true
		}
		l.anyFlags = l.anyFlags || known && was.changes != l.changes || !x.backup.copied[id] && l.changes > 0 // to and fro is no change for the ledger
	}
	x.backup, x.restoring = nil, false
}

// tellAccidents says how often each has happened.
func (x *torture) tellAccidents() string {
	var text []string
	for _, name := range slices.Sorted(maps.Keys(x.happened)) {
		text = append(text, fmt.Sprintf("%s: %d", name, x.happened[name]))
	}
	return fmt.Sprint(text)
}
