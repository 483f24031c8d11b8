package recovery

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
)

// retire are the changes that give lines of the ledger former keys. What was noted of a
// repair goes along; flags that were about to be changed are in intents, which have to be written
// after it.
func (o *oldNumbers) retire(lines []store.Entry) (batch store.Batch, intents []store.Intent) {
	batch = store.Batch{Account: o.folder.Account, Folder: o.folder.Row.ID}
	for _, e := range lines {
		lineWas, was := e, e.Key
		e.Key = message.FreeFormerKey(o.folder.Ledger.Entries, was)
		batch.Forget = append(batch.Forget, was)
		batch.Drop = append(batch.Drop, was)
		o.folder.RekeyedAway(&batch, &lineWas, e.Key)
		if r, ok := o.folder.RepairOf(was); ok {
			r.Key = e.Key
			batch.Repaired = append(batch.Repaired, r)
		}
		batch.Proofs = append(batch.Proofs, e)
		if in, ok := o.folder.touching(was, e); ok {
			intents = append(intents, in)
		}
	}
	return batch, intents
}

// touching is the intent to change flags of a line, if there is one, written for what the line
// is now.
func (f *Folder) touching(was store.Key, now store.Entry) (store.Intent, bool) {
	touch, ok := f.Touched[was]
	if !ok {
		return store.Intent{}, false
	}
	return message.FlagIntent(now, touch, time.Now()), true
}

// keysOfQuarantine are those of the messages in quarantine whose keys are the folder's as it is.
func (o *oldNumbers) keysOfQuarantine() (keys []store.Key) {
	for _, q := range o.folder.Ledger.Quarantine {
		if _, ok := o.folder.Selected.Keys.UID(q.Key); ok {
			keys = append(keys, q.Key)
		}
	}
	return keys
}

// presentSet are the UIDs that lines of the ledger have on the old server.
func (o *oldNumbers) presentSet() (set imap.UIDSet) {
	for i := range o.folder.Known.Entries {
		if uid, ok := o.folder.Selected.Keys.UID(o.folder.Known.Entries[i].Key); ok {
			set.AddNum(uid)
		}
	}
	return set
}
