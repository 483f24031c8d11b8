package rows

import (
	"encoding/binary"

	"postferry/store"
)

// Lengths of keys. Octets.
const (
	AccountKeyLen = 8
	FolderKeyLen  = AccountKeyLen + 4

	ledgerPrefixLen = 4
)

// AccountKey is the key of an account.
func AccountKey(id store.AccountID) []byte { return EncodeNumber(uint64(id)) }

// FolderKey is the key of a folder.
func FolderKey(id store.AccountID, folder store.FolderID) []byte {
	return binary.BigEndian.AppendUint32(AccountKey(id), uint32(folder))
}

// RunKey is the key of a run.
func RunKey(id store.RunID) []byte { return EncodeNumber(uint64(id)) }

// RunPartKey is the key of an account's part in a run.
func RunPartKey(id store.RunID, account store.AccountID) []byte {
	return binary.BigEndian.AppendUint64(RunKey(id), uint64(account))
}

// What follows the folder in the key of a segment. A folder's last segment has no end to be known by:
// whatever comes behind the others belongs there.
const (
	segmentWithEnd = 0
	segmentTail    = 1
)

// SegmentKey is the key of the segment, within its account's ledger, that ends with a message; no folder's last.
func SegmentKey(folder store.FolderID, last []byte) []byte {
	k := make([]byte, 0, ledgerPrefixLen+1+len(last))
	return append(append(append(k, LedgerPrefix(folder)...), segmentWithEnd), last...)
}

// TailKey is the key of a folder's last segment.
func TailKey(folder store.FolderID) []byte { return append(LedgerPrefix(folder), segmentTail) }

// LedgerPrefix is what the keys of a folder's segments begin with.
func LedgerPrefix(folder store.FolderID) []byte {
	return binary.BigEndian.AppendUint32(make([]byte, 0, ledgerPrefixLen+1), uint32(folder))
}

// SplitEntryKey takes the key of an entry's row apart, as it was up to schema 3: folder, message key.
func SplitEntryKey(key []byte) (folder store.FolderID, message []byte, ok bool) {
	if len(key) <= ledgerPrefixLen || len(key) > ledgerPrefixLen+maxKey {
		return 0, nil, false
	}
	return store.FolderID(binary.BigEndian.Uint32(key)), key[ledgerPrefixLen:], true
}

// MessageKey is the key of an intent and of a quarantined message.
func MessageKey(id store.AccountID, folder store.FolderID, key store.Key) []byte {
	return append(FolderKey(id, folder), key...)
}

// PassKey is the key of a pass.
func PassKey(id store.AccountID, number uint64) []byte {
	return binary.BigEndian.AppendUint64(AccountKey(id), number)
}

// FlagSetKey is the key of a set of flags.
func FlagSetKey(id store.AccountID, n uint32) []byte {
	return binary.BigEndian.AppendUint32(AccountKey(id), n)
}

// SignInKey is the key of how Postferry signs in at a server: side, domain.
func SignInKey(domain string, side store.Side) []byte {
	return []byte(string(side) + "\x00" + domain)
}

// ConsentKey is the key of a consent: side, domain, login. None of them holds a NUL but the login,
// which comes last.
func ConsentKey(m store.Mailbox) []byte {
	return append(append(SignInKey(m.Domain, m.Side), 0), store.FoldLogin(m.Login)...)
}
