package syncer

import (
	"postferry/store"
	"time"

	"github.com/emersion/go-imap/v2"
)

// retire are the changes that give lines of the ledger former keys. What was noted of a
// repair goes along; flags that were about to be changed are in intents, which have to be written
// after it.
func (p *pull) retire(lines []store.Entry) (batch store.Batch, intents []store.Intent) {
	batch = store.Batch{Account: p.account, Folder: p.folder.ID}
	for _, e := range lines {
		was := e.Key
		e.Key = freeFormerKey(p.ledger.Entries, was)
		batch.Forget = append(batch.Forget, was)
		batch.Drop = append(batch.Drop, was)
		if r, ok := p.repairOf(was); ok {
			r.Key = e.Key
			batch.Repaired = append(batch.Repaired, r)
		}
		batch.Proofs = append(batch.Proofs, e)
		if in, ok := p.touching(was, e); ok {
			intents = append(intents, in)
		}
	}
	return batch, intents
}

// touching is the intent to change flags of a line, if there is one, written for what the line
// is now.
func (p *pull) touching(was store.Key, now store.Entry) (store.Intent, bool) {
	touch, ok := p.touched[was]
	if !ok {
		return store.Intent{}, false
	}
	return flagIntent(now, touch, time.Now()), true
}

// keysOfQuarantine are those of the messages in quarantine whose keys are the folder's as it is.
func (p *pull) keysOfQuarantine() (keys []store.Key) {
	for _, q := range p.ledger.Quarantine {
		if _, ok := p.selected.keys.uid(q.Key); ok {
			keys = append(keys, q.Key)
		}
	}
	return keys
}

// presentSet are the UIDs that lines of the ledger have on the old server.
func (p *pull) presentSet() (set imap.UIDSet) {
	for i := range p.known.entries {
		if uid, ok := p.selected.keys.uid(p.known.entries[i].Key); ok {
			set.AddNum(uid)
		}
	}
	return set
}
