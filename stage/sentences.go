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
	codeMXMoved        Code = "mx_moved"
	codeMXNone         Code = "mx_no_mail"
	codeMXSpreading    Code = "mx_spreading"
	codeMXBackup       Code = "mx_backup"
	codeMXPartly       Code = "mx_disagree"
	codeMXOld          Code = "mx_old"
	codeMXUnknown      Code = "mx_not_known"
	codeQuietUnknown   Code = "quiet_unknown"
	codeQuiet          Code = "quiet"
	codeNotLooked      Code = "not_looked"
	codeStillArriving  Code = "still_arriving"
	codeSettling       Code = "settling"
	codeDamaged        Code = "damaged"
	codeUnverified     Code = "unverified"
	codeVerified       Code = "verified"
	codeLate           Code = "late"
	codeLateUnknown    Code = "late_unknown"
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
	codeNextBackup     Code = "next_backup"
	codeNextAgree      Code = "next_agree"
	codeNextWaitDNS    Code = "next_wait_dns"
	codeNextWaitQuiet  Code = "next_wait_quiet"
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
	codeSafe:     `Safe to switch off the old server: yes. All {accounts} accounts are at the new server ({copied} messages), {told} of {asked} DNS servers answer and tell the new MX, nothing has arrived at the old server since {since}, and all was verified since {verified}.`,
	codeNotYet:   `Safe to switch off the old server: not yet, because: {because}.`,
	codeFinished: `Safe to switch off the old server: yes. All {accounts} accounts are finished, and it is not contacted any more.`,

	codeNoAccounts:   `There are no accounts yet.`,
	codeTroubled:     `Of {of} accounts, {accounts} can't be copied until somebody mends something.`,
	codeShown:        `All {accounts} accounts could be copied.`,
	codeUnchecked:    `{accounts} accounts were not checked yet.`,
	codeCheckTrouble: `The check of {when} found trouble with {accounts} of {of} accounts.`,
	codeCheckGood:    `The check of {when} found that all {accounts} accounts can be copied.`,

	codeNotBegun:       `Copying has not been begun for any of the {accounts} accounts.`,
	codeNotCopied:      `{accounts} of {of} accounts are at the new server ({copied} of {messages} messages); {left} are not.`,
	codeAllCopied:      `All {of} accounts are at the new server ({copied} messages).`,
	codeCopiedApproved: `All {of} accounts are at the new server ({copied} messages); what is missing of {approved} of them was approved.`,

	codeNamesUnknown: `DNS could not be asked where the domain's names lead.`,
	codeClientsOld:   `Names that mail programs go by still lead to the old server: {names}.`,
	codeClientsNew:   `No name of the domain that mail programs go by leads to the old server.`,
	codeNoNames:      `The domain has no names of its own that mail programs go by, so DNS can't show which server they use: tell people to enter the new one.`,

	codeMXMoved:     `The new MX is known at all {told} DNS servers that answer, of {asked} that were asked.`,
	codeMXNone:      `The domain takes no mail.`,
	codeMXSpreading: `The new MX is known at {new} of {told} DNS servers; the last entry of the old one runs out at {until}.`,
	codeMXBackup:    `The new MX is there, but others are as well, and mail may go to them: {left}.`,
	codeMXPartly:    `The domain's own name servers don't agree: the new MX is known at {new} of {told} DNS servers.`,
	codeMXOld:       `The MX still leads to {hosts}.`,
	codeMXUnknown:   `Where the MX leads is not known: {told} of {asked} DNS servers answer, and one alone proves nothing.`,

	codeQuietUnknown:  `The MX has not moved, so mail goes on arriving at the old server.`,
	codeQuiet:         `Nothing has arrived at the old server for {hours} hours, since {since}; all accounts were looked at since {looked}.`,
	codeNotLooked:     `Not all accounts were looked at since {until}: the oldest look was at {looked}.`,
	codeStillArriving: `{late}; the old server is waited for until {until}, {hours} hours after the last one.`,
	codeSettling:      `The MX moved at {since}; late mail is waited for until {until}, {hours} hours after that.`,

	codeDamaged:    `The last verification found damage in {damaged} of {accounts} accounts.`,
	codeUnverified: `{unverified} of {accounts} accounts were not verified within the last {hours} hours.`,
	codeVerified:   `All {accounts} accounts were verified since {since}, without damage that was not approved.`,

	codeLate:        `Since the MX moved {messages} messages came late, the last at {last}, by {servers}.`,
	codeLateUnknown: `Since the MX moved {messages} messages came late, the last at {last}.`,

	codeNextAdd:        `Add the accounts: "postferry import", or upload a list at the import page.`,
	codeNextCheck:      `Check the {accounts} accounts: "postferry sync --dry-run", or "Check" at the import page.`,
	codeNextBegin:      `Begin to copy {accounts} accounts at the import page.`,
	codeNextMend:       `Mend what keeps {accounts} accounts from being copied; "postferry status" says what it is.`,
	codeNextResume:     `Begin the {accounts} accounts again that were stopped, or finish them.`,
	codeNextWaitCopy:   `Wait until the rest has been copied ({left} accounts).`,
	codeNextQuarantine: `Look at the {messages} messages that the servers refuse ("postferry quarantine list"), and approve what can't be mended ("postferry finish --accept").`,
	codeNextNames:      `Make sure that DNS answers from here: [watch] resolvers in the configuration says who is asked.`,
	codeNextClients:    `Let these names lead to Postferry: {names}.`,
	codeNextMX:         `Let the MX lead to {to}; now it leads to {hosts}.`,
	codeNextBackup:     `Remove the old MX that are left: {left}.`,
	codeNextAgree:      `See that all name servers of the domain tell the new MX; some still tell {hosts}.`,
	codeNextWaitDNS:    `Wait until the old MX is forgotten everywhere, at {until}.`,
	codeNextWaitQuiet:  `Wait for late mail until {until}; it is copied by itself.`,
	codeNextVerify:     `Verify {accounts} accounts: "postferry verify", or "Verify" at the import page.`,
	codeNextDamage:     `Look at what the verification found in {accounts} accounts, and mend or approve it.`,
	codeNextFinish:     `Finish the domain: "postferry finish {domain}". Then switch the old server off.`,
	codeNextForget:     `Nothing. Postferry can forget the domain: "postferry forget {domain}".`,

	codeGradeProblem:     `{problem}`,
	codeGradeIncomplete:  `not everything was copied: {copied} of {messages} messages`,
	codeGradeQuarantined: `{messages} messages are refused by one of the servers`,
	codeGradeLeftOut:     `{messages} messages were left out on purpose, or because their folder is missing`,
	codeGradeDamage:      `the verification found {findings} messages or folders that are missing or altered`,
	codeGradeDoubtful:    `the verification found {findings} differences that people may have made at the new server`,
	codeGradeStale:       `the last pass over it was at {last}`,
	codeGradeNever:       `there was no pass over it yet`,
	codeGradeUnverified:  `it was not verified after the last mail had come`,
}
