package syncer

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/syncer/message"
)

// What happens to the servers without anybody telling the engine: an administrator puts back a
// backup, an index is lost, a list of UIDs is made anew.

// kept is an earlier state of a folder, and what the model knew then.
type kept struct {
	server   *fakeServer
	name     string
	at       int    // its place among all backups
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
	m.n++
	m.backups = append(m.backups, kept{server: s, name: name, at: m.n, validity: s.folder(name).validity, putBack: s.keep(name), gone: m.goneEver(), arrived: m.copiesEver()})
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
	if !ok || m.shifted {
		return
	}
	m.note("old %s: put back to an earlier state", k.name)
	before, next, bodies := m.pair.old.flagsIn(k.name), m.pair.old.folder(k.name).next, m.count(m.pair.old)[k.name]
	modSeq := m.pair.old.folder(k.name).modseq
	k.putBack()
	if m.pair.old.folder(k.name).modseq < modSeq {
		m.counted[k.name] = max(m.counted[k.name], modSeq)
	}
	m.usedAgain[k.name] = true
	if m.pair.old.folder(k.name).next == next {
		for body, n := range m.count(m.pair.old)[k.name] {
			m.excuse(unnoticed, body, n-bodies[body])
		}
	}
	m.outOfAllMail(k.name, bodies)
	for body, flags := range m.pair.old.flagsIn(k.name) {
		if was, there := before[body]; there && !slices.Equal(was, flags) {
			m.unclear[body] = true
		}
	}
}

// outOfAllMail takes note of what a folder has that it hadn't just before, and that all mail had as well: if it has gone from there to
// the archive meanwhile, it has been moved to the folder since.
func (m *model) outOfAllMail(name string, before map[string]int) {
	all := m.count(m.pair.old)[allMailFolder]
	for body, n := range m.count(m.pair.old)[name] {
		if n > before[body] && all[body] > 0 {
			m.unarchived[body] = true
		}
	}
}

// putNewBack puts a folder of the new server back to an earlier state: what came since is lost,
// what was removed since is there again. What came and was removed since can't be told from what
// was lost, and comes again.
func (m *model) putNewBack(t *rapid.T) {
	k, ok := m.backupOf(t, m.pair.new)
	if !ok || m.shifted || m.unjudged() || m.pair.new.fleeting || m.pair.new.folder(k.name).validity != k.validity || m.numbered[k.name] {
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
		m.recount(body, after[body]-before[body], k.gone[body])
		if after[body] == 0 {
			delete(m.mine, body)
		}
	}
	m.excuseLast(k.name)
	m.takeFlagsOf(k.name, flags)
	// What was backed up after that state is of a course of things that has been given up: its UIDs say nothing of what the
	// engine knows.
	m.backups = slices.DeleteFunc(m.backups, func(b kept) bool { return b.server == k.server && b.name == k.name && b.at > k.at })
}

// excuseLast excuses what its user has taken from a new folder that was put back, if it had a higher UID than anything
// there: it can't be told from what is lost.
func (m *model) excuseLast(name string) {
	highest := imap.UID(0)
	for uid := range m.pair.new.uids(name) {
		highest = max(highest, uid)
	}
	for body, uid := range m.leftAt[name] {
		if uid > highest {
			m.excuseUpTo(lostOrRemoved, body, m.left[name][body])
		}
	}
}

// recount takes note of copies that are on the new server again or not any more. One that its user had
// moved there is lost with the folder: the ledger knows it as removed from where it was. gone is how many its user
// had taken by the state that is back.
func (m *model) recount(body string, more, gone int) {
	if again := min(-more, gone-m.removed[body]-m.moved[body]); again > 0 {
		m.removed[body] += again
		more += again
	}
	lost := min(-more, m.moved[body])
	if more < 0 && m.unlabelled(body) { // a copy in another folder is the message's then
		m.stray[body] = true
	}
	if lost > 0 {
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
	if m.shifted {
		return // lines that a message is looked for in get other keys meanwhile
	}
	name := m.folderOf(t, m.pair.old)
	m.numberAgain(t, m.pair.old, name)
	m.usedAgain[name] = true
}

func (m *model) numberNew(t *rapid.T) {
	name := m.folderOf(t, m.pair.new)
	if m.unseen[name] || m.shifted || m.unjudged() {
		return // as with UIDVALIDITY: see renumberNew; and what has arrived is looked for by its place
	}
	m.numbered[name] = m.numberAgain(t, m.pair.new, name) || m.numbered[name]
	m.excuseLeft(name)
	if m.numbered[name] {
		m.excuseSameHeads(name)
		m.renumberAstray(name)
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
				m.uncarried[body] = true
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
