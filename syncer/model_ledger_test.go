package syncer

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/emersion/go-imap/v2"
	"pgregory.net/rapid"

	"postferry/store/bolt"
	"postferry/syncer/message"
)

// copyOfLedger is an earlier state of the store, and what the model knew then.
type copyOfLedger struct {
	dir           string
	known         map[messageID]bool
	gone, arrived map[string]int
	flags         map[string][]imap.Flag // of the old server
}

// backUpLedger keeps a copy of the store, between two passes.
func (m *model) backUpLedger(t *rapid.T) {
	if m.allMail() || m.unjudged() || m.unsettled() || m.backup != nil && rapid.Bool().Draw(t, "keep the former one") {
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
		if m.limit[body] > 1 {
			m.excuseUpTo(indistinct, body, gone[body])
		}
	}
	copied := total(m.count(m.pair.new))
	for body, flags := range m.oldFlags() {
		was, known := b.flags[body]
		if !known && copied[body] > 0 { // with what flags nothing tells any more
			was = message.WithoutFlags(m.flagsOf(m.pair.new, body), users)
		} else if !known {
			was = flags
		}
		m.unclear[body] = m.unclear[body] || !slices.Equal(flags, was) || m.flagsDiffer(body, m.pair.old, m.pair.new)
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
		if box.showsAll() {
			continue
		}
		for _, msg := range box.messages {
			all[string(msg.body)] = slices.Clone(msg.flags)
		}
	}
	return all
}
