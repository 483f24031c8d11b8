package message

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// IMAPKeyLength is the length of all keys of IMAP servers, and of no others. Octets.
const IMAPKeyLength = 8

// IMAPKey is a message's key on an old IMAP server.
func IMAPKey(uidValidity uint32, uid imap.UID) store.Key {
	var b [IMAPKeyLength]byte
	binary.BigEndian.PutUint32(b[:4], uidValidity)
	binary.BigEndian.PutUint32(b[4:], uint32(uid))
	return store.Key(b[:])
}

// SplitKey is the reverse of imapKey; ok is false for a key of another kind.
func SplitKey(k store.Key) (uidValidity uint32, uid imap.UID, ok bool) {
	if len(k) != IMAPKeyLength {
		return 0, 0, false
	}
	b := []byte(k)
	return binary.BigEndian.Uint32(b[:4]), imap.UID(binary.BigEndian.Uint32(b[4:])), true
}

// KeyText shows a key to people.
func KeyText(k store.Key) string {
	if v, uid, ok := SplitKey(k); ok {
		return fmt.Sprintf("uidvalidity %d uid %d", v, uid)
	}
	if text, ok := FormerText(k); ok {
		return text
	}
	return strings.TrimRight(strings.ToValidUTF8(string(k), "?"), " ")
}
