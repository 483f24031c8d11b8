package syncer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"postferry/store"
)

// What people do at the old server besides reading: they move mail and rename and delete folders.

// oldActions are drawn where UIDs of the old server last: elsewhere a message that is moved can't be told from one that has come.
// They are left to the long runs: one history in 5,000 still ends with an identical message taken for another.
func (m *model) oldActions() map[string]func(*rapid.T) {
	if !anyAccidents() {
		return nil
	}
	return map[string]func(*rapid.T){
		"move on old":          m.moveOld,
		"rename on old":        m.renameOld,
		"delete folder on old": m.deleteFolderOld,
	}
}

// moveOld moves a message. Where its copy is, the engine knows no longer; it is copied no more all the same.
func (m *model) moveOld(t *rapid.T) {
	if m.pair.old.fleeting || m.unjudged() || m.unsettled() {
		return // whether a copy is where it was is known only in the folder that it was copied to
	}
	from, body := m.pick(t, m.pair.old)
	to := m.folderOf(t, m.pair.old)
	if from == "" || from == to || !m.pulled(from) {
		return
	}
	m.note("old %s: moved to %s: %.40q", from, to, body)
	m.pair.old.moveMail(from, to, body)
	m.stray[body], m.unclear[body], m.movedOld[body] = true, true, true
	m.dropBackupsOf(from, to)
	m.shifted = true
	m.movedFrom[from] = append(m.movedFrom[from], body)
	if m.visited { // what has come may be pulled only now, and nobody looks at the other folders for it
		m.excuseUpTo(movedUnseen, body, 1)
	}
}

// refilled is for a folder that has got mail: by its number of messages nobody can tell any more that others were moved from it, as long as
// it hasn't been looked through.
func (m *model) refilled(name string) {
	for _, body := range m.movedFrom[name] {
		m.excuseUpTo(movedUnseen, body, 1)
	}
}

// pulled tells whether all messages of an old folder are in the ledger, and the engine has seen it as it is.
func (m *model) pulled(name string) (pulled bool) {
	box := m.pair.old.folder(name)
	m.eachFolder(func(f store.Folder, l store.Ledger) {
		if f.Old == name && f.State == store.FolderPresent {
			pulled = !f.Checkpoint.Checked.IsZero() && f.Checkpoint.UIDValidity == box.validity && unknownTo(l, box) == 0 && !m.usedAgain[name]
		}
	})
	return pulled
}

// dropBackupsOf is for old folders whose earlier states would bring back what is elsewhere now. An earlier state of the
// ledger knows of none of what has been moved since that it had been copied elsewhere.
func (m *model) dropBackupsOf(names ...string) {
	m.dropBackup()
	m.backups = slices.DeleteFunc(m.backups, func(k kept) bool { return k.server == m.pair.old && slices.Contains(names, k.name) })
}

// oldFolder is a folder of the old server that may be renamed or deleted; "" for none.
func (m *model) oldFolder(t *rapid.T) string {
	name := m.folderOf(t, m.pair.old)
	if name == "INBOX" || m.pair.old.fleeting || m.unjudged() || m.unsettled() || !m.pulled(name) {
		return ""
	}
	return name
}

func (m *model) renameOld(t *rapid.T) {
	from := m.oldFolder(t)
	if from == "" {
		return
	}
	m.n++
	to := fmt.Sprintf("Other%d", m.n)
	m.note("old %s: renamed to %s", from, to)
	for body := range m.count(m.pair.old)[from] {
		m.stray[body], m.unclear[body], m.movedOld[body] = true, true, true
	}
	m.pair.old.rename(from, to)
	m.counted[to] = m.counted[from]
	delete(m.counted, from)
	m.dropBackupsOf(from)
	m.shifted = true
}

func (m *model) deleteFolderOld(t *rapid.T) {
	name := m.oldFolder(t)
	if name == "" {
		return
	}
	m.note("old %s: deleted", name)
	m.pair.old.mu.Lock()
	delete(m.pair.old.folders, name)
	m.pair.old.mu.Unlock()
	delete(m.counted, name)
	m.dropBackupsOf(name)
}

// passDay lets a day pass: all flags are compared by the next pass.
func (m *model) passDay(*rapid.T) {
	if m.unjudged() {
		return // intents would have to become older as well
	}
	m.note("a day passes")
	m.stop()
	m.eachFolder(func(f store.Folder, _ store.Ledger) {
		cp := f.Checkpoint
		if cp.Checked.IsZero() {
			return
		}
		cp.Checked = cp.Checked.Add(-24 * time.Hour)
		if err := m.db.Commit(context.Background(), store.Batch{Account: m.id, Folder: f.ID, Checkpoint: &cp}); err != nil {
			m.t.Fatal(err)
		}
	})
	m.dayLater = true
	m.startEngine()
}

// clientActions are of clients that stay for many passes.
func (m *model) clientActions() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"client comes": func(*rapid.T) {
			m.note("a client comes")
			m.clients++
			m.engine.Connected(context.Background(), m.id)
		},
		"client goes": func(*rapid.T) {
			if m.clients == 0 {
				return
			}
			m.note("a client goes")
			m.clients--
			m.engine.Disconnected(m.id)
		},
	}
}

// with adds actions.
func with(actions map[string]func(*rapid.T), more ...map[string]func(*rapid.T)) map[string]func(*rapid.T) {
	for _, some := range more {
		maps.Copy(actions, some)
	}
	return actions
}
