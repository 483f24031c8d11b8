package bolt

import (
	"encoding/binary"

	"postferry/store"
)

const (
	accountKeyLen = 8
	folderKeyLen  = accountKeyLen + 4

	ledgerPrefixLen = 4
)

func accountKey(id store.AccountID) []byte { return encodeNumber(uint64(id)) }

func folderKey(id store.AccountID, folder store.FolderID) []byte {
	return binary.BigEndian.AppendUint32(accountKey(id), uint32(folder))
}

func runKey(id store.RunID) []byte { return encodeNumber(uint64(id)) }

func runPartKey(id store.RunID, account store.AccountID) []byte {
	return binary.BigEndian.AppendUint64(runKey(id), uint64(account))
}

// ledgerKey is the key of an entry within its account's ledger.
func ledgerKey(folder store.FolderID, key store.Key) []byte {
	k := make([]byte, ledgerPrefixLen, ledgerPrefixLen+len(key))
	binary.BigEndian.PutUint32(k, uint32(folder))
	return append(k, key...)
}

// messageKey is the key of an intent and of a quarantined message.
func messageKey(id store.AccountID, folder store.FolderID, key store.Key) []byte {
	return append(folderKey(id, folder), key...)
}

func passKey(id store.AccountID, number uint64) []byte {
	return binary.BigEndian.AppendUint64(accountKey(id), number)
}

func flagSetKey(id store.AccountID, n uint32) []byte {
	return binary.BigEndian.AppendUint32(accountKey(id), n)
}

// signInKey is the key of how Postferry signs in at a server: side, domain.
func signInKey(domain string, side store.Side) []byte {
	return []byte(string(side) + "\x00" + domain)
}

// consentKey is the key of a consent: side, domain, login. None of them holds a NUL but the login,
// which comes last.
func consentKey(m store.Mailbox) []byte {
	return append(append(signInKey(m.Domain, m.Side), 0), store.FoldLogin(m.Login)...)
}
