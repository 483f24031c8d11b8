package syncer

import (
	"fmt"
	"maps"
	"slices"

	"pgregory.net/rapid"

	"postferry/store"
	"postferry/syncer/session"
)

// renameUntold renames a folder of the new server in a webmail.
func (m *model) renameUntold(t *rapid.T) {
	from := m.userFolder(t)
	if from == "" || len(m.left[from]) > 0 {
		return // see hide
	}
	m.n++
	to := fmt.Sprintf("Renamed%d", m.n)
	m.note("new %s: renamed to %s, and nobody says so", from, to)
	findable := m.findable(from) && !m.numbered[from] && !m.unseen[from]
	m.pair.new.rename(from, to)
	m.renamed(from, to)
	m.astray[to] = append(m.astray[from], from)
	if !findable {
		m.mayMiss(to)
	}
}

// findable tells whether there is something to find a folder of the new server by, should it be renamed: the
// UIDVALIDITY that the engine knows, and a copy that it holds. Where UIDs are given anew before the next look, it isn't.
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

// renumberAstray is for a folder that was renamed without a word and gets another UIDVALIDITY, or other UIDs: what it
// holds is all that it could be known by, and that may go as well.
func (m *model) renumberAstray(name string) {
	if len(m.astray[name]) > 0 {
		m.mayMiss(name)
	}
}

// deleteUntold deletes a folder of the new server in a webmail.
func (m *model) deleteUntold(t *rapid.T) {
	name := m.userFolder(t)
	if name == "" || len(m.left[name]) > 0 {
		return // see hide
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

// onlyHidden leaves only those of the folders that can't be seen: a pass has not looked at them.
func (f *fakeServer) onlyHidden(folders map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(folders, func(name string, _ bool) bool {
		_, hidden := f.hidden[name]
		return !hidden
	})
}
