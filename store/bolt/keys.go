package bolt

import (
	"go.etcd.io/bbolt"

	"postferry/store/bolt/segments"
)

// The root buckets; doc.go says what each holds.
const (
	bucketMeta         = "meta"
	bucketAccounts     = "accounts"
	bucketLogins       = "logins"
	bucketFolders      = "folders"
	bucketProgress     = "progress"
	bucketLedger       = segments.Bucket
	bucketFlagSets     = "flagsets"
	bucketFlagIndex    = "flagindex"
	bucketIntents      = "intents"
	bucketQuarantine   = "quarantine"
	bucketPasses       = "passes"
	bucketRepaired     = "repaired"
	bucketLost         = "lost"
	bucketAway         = "away"
	bucketAwayIn       = "awayin"
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
	bucketNotices      = "notices"
	bucketReturns      = "returns"
)

func rootBuckets() []string {
	return []string{
		bucketMeta, bucketAccounts, bucketLogins, bucketFolders, bucketProgress, bucketLedger,
		bucketFlagSets, bucketFlagIndex, bucketIntents, bucketQuarantine, bucketPasses,
		bucketRepaired, bucketLost, bucketAway, bucketAwayIn, bucketAdmins, bucketSessions, bucketTokens, bucketAudit, bucketAuditDomains,
		bucketSummaries, bucketDomains, bucketSchedules, bucketRuns, bucketRunParts, bucketUsage, bucketMoves, bucketReports,
		bucketSignIns, bucketConsents, bucketNotices, bucketReturns,
	}
}

// laterBuckets joined without a change of the schema's version: a database
// without them is one in which they are empty.
func laterBuckets() []string {
	return []string{bucketRepaired, bucketLost, bucketAway, bucketAwayIn, bucketAdmins, bucketSessions, bucketTokens, bucketAudit, bucketAuditDomains, bucketUsage, bucketMoves, bucketReports,
		bucketSignIns, bucketConsents, bucketNotices, bucketReturns}
}

func root(tx *bbolt.Tx, name string) *bbolt.Bucket { return tx.Bucket([]byte(name)) }
