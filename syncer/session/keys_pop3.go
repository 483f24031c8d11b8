package session

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/upstream/pop3"
)

// A message on a POP3 server goes by its unique id (UIDL, RFC 1939 section 7).
// Where there is none, or several messages have the same, against the RFC, it
// goes by its header as well, and of messages whose headers are alike each by
// how many came before it. A key that is not in the ledger need not be a new message:
// ids change when a server is moved, or have to be told apart from now on. That is
// found out by fingerprint; see recognise.

const (
	uidlPrefix = "uidl "
	// maxUIDL is the longest id that is a key as it is; RFC 1939 allows 70 octets.
	maxUIDL = 150
)

// uidlKey is the key of a message with an id that no other has.
func uidlKey(uid string) store.Key {
	if len(uid) > maxUIDL {
		sum := sha256.Sum256([]byte(uid))
		uid = "sha256:" + hex.EncodeToString(sum[:])
	}
	return padded(uidlPrefix + uid)
}

// padded keeps a key from having the length of an IMAP key. An id has no blanks.
func padded(k string) store.Key {
	if len(k) == message.IMAPKeyLength {
		k += " "
	}
	return store.Key(k)
}

// headerKey is the key of a message that has no id of its own.
func headerKey(uid string, header []byte) store.Key {
	sum := sha256.New()
	message.EachField(header, func(name, value []byte) {
		if !rewritten[strings.ToLower(string(name))] {
			sum.Write(bytes.ToLower(name))
			sum.Write([]byte{0})
			sum.Write(message.CollapseSpace(value))
			sum.Write([]byte{0})
		}
	})
	return store.Key(fmt.Sprintf("%s header:%s", strings.TrimRight(string(uidlKey(uid)), " "), hex.EncodeToString(sum.Sum(nil)[:16])))
}

// rewritten are header fields that mail programs and servers change in a
// mailbox (status and keywords in mbox files).
var rewritten = map[string]bool{
	"status": true, "x-status": true, "x-uid": true, "x-uidl": true, "x-imap": true, "x-imapbase": true,
	"x-keywords": true, "x-mozilla-status": true, "x-mozilla-status2": true, "x-mozilla-keys": true,
	"content-length": true, "lines": true,
}

// pop3Keys are the keys of the messages of a listing.
type pop3Keys struct {
	list []pop3.Message
	keys []store.Key // of list, by place
	uids map[store.Key]imap.UID
}

// keys gives each message of the listing a key.
func (s *POP3Source) keys(ctx context.Context) (*pop3Keys, error) {
	k := &pop3Keys{list: s.list, keys: make([]store.Key, len(s.list)), uids: make(map[store.Key]imap.UID, len(s.list))}
	count := make(map[string]int, len(s.list))
	for _, m := range s.list {
		count[m.UID]++
	}
	var alike []pop3.Message
	for i, m := range s.list {
		if m.UID != "" && count[m.UID] == 1 {
			k.set(i, uidlKey(m.UID))
		} else {
			alike = append(alike, m)
		}
	}
	if len(alike) == 0 {
		return k, nil
	}
	return k, s.tellApart(ctx, k, alike)
}

// tellApart gives keys to messages that have no id of their own. A message
// whose header the server does not give goes by its size.
func (s *POP3Source) tellApart(ctx context.Context, k *pop3Keys, alike []pop3.Message) error {
	base := make(map[uint32]store.Key, len(alike))
	err := s.Session.Headers(ctx, alike, false, func(m pop3.Message, header []byte) error {
		base[m.Number] = headerKey(m.UID, header)
		return nil
	})
	if err != nil {
		return err
	}
	seen := map[store.Key]int{}
	for _, m := range alike {
		key, ok := base[m.Number]
		if !ok {
			key = store.Key(fmt.Sprintf("%s size:%d", strings.TrimRight(string(uidlKey(m.UID)), " "), m.Size))
		}
		if seen[key]++; seen[key] > 1 {
			key = store.Key(fmt.Sprintf("%s %d", key, seen[key]))
		}
		k.set(s.search(m.Number), key)
	}
	return nil
}

func (k *pop3Keys) set(place int, key store.Key) {
	k.keys[place], k.uids[key] = key, imap.UID(k.list[place].Number)
}

// Key implements keyring.
func (k *pop3Keys) Key(uid imap.UID) store.Key {
	i, found := slices.BinarySearchFunc(k.list, uint32(uid), func(m pop3.Message, n uint32) int { return cmp.Compare(m.Number, n) })
	if !found {
		return ""
	}
	return k.keys[i]
}

// UID implements keyring.
func (k *pop3Keys) UID(key store.Key) (imap.UID, bool) {
	uid, ok := k.uids[key]
	return uid, ok
}

// Split implements keyring.
func (k *pop3Keys) Split(entries []store.Entry) (present, stale []store.Entry) {
	for _, e := range entries {
		if _, ok := k.uids[e.Key]; !ok {
			stale = append(stale, e)
		}
	}
	if len(stale) == 0 {
		return entries, nil
	}
	present = make([]store.Entry, 0, len(entries)-len(stale))
	for _, e := range entries {
		if _, ok := k.uids[e.Key]; ok {
			present = append(present, e)
		}
	}
	return present, stale
}
