// Package storetest describes how every store.Store behaves, as a suite of
// tests. A new implementation runs it like this:
//
//	func TestContract(t *testing.T) {
//		storetest.Run(t, func(t testing.TB, dir string) store.Store { ... })
//	}
package storetest

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
)

// Open opens the store whose state belongs to dir, an empty directory at
// first. A store that was closed is opened again with the same dir.
type Open func(t testing.TB, dir string) store.Store

// Run runs the suite.
func Run(t *testing.T, open Open) {
	tests := []struct {
		name string
		fn   func(t *testing.T, f *fixture)
	}{
		{"PutAccountsAdds", testPutAccountsAdds},
		{"PutAccountsUpdates", testPutAccountsUpdates},
		{"PutAccountsTwice", testPutAccountsTwice},
		{"PutAccountsOfOtherDomain", testPutAccountsOfOtherDomain},
		{"PutAccountsDates", testPutAccountsDates},
		{"PutAccountsIsAllOrNothing", testPutAccountsIsAllOrNothing},
		{"PutAccountsInvalid", testPutAccountsInvalid},
		{"AccountIgnoresASCIICase", testAccountIgnoresASCIICase},
		{"AccountUnknown", testAccountUnknown},
		{"AccountsHavePasswordsOnlyAlone", testAccountsHavePasswordsOnlyAlone},
		{"ManyAccounts", testManyAccounts},
		{"SetCredentials", testSetCredentials},
		{"SetCredentialsInvalid", testSetCredentialsInvalid},
		{"LearnPassword", testLearnPassword},
		{"SetAlias", testSetAlias},
		{"ProveAlias", testProveAlias},
		{"SetProbe", testSetProbe},
		{"RemoveLeading", testRemoveLeading},
		{"SetProblem", testSetProblem},
		{"SetState", testSetState},
		{"ForgetProblems", testForgetProblems},
		{"MoveStates", testMoveStates},
		{"RemoveAccounts", testRemoveAccounts},
		{"Overview", testOverview},
		{"SummaryFollows", testSummaryFollows},
		{"Domains", testDomains},
		{"DomainsInvalid", testDomainsInvalid},
		{"PutVacantDomain", testPutVacantDomain},
		{"PutEnrolled", testPutEnrolled},
		{"DeleteDomain", testDeleteDomain},
		{"Schedules", testSchedules},
		{"Runs", testRuns},
		{"RunsInvalid", testRunsInvalid},
		{"RunsAreBounded", testRunsAreBounded},
		{"Usage", testUsage},
		{"PutFoldersAdds", testPutFoldersAdds},
		{"PutFoldersUpdates", testPutFoldersUpdates},
		{"PutFoldersFails", testPutFoldersFails},
		{"FolderNamesAreBytes", testFolderNamesAreBytes},
		{"LedgerIsSorted", testLedgerIsSorted},
		{"LedgerUnknown", testLedgerUnknown},
		{"LedgersAreSeparate", testLedgersAreSeparate},
		{"CommitProof", testCommitProof},
		{"CommitReplaces", testCommitReplaces},
		{"CommitAll", testCommitAll},
		{"CommitRemoves", testCommitRemoves},
		{"CommitOrder", testCommitOrder},
		{"CommitMoved", testCommitMoved},
		{"CommitAway", testCommitAway},
		{"CommitQuarantine", testCommitQuarantine},
		{"CommitRepaired", testCommitRepaired},
		{"CommitCheckpoint", testCommitCheckpoint},
		{"CommitFolderOrder", testCommitFolderOrder},
		{"CommitKeys", testCommitKeys},
		{"CommitInvalid", testCommitInvalid},
		{"CommitUnknown", testCommitUnknown},
		{"CommitFlags", testCommitFlags},
		{"CommitTogether", testCommitTogether},
		{"Passes", testPasses},
		{"PutAdmin", testPutAdmin},
		{"PutFirstAdmin", testPutFirstAdmin},
		{"PutAdminInvalid", testPutAdminInvalid},
		{"DeleteAdmin", testDeleteAdmin},
		{"Sessions", testSessions},
		{"SessionsEndWithPassword", testSessionsEndWithPassword},
		{"SessionsAreBounded", testSessionsAreBounded},
		{"EndSessions", testEndSessions},
		{"Tokens", testTokens},
		{"AdminComesFrom", testAdminComesFrom},
		{"TokensGoWithTheirMaker", testTokensGoWithTheirMaker},
		{"TokensAreBoundedByScope", testTokensAreBoundedByScope},
		{"DeleteDomainEndsAccess", testDeleteDomainEndsAccess},
		{"Audit", testAudit},
		{"AuditByDomain", testAuditByDomain},
		{"Moves", testMoves},
		{"LateMail", testLateMail},
		{"VerifiedAndApproved", testVerifiedAndApproved},
		{"Finish", testFinish},
		{"FinishForgetsSignIns", testFinishForgetsSignIns},
		{"ReportsAreBounded", testReportsAreBounded},
		{"Forget", testForget},
		{"Notices", testNotices},
		{"WaysBack", testWaysBack},
		{"SignIns", testSignIns},
		{"SignInsInvalid", testSignInsInvalid},
		{"Consents", testConsents},
		{"RenewConsent", testRenewConsent},
		{"SendConsent", testSendConsent},
		{"HoldConsent", testHoldConsent},
		{"EndedMeanwhile", testEndedMeanwhile},
		{"SignInsGoWithTheirDomain", testSignInsGoWithTheirDomain},
		{"ConsentsGoWithTheirAccount", testConsentsGoWithTheirAccount},
		{"Contexts", testContexts},
		{"CloseEndsCalls", testCloseEndsCalls},
		{"Reopen", testReopen},
		{"Model", testModel},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := &fixture{t: t, open: open, dir: t.TempDir()}
			f.reopen()
			t.Cleanup(f.close)
			test.fn(t, f)
		})
	}
}

// fixture is a store under test.
type fixture struct {
	store.Store
	t    testing.TB
	open Open
	dir  string
}

// reopen closes the store, if it is open, and opens it again.
func (f *fixture) reopen() {
	f.t.Helper()
	f.close()
	f.Store = f.open(f.t, f.dir)
}

func (f *fixture) close() {
	f.t.Helper()
	if f.Store == nil {
		return
	}
	if err := f.Close(); err != nil {
		f.t.Errorf("Close: %v", err)
	}
	f.Store = nil
}

func (f *fixture) ctx() context.Context { return f.t.Context() }

// must ends the test if err is not nil.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantError ends the test unless err is want.
func wantError(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// wantEqual compares what was read with what was expected.
func wantEqual[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// at returns an instant with nanoseconds.
func at(second int64) time.Time { return time.Unix(1_700_000_000+second, 123_456_789).UTC() }

func account(login string) store.Account {
	return store.Account{
		Domain:  "example.com",
		Login:   login,
		Old:     store.Credentials{Login: login, Password: "old " + store.Secret(login)},
		New:     store.Credentials{Login: "new-" + login, Password: "new " + store.Secret(login)},
		Origin:  store.Imported,
		State:   store.Active,
		Created: at(0),
	}
}

func problem() *store.Problem {
	return &store.Problem{
		Kind:    store.OverQuota,
		Server:  store.NewSide,
		Host:    "mail.example",
		Summary: reason.Said("the old server refuses the password"),
		Cause:   "NO [AUTHENTICATIONFAILED] \xff\x00",
		Advice:  store.NeedsFix,
		Folder:  "Gelöschte Elemente",
		Since:   at(1),
		Retry:   at(2),
	}
}

// put stores accounts and returns them with their IDs.
func (f *fixture) put(accounts ...store.Account) []store.Account {
	f.t.Helper()
	stored, _, err := f.PutAccounts(f.ctx(), accounts)
	must(f.t, err)
	return stored
}

// folder adds an account with one folder.
func (f *fixture) folder(login string) (store.AccountID, store.FolderID) {
	f.t.Helper()
	id := f.put(account(login))[0].ID
	folders, err := f.PutFolders(f.ctx(), id, []store.Folder{{Old: "INBOX", New: "INBOX", State: store.FolderPlanned}})
	must(f.t, err)
	return id, folders[0].ID
}

// commit applies a batch that must succeed.
func (f *fixture) commit(b store.Batch) {
	f.t.Helper()
	must(f.t, f.Commit(f.ctx(), b))
}

func (f *fixture) ledger(id store.AccountID, folder store.FolderID) store.Ledger {
	f.t.Helper()
	l, err := f.Ledger(f.ctx(), id, folder)
	must(f.t, err)
	f.wantTails(id, folder, l)
	return l
}

// wantTails checks that a ledger read in part is a part of the ledger.
func (f *fixture) wantTails(id store.AccountID, folder store.FolderID, all store.Ledger) {
	f.t.Helper()
	must(f.t, sameTails(f, id, folder, all))
}

// wantCounts checks a folder's counts.
func (f *fixture) wantCounts(id store.AccountID, folder store.FolderID, copied, quarantined uint64) {
	f.t.Helper()
	folders, err := f.Folders(f.ctx(), id)
	must(f.t, err)
	for _, fo := range folders {
		if fo.ID == folder && (fo.Copied != copied || fo.Quarantined != quarantined) {
			f.t.Errorf("copied %d, quarantined %d, want %d, %d", fo.Copied, fo.Quarantined, copied, quarantined)
		}
	}
}

func entry(key store.Key) store.Entry {
	return store.Entry{
		Key: key, UIDValidity: 1_710_000_000, UID: 4_000_000_000, Flags: []imap.Flag{imap.FlagFlagged, imap.FlagSeen},
		Fingerprint: store.Fingerprint{1, 2, 3, 4, 5, 6, 7, 255}, Size: 1 << 31,
	}
}

func intent(key store.Key) store.Intent {
	return store.Intent{
		Key: key, Fingerprint: store.Fingerprint{8, 7, 6}, Size: 77, Flags: []imap.Flag{"$Forwarded", imap.FlagDraft},
		UIDValidity: 1, UIDNext: 4_294_967_295, Written: at(3), Taken: true,
	}
}

func repaired(key store.Key) store.Repaired {
	return store.Repaired{Key: key, What: reason.Of(reason.NULReplaced), Fingerprint: store.Fingerprint{9, 8, 7, 255}, Size: math.MaxUint32, When: at(6)}
}

func quarantined(key store.Key) store.Quarantined {
	return store.Quarantined{
		Key: key, Reason: reason.Said("the new server takes no NUL bytes"), Cause: "NO Message contains NUL characters",
		Attempts: 3, Since: at(4), Last: at(5),
	}
}
