package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/store"
	"postferry/syncer/message"
)

// The flags that change on the old server and those that the user changes on
// the new one, so that it is plain what the merge of both is.
var (
	theirs = []imap.Flag{imap.FlagSeen, imap.FlagFlagged, "$Work"}
	users  = []imap.Flag{imap.FlagDraft, imap.FlagAnswered, "$Mine"}
)

// subset draws some of the flags.
func subset(t *rapid.T, of []imap.Flag) []imap.Flag {
	return message.NormaliseFlags(rapid.SliceOfDistinct(rapid.SampledFrom(of), func(f imap.Flag) imap.Flag { return f }).Draw(t, "flags"))
}

// pick draws a message of a server.
func (m *model) pick(t *rapid.T, s *fakeServer) (folder, body string) {
	s.mu.Lock()
	var all [][2]string
	for name, b := range s.folders {
		if b.showsAll() {
			continue
		}
		for _, msg := range b.messages {
			all = append(all, [2]string{name, string(msg.body)})
		}
	}
	s.mu.Unlock()
	if len(all) == 0 {
		return "", ""
	}
	slices.SortFunc(all, func(a, b [2]string) int { return strings.Compare(a[0]+a[1], b[0]+b[1]) })
	p := rapid.SampledFrom(all).Draw(t, "message")
	return p[0], p[1]
}

func (m *model) folderOf(t *rapid.T, s *fakeServer) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name, b := range s.folders {
		if !b.showsAll() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return rapid.SampledFrom(names).Draw(t, "folder")
}

func (m *model) deliverOld(t *rapid.T) {
	name := m.folderOf(t, m.pair.old)
	count := rapid.IntRange(1, 8).Draw(t, "count")
	if count == 8 && rapid.Bool().Draw(t, "many") {
		count = 120 // more than a batch
	}
	m.note("old %s: %d messages from %d on", name, count, m.n+1)
	m.refilled(name)
	for range count {
		body := m.body()
		m.arrive(name, body, subset(t, theirs)...)
		m.limit[body]++
	}
}

// deliverTwin delivers a message again that is there already: a list does that, or a
// script that mails the same words every day.
func (m *model) deliverTwin(t *rapid.T) {
	name, body := m.pick(t, m.pair.old)
	if name == "" {
		return
	}
	count := rapid.IntRange(1, 2).Draw(t, "count")
	m.note("old %s: %d more of %.40q", name, count, body)
	m.refilled(name)
	for range count {
		m.arrive(name, body)
		m.limit[body]++
	}
}

// ownMail is what mail begins with that the user has got or written on the new server.
const ownMail = "X-Own: yes\r\n"

func (m *model) deliverNew(t *rapid.T) {
	name := m.folderOf(t, m.pair.new)
	m.n++ // with a Message-ID, so that it is not like a message that has none
	body := ownMail + mail(m.n)
	m.pair.new.deliver(name, body)
	m.limit[body]++
	m.own[body]++
	m.note("new %s: message %d, which is not on the old server", name, m.n)
}

// deliverBoth is what happens while mail for a person goes to both servers.
func (m *model) deliverBoth(t *rapid.T) {
	name := m.folderOf(t, m.pair.old)
	m.pair.new.mu.Lock()
	there := m.pair.new.folders[name] != nil
	m.pair.new.mu.Unlock()
	body := m.body()
	if !there || m.refuse([]byte(body)) != nil {
		return
	}
	m.note("both %s: message %d", name, m.n)
	m.refilled(name)
	m.arrive(name, body)
	m.pair.new.deliver(name, body)
	m.limit[body] += 2
	m.double[body], m.stray[body] = true, true
}

func (m *model) flagOld(t *rapid.T) {
	name, body := m.pick(t, m.pair.old)
	if name == "" {
		return
	}
	flags := subset(t, theirs)
	m.note("old %s: flags %v of %.40q", name, flags, body)
	m.pair.old.setFlags(name, body, flags...)
	if m.amnesia { // whether it was before or after the message was recognised is not known
		m.unclear[body] = true
	}
}

// flagNew changes the user's flags of a message, or also the old server's: who is
// right then depends on when the last pass saw them.
func (m *model) flagNew(t *rapid.T) {
	name, body := m.pick(t, m.pair.new)
	if name == "" {
		return
	}
	was := m.original(body)
	m.mine[was] = subset(t, users)
	keep := message.WithoutFlags(m.pair.new.flags(name, body), users)
	if rapid.IntRange(0, 3).Draw(t, "also theirs") == 0 {
		m.unclear[was] = true
		keep = subset(t, append([]imap.Flag{imap.FlagDeleted}, theirs...))
	}
	m.note("new %s: flags %v, %v of %.40q", name, keep, m.mine[was], body)
	m.pair.new.setFlags(name, body, append(keep, m.mine[was]...)...)
}

func (m *model) removeOld(t *rapid.T) {
	if name, body := m.pick(t, m.pair.old); name != "" {
		m.note("old %s: removed %.40q", name, body)
		m.pair.old.remove(name, body)
	}
}

// unjudged tells whether the engine doesn't know yet what it has done: a crash has left
// intents behind, or the ledger was lost. Histories move no mail and change no folders
// then. What may happen to mail that is removed, now or while the engine goes on in
// the background, is said at unproved.
func (m *model) unjudged() bool {
	if m.amnesia {
		return true
	}
	folders, err := m.db.Folders(context.Background(), m.id)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, f := range folders {
		l, err := m.db.Ledger(context.Background(), m.id, f.ID)
		if err != nil {
			m.t.Fatal(err)
		}
		toAppend := func(in store.Intent) bool { _, ok := message.FindEntry(l.Entries, in.Key); return !ok }
		if slices.ContainsFunc(l.Intents, toAppend) {
			return true
		}
	}
	return false
}

func (m *model) removeNew(t *rapid.T) {
	if m.amnesia {
		return
	}
	if name, body := m.pick(t, m.pair.new); name != "" && !m.unseen[name] {
		m.take(name, body)
		m.note("new %s: removed %.40q", name, body)
	}
}

// blur is for a message that its user removed where the engine can't tell by UIDs which
// of several like it that was: because they don't last, or because they changed
// while it was not clear whether one had arrived. Then the one that
// has arrived may be taken for the one that was removed, and copied once more.
func (m *model) blur(body string) {
	if m.pair.new.fleeting {
		m.excuseUpTo(indistinct, body, m.removed[body]+m.moved[body])
	}
}

// blurAll is blur for all that the user has removed so far.
func (m *model) blurAll() {
	for body := range m.limit {
		m.excuseUpTo(indistinct, body, m.removed[body]+m.moved[body])
	}
}

// take removes a message from a new folder, with those that are the same.
func (m *model) take(name, body string) {
	m.store.unproved.while(func() map[string]int {
		at := m.pair.new.highest(name, body)
		n := m.pair.new.remove(name, body)
		m.removed[m.original(body)] += n
		m.leave(name, m.original(body), n, at)
		return map[string]int{body: n}
	})
	m.blur(m.original(body))
}

// leave notes that messages, of which the last had that UID, are not any more where they were on the new server.
func (m *model) leave(name, body string, n int, at imap.UID) {
	if m.left[name] == nil {
		m.left[name], m.leftAt[name] = map[string]int{}, map[string]imap.UID{}
	}
	m.left[name][body] += n
	m.leftAt[name][body] = max(m.leftAt[name][body], at)
	m.excuseLeft(name)
}

// expungeNew removes what is marked with \Deleted in a folder.
func (m *model) expungeNew(t *rapid.T) {
	if m.amnesia {
		return
	}
	name := m.folderOf(t, m.pair.new)
	if m.unseen[name] {
		return
	}
	m.pair.new.mu.Lock()
	var marked []string
	for _, msg := range m.pair.new.folders[name].messages {
		if message.ContainsFlag(msg.flags, imap.FlagDeleted) {
			marked = append(marked, string(msg.body))
		}
	}
	m.pair.new.mu.Unlock()
	m.note("new %s: %d expunged", name, len(marked))
	for _, body := range marked {
		m.take(name, body)
	}
}

// moveNew moves a message, as the user's clients do: nobody tells the engine.
func (m *model) moveNew(t *rapid.T) {
	if m.unjudged() {
		return
	}
	from, body := m.pick(t, m.pair.new)
	to := m.folderOf(t, m.pair.new)
	if from == "" || from == to || m.unseen[from] {
		return
	}
	m.note("new %s: moved to %s: %.40q", from, to, body)
	m.move(from, to, body)
}

// userFolder is a folder that its user may delete or rename.
func (m *model) userFolder(t *rapid.T) string {
	name := m.folderOf(t, m.pair.new)
	if name == "INBOX" || m.unjudged() {
		return ""
	}
	return name
}

func (m *model) renameNew(t *rapid.T) {
	from := m.userFolder(t)
	if from == "" {
		return
	}
	m.n++
	to := fmt.Sprintf("Renamed%d", m.n)
	answered := rapid.Bool().Draw(t, "answered")
	m.note("new %s: renamed to %s, answered %t", from, to, answered)
	m.renameFolder(from, to, answered)
}

func (m *model) deleteFolderNew(t *rapid.T) {
	name := m.userFolder(t)
	if name == "" {
		return
	}
	m.note("new %s: deleted", name)
	m.deleteFolder(name)
}

func (m *model) addFolderOld(*rapid.T) {
	m.n++
	m.note("old Folder%d: made", m.n)
	m.pair.old.add(fmt.Sprintf("Folder%d", m.n))
}

func (m *model) renumberOld(t *rapid.T) {
	name := m.folderOf(t, m.pair.old)
	m.note("old %s: UIDVALIDITY changed", name)
	m.pair.old.renumber(name)
}

func (m *model) renumberNew(t *rapid.T) {
	name := m.folderOf(t, m.pair.new)
	if m.unseen[name] {
		return // nothing would tell any more that something is lost
	}
	m.note("new %s: UIDVALIDITY changed", name)
	if m.unjudged() {
		m.blurAll()
	}
	m.renumberAstray(name)
	m.pair.new.renumber(name)
}

// loseLedger begins with an empty store. What the user has removed comes back then,
// and what he has moved or renamed is copied to its old place: nobody can know.
func (m *model) loseLedger(t *rapid.T) {
	if m.allMail() || rapid.IntRange(0, 2).Draw(t, "really") > 0 {
		return
	}
	m.show(nil)
	m.note("the ledger is lost")
	m.stop()
	returned := m.returned() // without what its user had given one that was removed, but perhaps with what he has given it since
	for _, bodies := range m.excused {
		maps.Copy(returned, bodies)
	}
	m.closeStore()
	m.dropBackup()
	m.openStore()
	m.pair.new.settle() // without intents nothing tells of what it still has to store
	m.second = 0
	m.amnesia, m.removed, m.lostDirs = true, map[string]int{}, map[string]bool{}
	m.moved, m.excused, m.backups = map[string]int{}, map[excuse]map[string]int{}, nil
	m.left, m.leftAt = map[string]map[string]int{}, map[string]map[string]imap.UID{}
	old, new := m.count(m.pair.old), m.count(m.pair.new)
	m.limit, m.own = total(new), map[string]int{}
	for body, n := range m.limit {
		if strings.HasPrefix(body, ownMail) {
			m.own[body] = n
		}
	}
	maps.DeleteFunc(m.mine, func(body string, _ []imap.Flag) bool { return m.limit[body] == 0 })
	for body := range returned {
		if m.limit[body] > 0 {
			m.mine[body] = message.WithoutFlags(message.WithoutFlags(m.flagsOf(m.pair.new, body), theirs), []imap.Flag{imap.FlagDeleted})
		}
	}
	for name, bodies := range old {
		for body, n := range bodies {
			m.limit[body] += max(n-new[name][body], 0)
			m.double[body] = m.double[body] || m.limit[body] > n
			now := message.WithoutFlags(m.flagsOf(m.pair.new, body), users)
			m.unclear[body] = m.unclear[body] || new[name][body] > 0 && (!slices.Equal(now, m.flagsOf(m.pair.old, body)) || m.flagsDiffer(body, m.pair.old, m.pair.new))
		}
	}
	m.startEngine()
}
