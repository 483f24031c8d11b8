package job

import (
	"sync"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/leftout"
	"postferry/syncer/message"
)

// At a server whose messages have labels (Gmail) a message with several of them is one message, which shows in
// several folders. It has one id in all of them (X-GM-MSGID). What has been copied from one folder is not
// downloaded again for the next, but copied from folder to folder on the new server.

// labelledMost bounds for how many messages of an account it is remembered where they were seen: 20 octets each,
// and as much again. What is beyond that is downloaded for each of its folders.
const labelledMost = 400_000

// Labelled remembers in which folder of the old server a message was seen first. What has become of it there
// the ledger tells. Safe for concurrent use; its zero value is empty.
type Labelled struct {
	mu      sync.Mutex
	folders map[string]string           // raw names of the old folders by label; nil if the server has none
	at      map[uint64]Place            // by X-GM-MSGID
	whole   map[store.FolderID]struct{} // folders all of whose messages have been looked at
}

// Place is a message of a folder of the old server.
type Place struct {
	Folder      store.FolderID
	UIDValidity uint32
	UID         imap.UID
}

// Key is what the ledger knows the message by.
func (p Place) Key() store.Key { return message.IMAPKey(p.UIDValidity, p.UID) }

// Look takes over what labels there are, as the last look at the trees has shown; nil for none.
func (l *Labelled) Look(folders map[string]string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.folders = folders
}

// Any tells whether messages have labels.
func (l *Labelled) Any() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.folders != nil
}

// Folder is the raw name of the folder that a label is.
func (l *Labelled) Folder(label string) (name string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	name, ok = l.folders[leftout.LabelKey(label)]
	return name, ok
}

// Note remembers where a message has been seen, unless that is known of another folder.
func (l *Labelled) Note(id uint64, at Place) {
	if id == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at == nil {
		l.at = map[uint64]Place{}
	}
	if _, known := l.at[id]; !known && len(l.at) < labelledMost {
		l.at[id] = at
	}
}

// Of is where a message has been seen.
func (l *Labelled) Of(id uint64) (at Place, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok = l.at[id]
	return at, ok && id != 0
}

// Move notes that a message is of no use where it has been seen, but may be elsewhere.
func (l *Labelled) Move(id uint64, at Place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.at[id]; known {
		l.at[id] = at
	}
}

// LookAt tells, once, that a folder's messages are to be looked at.
func (l *Labelled) LookAt(folder store.FolderID) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.whole == nil {
		l.whole = map[store.FolderID]struct{}{}
	}
	_, seen := l.whole[folder]
	l.whole[folder] = struct{}{}
	return !seen
}

// Clear forgets all messages.
func (l *Labelled) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at, l.whole = nil, nil
}
