package syncer

import (
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"
)

// allMailFolder shows all mail of the old server (RFC 6154 \All), where it has one: what lies in no other folder goes to the new
// server's archive.
const allMailFolder = "All"

// showsAll tells whether a folder shows the mail of others.
func (b *fakeFolder) showsAll() bool { return slices.Contains(b.attrs, imap.MailboxAttrAll) }

// drawAllMail decides whether there is one.
func (m *model) drawAllMail(t *rapid.T) {
	if anyAccidents() && !m.pair.old.fleeting && rapid.IntRange(0, 3).Draw(t, "all mail") == 0 {
		m.pair.old.add(allMailFolder).attrs = []imap.MailboxAttr{imap.MailboxAttrAll}
		m.note("the old server has a folder that shows all mail")
	}
}

// allMail tells whether there is one. Of what has been removed from its folder then, an earlier ledger, or none, does not know that it
// was copied while it was there.
func (m *model) allMail() bool { return m.pair.old.folder(allMailFolder) != nil }

// arrive delivers a message to the old server.
func (m *model) arrive(name, body string, flags ...imap.Flag) {
	m.pair.old.deliver(name, body, flags...)
	if m.allMail() {
		m.filed[body] = true
		m.pair.old.deliver(allMailFolder, body, flags...)
	}
}

func (m *model) allMailActions() map[string]func(*rapid.T) {
	if !anyAccidents() {
		return nil
	}
	return map[string]func(*rapid.T){"archive on old": m.archiveOld}
}

// archiveOld delivers messages that lie in no folder.
func (m *model) archiveOld(t *rapid.T) {
	if !m.allMail() {
		return
	}
	count := rapid.IntRange(1, 3).Draw(t, "count")
	m.note("old: %d archived messages from %d on", count, m.n+1)
	for range count {
		if body := m.body(); m.refuse([]byte(body)) == nil {
			m.pair.old.deliver(allMailFolder, body, subset(t, theirs)...)
			m.limit[body]++
			m.stray[body], m.unclear[body] = true, true // it goes to the archive, and is nowhere else
		}
	}
}

// archived are the messages of the folder that shows all which have to be on the new server, wherever they have lain. What leaves a folder
// that is not copied, as its user has deleted it, stays left out; likewise one of several that are the same, and what the new server refuses: always, or when the quarantine of a folder has it (alone).
func (m *model) archived(alone map[string]int) map[string]int {
	lone := maps.Clone(m.count(m.pair.old)[allMailFolder])
	quarantined := func(body string) bool {
		for name := range m.count(m.pair.old) {
			if name != allMailFolder && alone[name+"\x00"+body] > 0 {
				return true
			}
		}
		return false
	}
	maps.DeleteFunc(lone, func(body string, n int) bool {
		return m.filed[body] && (n > 1 || len(m.lostDirs) > 0 || m.refuse([]byte(body)) != nil || quarantined(body))
	})
	return lone
}
