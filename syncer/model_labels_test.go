package syncer

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// drawLabels decides whether messages of the old server have labels, as at Gmail: then one message shows in several folders, and
// is copied from folder to folder on the new server.
func (m *model) drawLabels(t *rapid.T) {
	if anyAccidents() && !m.pair.old.fleeting && rapid.IntRange(0, 3).Draw(t, "labels") == 0 {
		m.labelled = map[string][]string{}
		m.note("messages of the old server have labels")
	}
}

// dialers are those of the pair; where messages have labels, the old server tells them.
func (m *model) dialers() session.Dialers {
	all := m.pair.dialers()
	if m.labelled == nil {
		return all
	}
	all.Old = func(_ context.Context, server config.Server, c store.Credentials, opt link.Options) (session.Source, error) {
		s, err := m.pair.dial(server, c, opt)
		return session.IMAPSource{IMAPReader: gmailSession{s, ""}}, err
	}
	return all
}

// labelActions are of messages that are in several folders of the old server.
func (m *model) labelActions() map[string]func(*rapid.T) {
	if m.labelled == nil {
		return nil
	}
	return map[string]func(*rapid.T){
		"deliver with labels":       m.deliverLabelled,
		"deliver with labels again": m.deliverLabelled,
		"label on old":              m.labelOld,
	}
}

// deliverLabelled delivers messages that show in two or three folders.
func (m *model) deliverLabelled(t *rapid.T) {
	var names []string
	for range rapid.IntRange(2, 3).Draw(t, "folders") {
		if name := m.folderOf(t, m.pair.old); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	count := rapid.IntRange(1, 8).Draw(t, "count")
	m.note("old %s: %d messages with labels from %d on", strings.Join(names, ", "), count, m.n+1)
	for _, name := range names {
		m.refilled(name)
	}
	for range count {
		body, flags := m.body(), subset(t, theirs)
		for i, name := range names {
			if i == 0 {
				m.arrive(name, body, flags...)
			} else {
				m.pair.old.deliver(name, body, flags...)
			}
			m.limit[body]++
		}
		if len(names) > 1 {
			m.labelled[body] = names
		}
	}
}

// labelOld has a message show in one more folder.
func (m *model) labelOld(t *rapid.T) {
	from, body := m.pick(t, m.pair.old)
	to := m.folderOf(t, m.pair.old)
	if from == "" || m.pair.old.message(to, body).uid != 0 {
		return
	}
	m.note("old %s: %.40q from %s shows as well", to, body, from)
	m.refilled(to)
	m.pair.old.deliver(to, body, m.pair.old.flags(from, body)...)
	m.limit[body]++
	m.labelled[body] = append(m.labelled[body], from, to)
}

// unlabelled tells whether a message with labels has lost one: it may be taken to have moved to the folder that still has it.
func (m *model) unlabelled(body string) bool {
	return slices.ContainsFunc(m.labelled[body], func(name string) bool {
		return m.pair.old.folder(name) == nil || m.pair.old.message(name, body).uid == 0
	})
}

// yetToCome is how many copies of a message with labels have still to come into other folders than one that is made again.
func (m *model) yetToCome(body string, copies map[string]int) int {
	if m.labelled[body] == nil {
		return 0
	}
	return max(m.limit[body]-m.removed[body]-copies[body], 0)
}

// removedElsewhere is how many copies of a message with labels its user has removed from other folders than one that is made again: those stay
// removed.
func (m *model) removedElsewhere(body string) (n int) {
	if m.labelled[body] == nil {
		return 0
	}
	for _, left := range m.left {
		n += left[body]
	}
	return min(n, m.removed[body])
}

// flagsDiffer tells whether a message with labels has other flags in one place than in another, on any of the servers, but for its user's own.
func (m *model) flagsDiffer(body string, servers ...*fakeServer) bool {
	if m.labelled[body] == nil {
		return false
	}
	var all [][]imap.Flag
	for _, s := range servers {
		s.mu.Lock()
		for _, box := range s.folders {
			for _, msg := range box.messages {
				if !box.showsAll() && m.original(string(msg.body)) == body {
					all = append(all, message.WithoutFlags(msg.flags, users))
				}
			}
		}
		s.mu.Unlock()
	}
	return slices.ContainsFunc(all, func(flags []imap.Flag) bool { return !slices.Equal(flags, all[0]) })
}

// checkLabels: a message that shows in several folders of the old server is in each of them on the new one, as often, with its flags,
// unless something else has befallen it there.
func (m *model) checkLabels(when string) {
	if m.labelled == nil {
		return
	}
	of := map[string]store.Folder{}
	m.eachFolder(func(f store.Folder, _ store.Ledger) { of[f.Old] = f })
	old, new := m.count(m.pair.old), m.count(m.pair.new)
	alone := m.leftAlone()
	for body := range m.labelled {
		if m.touched(body, old) {
			continue
		}
		for name, bodies := range old {
			row := of[name]
			if bodies[body] == 0 || name == allMailFolder || alone[name] > 0 || alone[name+"\x00"+body] > 0 || !m.final && m.coincides(name) {
				continue
			}
			if n := new[row.New][body]; n != bodies[body] {
				m.fail("%s: %s: %d copies of a message with labels, want %d: %q", when, row.New, n, bodies[body], body)
			}
			if bodies[body] == 1 {
				m.checkLabelFlags(when, row, body)
			}
		}
	}
}

// checkLabelFlags compares the flags of one of the copies.
func (m *model) checkLabelFlags(when string, row store.Folder, body string) {
	raw := body
	for fixed, was := range m.repaired {
		if was == body {
			raw = fixed
		}
	}
	was, got := m.pair.old.flags(row.Old, body), m.pair.new.flags(row.New, raw)
	if got == nil {
		got = m.pair.new.flags(row.New, body)
	}
	if left := slices.DeleteFunc(slices.Clone(got), func(f imap.Flag) bool { return slices.Contains(users, f) }); !m.unclear[body] && (m.final || !m.uncarried[body]) && !slices.Equal(left, was) {
		m.fail("%s: %s: flags %v on the old server, %v on the new: %q", when, row.Old, was, got, body)
	}
}

// touched tells whether anything but labels has befallen a message, or may have.
func (m *model) touched(body string, old map[string]map[string]int) bool {
	folders := 0
	for name, bodies := range old {
		if name != allMailFolder {
			folders += bodies[body]
		}
	}
	m.lateMu.Lock()
	late := m.late[body]
	m.lateMu.Unlock()
	return folders != m.limit[body] || late > 0 || m.removed[body] > 0 || m.moved[body] > 0 || m.stray[body] || m.movedOld[body] ||
		m.double[body] || len(m.excusesOf(body)) > 0 || m.hidden()[body] || m.returned()[body] > 0
}
