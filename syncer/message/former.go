package message

import (
	"encoding/binary"
	"fmt"
	"strings"

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

// FreeFormerKey is the first former key of a line that the ledger does not have.
func FreeFormerKey(entries []store.Entry, k store.Key) store.Key {
	for n := uint32(0); ; n++ {
		former := formerKey(k, n)
		if _, taken := FindEntry(entries, former); !taken {
			return former
		}
	}
}

// FormerText shows a former key to people; ok is false if it is none.
func FormerText(k store.Key) (text string, ok bool) {
	rest, ok := strings.CutPrefix(string(k), formerPrefix)
	if !ok || len(rest) != IMAPKeyLength+4 {
		return "", false
	}
	validity, uid, _ := SplitKey(store.Key(rest[:IMAPKeyLength]))
	return fmt.Sprintf("formerly uidvalidity %d uid %d", validity, uid), true
}
