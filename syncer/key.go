package syncer

import (
	"encoding/binary"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// imapKeyLength is the length of all keys of IMAP servers, and of no others. Octets.
const imapKeyLength = 8

// imapKey is a message's key on an old IMAP server.
func imapKey(uidValidity uint32, uid imap.UID) store.Key {
	var b [imapKeyLength]byte
	binary.BigEndian.PutUint32(b[:4], uidValidity)
	binary.BigEndian.PutUint32(b[4:], uint32(uid))
	return store.Key(b[:])
}

// splitKey is the reverse of imapKey; ok is false for a key of another kind.
func splitKey(k store.Key) (uidValidity uint32, uid imap.UID, ok bool) {
	if len(k) != imapKeyLength {
		return 0, 0, false
	}
	b := []byte(k)
	return binary.BigEndian.Uint32(b[:4]), imap.UID(binary.BigEndian.Uint32(b[4:])), true
}
