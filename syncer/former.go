package syncer

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// A line of the ledger whose key may be another message's by now, under the same
// UIDVALIDITY, keeps what is known of its message under a former key: so that the message is
// recognised should it turn up again, and its copy is not taken for another's.

// formerPrefix begins former keys: a UIDVALIDITY is never 0 (RFC 9051 section 2.3.1.1).
const formerPrefix = "\x00\x00\x00\x00"

// formerKey is the key under which a line is kept whose own was given to another message
// for the nth time.
func formerKey(k store.Key, n uint32) store.Key {
	return store.Key(binary.BigEndian.AppendUint32([]byte(formerPrefix+string(k)), n))
}

// freeFormerKey is the first former key of a line that the ledger does not have.
func freeFormerKey(entries []store.Entry, k store.Key) store.Key {
	for n := uint32(0); ; n++ {
		former := formerKey(k, n)
		if _, taken := findEntry(entries, former); !taken {
			return former
		}
	}
}

// formerText shows a former key to people; ok is false if it is none.
func formerText(k store.Key) (text string, ok bool) {
	rest, ok := strings.CutPrefix(string(k), formerPrefix)
	if !ok || len(rest) != imapKeyLength+4 {
		return "", false
	}
	validity, uid, _ := splitKey(store.Key(rest[:imapKeyLength]))
	return fmt.Sprintf("formerly uidvalidity %d uid %d", validity, uid), true
}

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
