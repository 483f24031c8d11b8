package stage

// How a domain is as a whole.
const (
	codeSafe     Code = "safe"
	codeNotYet   Code = "not_yet"
	codeFinished Code = "all_finished"
)

// Why a condition is met, open or unknown.
const (
	codeNoAccounts     Code = "no_accounts"
	codeTroubled       Code = "accounts_troubled"
	codeShown          Code = "passes_show"
	codeUnchecked      Code = "not_checked"
	codeCheckTrouble   Code = "check_trouble"
	codeCheckGood      Code = "check_good"
	codeNotBegun       Code = "not_begun"
	codeNotCopied      Code = "not_copied"
	codeAllCopied      Code = "all_copied"
	codeCopiedApproved Code = "all_copied_approved"
	codeNamesUnknown   Code = "names_unknown"
	codeClientsOld     Code = "clients_old"
	codeClientsNew     Code = "clients_new"
	codeNoNames        Code = "clients_no_names"
	codeClientsOther   Code = "clients_elsewhere"
	codeMXMoved        Code = "mx_moved"
	codeMXNone         Code = "mx_no_mail"
	codeMXSpreading    Code = "mx_spreading"
	codeMXBackup       Code = "mx_backup"
	codeMXPartly       Code = "mx_disagree"
	codeMXOld          Code = "mx_old"
	codeMXUnknown      Code = "mx_not_known"
	codeQuietUnknown   Code = "quiet_unknown"
	codeQuietEnded     Code = "quiet_ended"
	codeQuiet          Code = "quiet"
	codeNotLooked      Code = "not_looked"
	codeStillArriving  Code = "still_arriving"
	codeSettling       Code = "settling"
	codeDamaged        Code = "damaged"
	codeUnverified     Code = "unverified"
	codeVerified       Code = "verified"
	codeVerifiedEnded  Code = "verified_ended"
	codeLate           Code = "late"
	codeLateUnknown    Code = "late_unknown"
	codeWayBackReady   Code = "way_back_ready"
	codeWayBackOpen    Code = "way_back_open"
	codeWayBackUsed    Code = "way_back_used"
	codeWayBackRefused Code = "way_back_refused"
	codeWayBackTrouble Code = "way_back_trouble"
)

// What to do next.
const (
	codeNextAdd        Code = "next_add"
	codeNextCheck      Code = "next_check"
	codeNextBegin      Code = "next_begin"
	codeNextMend       Code = "next_mend"
	codeNextResume     Code = "next_resume"
	codeNextWaitCopy   Code = "next_wait_copy"
	codeNextQuarantine Code = "next_quarantine"
	codeNextNames      Code = "next_names"
	codeNextClients    Code = "next_clients"
	codeNextMX         Code = "next_mx"
	codeNextMXName     Code = "next_mx_name"
	codeNextBackup     Code = "next_backup"
	codeNextAgree      Code = "next_agree"
	codeNextWaitDNS    Code = "next_wait_dns"
	codeNextWaitQuiet  Code = "next_wait_quiet"
	codeNextLook       Code = "next_look"
	codeNextVerify     Code = "next_verify"
	codeNextDamage     Code = "next_damage"
	codeNextFinish     Code = "next_finish"
	codeNextForget     Code = "next_forget"
)

// What lowers the grade of an account.
const (
	codeGradeProblem     Code = "grade_problem"
	codeGradeIncomplete  Code = "grade_incomplete"
	codeGradeQuarantined Code = "grade_quarantined"
	codeGradeLeftOut     Code = "grade_left_out"
	codeGradeDamage      Code = "grade_damage"
	codeGradeDoubtful    Code = "grade_doubtful"
	codeGradeUnverified  Code = "grade_unverified"
	codeGradeStale       Code = "grade_stale"
	codeGradeNever       Code = "grade_never"
)

var sentences = map[Code]string{
	codeSafe:     `Safe to switch off the old server: yes. All accounts ({accounts}) are at the new server with all of their mail ({copied} messages), the new MX is known at all DNS servers that answer ({told} of {asked}), nothing has arrived at the old server since {since}, and everything was verified since {verified}.`,
	codeNotYet:   `Safe to switch off the old server: not yet, because: {because}.`,
	codeFinished: `Safe to switch off the old server: yes. All accounts ({accounts}) are finished, and it is not contacted any more.`,

	codeNoAccounts:   `There are no accounts yet.`,
	codeTroubled:     `{accounts} of {of} accounts can't be copied until somebody has put something right.`,
	codeShown:        `Copying has begun for all accounts ({accounts}).`,
	codeUnchecked:    `Accounts that were not checked yet: {accounts}.`,
	codeCheckTrouble: `The check of {when} found trouble with {accounts} of {of} accounts.`,
	codeCheckGood:    `The check of {when} found that all accounts ({accounts}) can be copied.`,

	codeNotBegun:       `Copying has not been begun yet (accounts: {accounts}).`,
	codeNotCopied:      `{accounts} of {of} accounts are at the new server with all of their mail. Messages copied so far: {copied}.`,
	codeAllCopied:      `All accounts ({of}) are at the new server with all of their mail ({copied} messages).`,
	codeCopiedApproved: `All accounts ({of}) are at the new server ({copied} messages); what some of them lack ({approved}) was approved.`,

	codeNamesUnknown: `Where the domain's names lead is not known yet.`,
	codeClientsOld:   `Names that mail programs go by still lead to the old server: {names}.`,
	codeClientsNew:   `No name of the domain that mail programs go by leads to the old server.`,
	codeNoNames:      `The domain has no names of its own that mail programs go by, so DNS can't show which server they use: tell people to enter the new one.`,

	codeClientsOther: `Names that mail programs may go by lead neither to the old server nor to the new one: {names}. If people use them, let them lead to Postferry.`,

	codeMXMoved:     `The new MX is known at all DNS servers that answer ({told} of {asked}).`,
	codeMXNone:      `The domain takes no mail.`,
	codeMXSpreading: `The new MX is known at {new} of {told} DNS servers; the last entry of the old one runs out at {until}.`,
	codeMXBackup:    `The new MX is there, but others are as well, and mail may go to them: {left}.`,
	codeMXPartly:    `The domain's own name servers don't agree: the new MX is known at {new} of {told} DNS servers.`,
	codeMXOld:       `The MX still leads to {hosts}.`,
	codeMXUnknown:   `Where the MX leads is not known: {told} of {asked} DNS servers answer, and one alone proves nothing.`,

	codeQuietUnknown:  `This is counted from when the MX has moved; until then mail goes on arriving at the old server.`,
	codeQuietEnded:    `The old server is not looked at any more.`,
	codeQuiet:         `Nothing has arrived at the old server since {since}, which is long enough ({wait}); all accounts were looked at after {looked}.`,
	codeNotLooked:     `Not all accounts were looked at after {until}: for one of them it was last done at {looked}.`,
	codeStillArriving: `{late}; late mail is waited for until {until}, {wait} after the last one.`,
	codeSettling:      `The old MX may have been in use until {since}; late mail is waited for until {until}, {wait} after that.`,

	codeDamaged:    `The last verification found damage in {damaged} of {accounts} accounts.`,
	codeUnverified: `Accounts still to be verified (after their last mail, and within the last {within}): {unverified} of {accounts}.`,
	codeVerified:   `All accounts ({accounts}) were verified since {since}, without damage that was not approved.`,

	codeVerifiedEnded: `Nothing is left to be verified: the report says how each account has come over.`,

	codeLate:        `Late mail since the MX moved: {messages}, the last at {last}, brought by {servers}.`,
	codeLateUnknown: `Late mail since the MX moved: {messages}, the last at {last}.`,

	codeWayBackReady:   `There is a way back: once the MX has moved, mail that arrives at the new server is copied back to the old one.`,
	codeWayBackOpen:    `There is a way back: mail that arrives at the new server is copied back to the old one. So far there was none.`,
	codeWayBackUsed:    `There is a way back: of the mail that has arrived at the new server, {messages} messages were copied back to the old one, the last at {last}.`,
	codeWayBackRefused: `There is a way back: {messages} messages were copied back to the old server, which refuses others: {refused}.`,
	codeWayBackTrouble: `The way back is not whole: from some folders ({folders}) nothing is copied back to the old server: {trouble}. Messages that were copied back: {messages}.`,

	codeNextAdd:        `Add the accounts: "postferry import", or upload a list at the import page.`,
	codeNextCheck:      `Check the accounts: "postferry sync --dry-run", or "Check" at the import page.`,
	codeNextBegin:      `Begin to copy the accounts that wait ({accounts}) at the import page.`,
	codeNextMend:       `Put right what keeps accounts ({accounts}) from being copied; "postferry status" says what it is.`,
	codeNextResume:     `Begin those accounts again that were stopped ({accounts}), or finish them.`,
	codeNextWaitCopy:   `Wait until the rest has been copied (accounts: {left}).`,
	codeNextQuarantine: `Look at the messages that the servers refuse ({messages}): "postferry quarantine list". What can't be put right is approved with "postferry finish --accept".`,
	codeNextNames:      `Make sure that DNS answers from here; [watch] resolvers in the configuration says who is asked.`,
	codeNextClients:    `Let these names lead to Postferry: {names}.`,
	codeNextMXName:     `Let the MX lead to the name at which the new server takes mail; now it leads to {hosts}.`,
	codeNextMX:         `Let the MX lead to {to}; now it leads to {hosts}.`,
	codeNextBackup:     `Remove the old MX that are left: {left}.`,
	codeNextAgree:      `See that all name servers of the domain tell the new MX; some still tell {hosts}.`,
	codeNextWaitDNS:    `Wait until the old MX is forgotten everywhere, at {until}.`,
	codeNextWaitQuiet:  `Wait for late mail until {until}; it is copied by itself.`,
	codeNextLook:       `Wait until all accounts have been looked at once more, which happens by itself; "postferry sync" does it at once.`,
	codeNextVerify:     `Verify the accounts ({accounts}): "postferry verify", or "Verify" at the import page.`,
	codeNextDamage:     `Look at what the verification found (accounts: {accounts}), and correct or approve it.`,
	codeNextFinish:     `Finish the domain: "postferry finish {domain}". Then switch the old server off.`,
	codeNextForget:     `Nothing more. Postferry can forget the domain: "postferry forget {domain}".`,

	codeGradeProblem:     `{problem}`,
	codeGradeIncomplete:  `not everything was copied: {copied} of {messages} messages`,
	codeGradeQuarantined: `messages that one of the servers refuses: {messages}`,
	codeGradeLeftOut:     `messages that were left out on purpose, or because their folder is missing: {messages}`,
	codeGradeDamage:      `messages or folders that are missing or altered, as the verification found: {findings}`,
	codeGradeDoubtful:    `differences that people may have made at the new server, as the verification found: {findings}`,
	codeGradeStale:       `the last pass over it was at {last}`,
	codeGradeNever:       `there was no pass over it yet`,
	codeGradeUnverified:  `it was not verified after its last mail had come`,
}
