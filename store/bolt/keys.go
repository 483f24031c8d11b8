package bolt

import (
	"encoding/binary"

	"go.etcd.io/bbolt"

	"postferry/store"
)

// The root buckets; doc.go says what each holds.
const (
	bucketMeta         = "meta"
	bucketAccounts     = "accounts"
	bucketLogins       = "logins"
	bucketFolders      = "folders"
	bucketProgress     = "progress"
	bucketLedger       = "ledger"
	bucketFlagSets     = "flagsets"
	bucketFlagIndex    = "flagindex"
	bucketIntents      = "intents"
	bucketQuarantine   = "quarantine"
	bucketPasses       = "passes"
	bucketRepaired     = "repaired"
	bucketLost         = "lost"
	bucketAdmins       = "admins"
	bucketSessions     = "sessions"
	bucketTokens       = "tokens"
	bucketAudit        = "audit"
	bucketAuditDomains = "auditdomains"
	bucketSummaries    = "summaries"
	bucketDomains      = "domains"
	bucketSchedules    = "schedules"
	bucketRuns         = "runs"
	bucketRunParts     = "runparts"
	bucketUsage        = "usage"
	bucketMoves        = "moves"
	bucketReports      = "reports"
	bucketSignIns      = "signins"
	bucketConsents     = "consents"
)

func rootBuckets() []string {
	return []string{
		bucketMeta, bucketAccounts, bucketLogins, bucketFolders, bucketProgress, bucketLedger,
		bucketFlagSets, bucketFlagIndex, bucketIntents, bucketQuarantine, bucketPasses,
		bucketRepaired, bucketLost, bucketAdmins, bucketSessions, bucketTokens, bucketAudit, bucketAuditDomains,
		bucketSummaries, bucketDomains, bucketSchedules, bucketRuns, bucketRunParts, bucketUsage, bucketMoves, bucketReports,
		bucketSignIns, bucketConsents,
	}
}

// laterBuckets joined without a change of the schema's version: a database
// without them is one in which they are empty.
func laterBuckets() []string {
	return []string{bucketRepaired, bucketLost, bucketAdmins, bucketSessions, bucketTokens, bucketAudit, bucketAuditDomains, bucketUsage, bucketMoves, bucketReports,
		bucketSignIns, bucketConsents}
}

func root(tx *bbolt.Tx, name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }

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
