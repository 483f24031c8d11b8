package syncer

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer/message"
	"postferry/syncer/session"
)

// What happens to the servers without anybody telling the engine: an administrator puts back a
// backup, an index is lost, a list of UIDs is made anew.

// kept is an earlier state of a folder, and what the model knew then.
type kept struct {
	server   *fakeServer
	name     string
	validity uint32 // UIDVALIDITY
	putBack  func()
	gone     map[string]int // removed or moved by their user by then, by body
	arrived  map[string]int // on the new server by then, with those that were removed
}

// copiesEver counts what is on the new server, with what was removed there.
func (m *model) copiesEver() map[string]int {
	all := total(m.count(m.pair.new))
	for body, n := range m.removed {
		all[body] += n
	}
	return all
}

// goneEver counts what its user has taken from where it was.
func (m *model) goneEver() map[string]int {
	all := maps.Clone(m.removed)
	for body, n := range m.moved {
		all[body] += n
	}
	return all
}

// backUp keeps the state of a folder.
func (m *model) backUp(t *rapid.T, s *fakeServer) {
	name := m.folderOf(t, s)
	m.note("%s %s: backed up", m.sideOf(s), name)
	m.backups = append(m.backups, kept{server: s, name: name, validity: s.folder(name).validity, putBack: s.keep(name), gone: m.goneEver(), arrived: m.copiesEver()})
}

func (m *model) backUpOld(t *rapid.T) { m.backUp(t, m.pair.old) }
func (m *model) backUpNew(t *rapid.T) { m.backUp(t, m.pair.new) }

func (m *model) sideOf(s *fakeServer) string {
	if s == m.pair.old {
		return "old"
	}
	return "new"
}

// backupOf draws an earlier state of a folder that is still there.
func (m *model) backupOf(t *rapid.T, s *fakeServer) (kept, bool) {
	var all []kept
	for _, k := range m.backups {
		if k.server == s && s.folder(k.name) != nil {
			all = append(all, k)
		}
	}
	if len(all) == 0 {
		return kept{}, false
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "backup")], true
}

// putOldBack puts a folder of the old server back to an earlier state. Which flags
// the engine has to take over then depends on which of them it has seen.
func (m *model) putOldBack(t *rapid.T) {
	k, ok := m.backupOf(t, m.pair.old)
	if !ok {
		return
	}
	m.note("old %s: put back to an earlier state", k.name)
	before, next, bodies := m.pair.old.flagsIn(k.name), m.pair.old.folder(k.name).next, m.count(m.pair.old)[k.name]
	k.putBack()
	m.usedAgain[k.name] = true
	if m.pair.old.folder(k.name).next == next {
		for body, n := range m.count(m.pair.old)[k.name] {
			m.excuse(unnoticed, body, n-bodies[body])
		}
	}
	for body, flags := range m.pair.old.flagsIn(k.name) {
		if was, there := before[body]; there && !slices.Equal(was, flags) {
			m.unclear[body] = true
		}
	}
}

// putNewBack puts a folder of the new server back to an earlier state: what came since is lost,
// what was removed since is there again. What came and was removed since can't be told from what
// was lost, and comes again.
func (m *model) putNewBack(t *rapid.T) {
	k, ok := m.backupOf(t, m.pair.new)
	if !ok || m.unjudged() || m.pair.new.fleeting || m.pair.new.folder(k.name).validity != k.validity || m.numbered[k.name] {
		return // without numbers to compare nothing tells that something is lost
	}
	m.note("new %s: put back to an earlier state", k.name)
	arrived, gone := m.copiesEver(), m.goneEver()
	flags := m.pair.new.flagsIn(k.name)
	before := total(m.count(m.pair.new))
	k.putBack()
	m.unseen[k.name] = true
	after := total(m.count(m.pair.new))
	for body := range m.limit {
		m.excuse(lostOrRemoved, body, min(arrived[body]-k.arrived[body], gone[body]-k.gone[body]))
		m.recount(body, after[body]-before[body])
		if after[body] == 0 {
			delete(m.mine, body)
		}
	}
	m.takeFlagsOf(k.name, flags)
}

// recount takes note of copies that are on the new server again or not any more. One that its user had
// moved there is lost with the folder: the ledger knows it as removed from where it was.
func (m *model) recount(body string, more int) {
	if lost := min(-more, m.moved[body]); lost > 0 {
		m.removed[body] += lost
		m.excuse(lostOrRemoved, body, lost)
	}
	if back := min(more, m.removed[body]); back > 0 {
		m.removed[body] -= back
		more -= back
	}
	if more > 0 { // it had been moved
		m.limit[body] += more
		m.double[body] = true
	}
	if _, own := m.own[body]; own {
		m.own[body] = total(m.count(m.pair.new))[body] + m.removed[body]
	}
}

// takeFlagsOf notes what flags the messages of a new folder have after it was put back.
func (m *model) takeFlagsOf(name string, before map[string][]imap.Flag) {
	now := m.pair.new.flagsIn(name)
	for raw, flags := range now {
		body := m.original(raw)
		if was, there := before[raw]; !there || !slices.Equal(was, flags) {
			m.unclear[body] = true
		}
		m.mine[body] = message.WithoutFlags(message.WithoutFlags(flags, theirs), []imap.Flag{imap.FlagDeleted})
	}
}

// numberOld and numberNew give the messages of a folder other UIDs under the same UIDVALIDITY.
func (m *model) numberOld(t *rapid.T) {
	name := m.folderOf(t, m.pair.old)
	m.numberAgain(t, m.pair.old, name)
	m.usedAgain[name] = true
}

func (m *model) numberNew(t *rapid.T) {
	name := m.folderOf(t, m.pair.new)
	if m.unseen[name] || m.unjudged() {
		return // as with UIDVALIDITY: see renumberNew; and what has arrived is looked for by its place
	}
	m.numbered[name] = m.numberAgain(t, m.pair.new, name) || m.numbered[name]
	m.excuseLeft(name)
	if m.numbered[name] {
		m.excuseSameHeads(name)
	}
}

// excuseSameHeads excuses messages of a new folder that have no Message-ID and the same header as another one,
// but for the size, which servers change: they may be taken for one another where UIDs mean nothing.
func (m *model) excuseSameHeads(name string) {
	bodies := map[string][]string{}
	for body := range m.count(m.pair.new)[name] {
		head := string(message.Header([]byte(body)))
		bodies[head] = append(bodies[head], body)
	}
	for head, same := range bodies {
		if len(same) < 2 || strings.Contains(head, "Message-ID") {
			continue
		}
		for _, body := range same {
			m.excuseUpTo(indistinct, body, 1)
			m.unclear[body] = true
		}
	}
}

// excuseLeft excuses what its user has taken from a new folder that has other UIDs than the engine
// knows: what had the highest UIDs, or more than can be found elsewhere, can't be told from what is lost then.
func (m *model) excuseLeft(name string) {
	if !m.numbered[name] {
		return
	}
	for body, n := range m.left[name] {
		m.excuseUpTo(lostOrRemoved, body, n)
	}
}

// numberAgain tells whether messages have another UID than before.
func (m *model) numberAgain(t *rapid.T, s *fakeServer, name string) bool {
	before, next := s.uids(name), s.folder(name).next
	from := imap.UID(1)
	if rapid.Bool().Draw(t, "higher") {
		from = s.folder(name).next
	}
	var order func(a, b *fakeMessage) int
	if rapid.Bool().Draw(t, "in another order") {
		order = func(a, b *fakeMessage) int { return cmp.Compare(b.uid, a.uid) }
	}
	s.number(name, from, order)
	m.backups = slices.DeleteFunc(m.backups, func(k kept) bool { // as if UIDVALIDITY were another one
		return k.server == s && k.name == name
	})
	m.note("%s %s: UIDs given anew from %d on, in another order %t", m.sideOf(s), name, from, order != nil)
	return !maps.Equal(before, s.uids(name)) || s.folder(name).next < next
}

// restartModSeq lets a server count the changes of a folder anew. What changes on the old server before
// the engine has seen that may stay unseen.
func (m *model) restartModSeq(t *rapid.T) {
	s := m.pair.old
	if rapid.Bool().Draw(t, "new server") {
		s = m.pair.new
	}
	name := m.folderOf(t, s)
	n := rapid.Uint64Range(1, 3).Draw(t, "modseq")
	m.note("%s %s: HIGHESTMODSEQ is %d", m.sideOf(s), name, n)
	was := s.folder(name).modseq
	s.setModSeq(name, n)
	if s == m.pair.old {
		m.counted[name] = max(m.counted[name], was)
	}
}

// overtaken takes note of folders whose count of changes has got to where it was without the
// engine having seen that it was less.
func (m *model) overtaken() {
	for name, was := range m.counted {
		if b := m.pair.old.folder(name); b != nil && b.modseq >= was {
			for body := range m.pair.old.flagsIn(name) {
				m.unclear[body] = true
			}
		}
	}
}

func (f *fakeServer) folder(name string) *fakeFolder {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.folders[name]
}

// flagsIn are the flags of a folder's messages, by body.
func (f *fakeServer) flagsIn(name string) map[string][]imap.Flag {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string][]imap.Flag{}
	for _, msg := range f.folders[name].messages {
		all[string(msg.body)] = slices.Clone(msg.flags)
	}
	return all
}

// uids are the bodies of a folder's messages, by UID.
func (f *fakeServer) uids(name string) map[imap.UID]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[imap.UID]string{}
	for _, msg := range f.folders[name].messages {
		all[msg.uid] = string(msg.body)
	}
	return all
}

// renameUntold renames a folder of the new server in a webmail.
func (m *model) renameUntold(t *rapid.T) {
	from := m.userFolder(t)
	if from == "" || len(m.left[from]) > 0 {
		return // see hide
	}
	m.n++
	to := fmt.Sprintf("Renamed%d", m.n)
	m.note("new %s: renamed to %s, and nobody says so", from, to)
	findable := m.findable(from)
	m.pair.new.rename(from, to)
	m.renamed(from, to)
	m.astray[to] = append(m.astray[from], from)
	if !findable {
		m.mayMiss(to)
	}
}

// findable tells whether there is something to find a folder of the new server by, should it be renamed: the
// UIDVALIDITY that the engine knows, and a copy that it holds.
func (m *model) findable(name string) (findable bool) {
	if m.pair.new.fleeting {
		return false
	}
	box := m.pair.new.folder(name)
	m.eachFolder(func(f store.Folder, l store.Ledger) {
		if f.New != name || f.NewUIDValidity != box.validity {
			return
		}
		uids := session.NewUIDs(l, box.validity)
		findable = slices.ContainsFunc(box.messages, func(msg *fakeMessage) bool {
			_, is := uids[msg.uid]
			return is
		})
	})
	return findable
}

// mayMiss says that a folder may count as missing.
func (m *model) mayMiss(name string) {
	m.lostDirs[name] = true
	for _, was := range m.astray[name] {
		m.lostDirs[was] = true
	}
}

// renumberAstray is for a folder that was renamed without a word and gets another UIDVALIDITY: what it
// holds is all that it could be known by, and that may go as well.
func (m *model) renumberAstray(name string) {
	if len(m.astray[name]) > 0 {
		m.mayMiss(name)
	}
}

// deleteUntold deletes a folder of the new server in a webmail.
func (m *model) deleteUntold(t *rapid.T) {
	name := m.userFolder(t)
	if name == "" {
		return
	}
	m.note("new %s: deleted, and nobody says so", name)
	m.takeFolder(name)
	m.mayMiss(name)
}

// hide lets a folder of the new server not be there for a while.
func (m *model) hide(t *rapid.T) {
	name := m.userFolder(t)
	if name == "" || !m.seen(name) || len(m.left[name]) > 0 {
		return // where its user has moved its mail, there it may be taken to be
	}
	m.note("new %s: hidden", name)
	s := m.pair.new
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden[name] = s.folders[name]
	delete(s.folders, name)
}

// seen tells whether the engine has seen a folder of the new server: otherwise it would make it.
func (m *model) seen(name string) (seen bool) {
	m.eachFolder(func(f store.Folder, _ store.Ledger) {
		seen = seen || f.New == name && f.State == store.FolderPresent
	})
	return seen
}

// show lets all that was hidden be there again.
func (m *model) show(*rapid.T) {
	s := m.pair.new
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, box := range s.hidden {
		m.note("new %s: shown", name)
		s.folders[name] = box
	}
	clear(s.hidden)
}

// copyOfLedger is an earlier state of the store, and what the model knew then.
type copyOfLedger struct {
	dir           string
	known         map[messageID]bool
	gone, arrived map[string]int
	flags         map[string][]imap.Flag // of the old server
}

// backUpLedger keeps a copy of the store, between two passes. Where UIDs don't last an earlier one shows
// nothing of what has come since.
func (m *model) backUpLedger(t *rapid.T) {
	if m.unjudged() || m.unsettled() || m.pair.new.fleeting || m.pair.old.fleeting || m.backup != nil && rapid.Bool().Draw(t, "keep the former one") {
		return
	}
	m.note("the ledger: backed up")
	m.stop()
	m.dropBackup()
	dir, err := os.MkdirTemp(shm(), "postferry-model-")
	if err != nil {
		m.t.Fatal(err)
	}
	m.db.Close()
	m.copyStore(dir)
	m.backup = &copyOfLedger{dir: dir, known: m.store.unproved.knows(), gone: m.goneEver(), arrived: m.copiesEver(),
		flags: m.oldFlags()}
	m.reopen(m.dir)
	m.startEngine()
}

// unsettled tells whether something has befallen the new server that the engine has not had the time to see.
func (m *model) unsettled() bool {
	for _, folders := range []map[string]bool{m.unseen, m.numbered} {
		for _, is := range folders {
			if is {
				return true
			}
		}
	}
	return false
}

// copyStore copies the store's files, with their rights.
func (m *model) copyStore(to string) {
	files, err := os.ReadDir(m.dir)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(m.dir, f.Name()))
		if err == nil {
			err = os.WriteFile(filepath.Join(to, f.Name()), content, 0o600)
		}
		if err != nil {
			m.t.Fatal(err)
		}
	}
}

// putLedgerBack puts the store back to the copy. Mail that was copied, and then removed or moved, since then
// comes again: nothing is left that tells of it.
func (m *model) putLedgerBack(*rapid.T) {
	b := m.backup
	if b == nil || m.unsettled() {
		return
	}
	m.show(nil) // it may not know what is hidden
	m.note("the ledger: put back to an earlier state")
	m.backup = nil
	m.stop()
	m.closeStore()
	m.reopen(b.dir)
	m.store.unproved.restore(b.known)
	m.pair.new.settle()
	m.amnesia = true // until the engine has looked
	arrived, gone := m.copiesEver(), m.goneEver()
	for body := range m.limit {
		m.excuse(ledgerOlder, body, min(arrived[body]-b.arrived[body], gone[body]-b.gone[body]))
	}
	for body, flags := range m.oldFlags() {
		m.unclear[body] = m.unclear[body] || !slices.Equal(flags, b.flags[body])
	}
	m.startEngine()
}

// reopen opens the store in a folder.
func (m *model) reopen(dir string) {
	db, err := bolt.Open(dir, bolt.Options{Command: "test"})
	if err != nil {
		m.t.Fatal(err)
	}
	m.dir, m.db, m.store.Store = dir, db, db
}

// dropBackup is also for folders that are renamed or deleted: whether they are found again by an earlier state
// depends on what they hold.
func (m *model) dropBackup() {
	if m.backup != nil {
		os.RemoveAll(m.backup.dir)
		m.backup = nil
	}
}

// oldFlags are the flags of the old server's messages, by body.
func (m *model) oldFlags() map[string][]imap.Flag {
	s := m.pair.old
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string][]imap.Flag{}
	for _, box := range s.folders {
		for _, msg := range box.messages {
			all[string(msg.body)] = slices.Clone(msg.flags)
		}
	}
	return all
}

// storedLate notes what the new server has stored when the engine may have given up waiting for it.
func (m *model) storedLate(bodies [][]byte) {
	m.lateMu.Lock()
	defer m.lateMu.Unlock()
	for _, body := range bodies {
		m.late[m.original(string(body))]++
	}
}

// excuseLate excuses second copies of it.
func (m *model) excuseLate() {
	m.lateMu.Lock()
	defer m.lateMu.Unlock()
	for body, n := range m.late {
		m.excuseUpTo(storedLate, body, n)
	}
}
