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

// LedgerKey is the key of an entry within its account's ledger.
func LedgerKey(folder store.FolderID, key store.Key) []byte {
	k := make([]byte, ledgerPrefixLen, ledgerPrefixLen+len(key))
	binary.BigEndian.PutUint32(k, uint32(folder))
	return append(k, key...)
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
