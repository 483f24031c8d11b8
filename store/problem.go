package store

import (
	"time"

	"postferry/report/reason"
)

// Advice says what helps against a problem, which is whether the engine tries again by itself. Whether somebody
// has to do something is another question: see Problem.NeedsPerson.
type Advice string

const (
	// RetryLater problems pass by themselves: the engine tries again after a while.
	RetryLater Advice = "retry"
	// NeedsFix problems need a person (a password, room on the server) and are
	// not tried again before something changed.
	NeedsFix Advice = "fix"
)

// ProblemKind names what is wrong, for programs and translations. The values
// are stable; new ones may join.
type ProblemKind string

// The kinds of problems.
const (
	LoginRefused         ProblemKind = "login_refused"         // the server does not take login and password
	PasswordExpired      ProblemKind = "password_expired"      // it says that the password has expired (RFC 5530, EXPIRED)
	PasswordUnsendable   ProblemKind = "password_unsendable"   // login or password can't be sent: a NUL
	Unreachable          ProblemKind = "unreachable"           // no connection can be made
	Silent               ProblemKind = "silent"                // a client waited for the server in vain
	Unavailable          ProblemKind = "unavailable"           // the server says that it is unwell
	Lost                 ProblemKind = "connection_lost"       // the connection broke or stalled
	TooManyConnections   ProblemKind = "too_many_connections"  // the server allows fewer connections at a time
	Throttled            ProblemKind = "throttled"             // the server asks for a pause
	BudgetUsed           ProblemKind = "budget_used"           // the limit of octets for a day is reached
	MaildropInUse        ProblemKind = "maildrop_in_use"       // somebody else is in the POP3 mailbox (RFC 2449, IN-USE)
	Certificate          ProblemKind = "certificate"           // the certificate is not accepted
	CertificateName      ProblemKind = "certificate_name"      // the certificate is made out to another name
	CertificateUntrusted ProblemKind = "certificate_untrusted" // nobody trusted vouches for the certificate
	CertificateExpired   ProblemKind = "certificate_expired"   // the certificate's time is not now
	OldEncryption        ProblemKind = "old_encryption"        // the server offers only a TLS version or key exchange that is too old
	NotTLS               ProblemKind = "not_tls"               // what answers on the port does not speak TLS
	CertificateChanged   ProblemKind = "certificate_changed"   // it is another one than the pinned one
	NoEncryption         ProblemKind = "no_encryption"         // no protected connection can be made
	NotMailServer        ProblemKind = "not_mail_server"       // what answers does not speak the protocol
	NoMailServer         ProblemKind = "no_mail_server"        // none that may be used is found; why is not told to whoever chose it
	OpenToAll            ProblemKind = "open_to_all"           // it lets everybody in without a password (PREAUTH)
	Tampering            ProblemKind = "tampering"             // somebody may be changing what is sent
	OverQuota            ProblemKind = "over_quota"            // the mailbox at the new server is full
	FolderRefused        ProblemKind = "folder_refused"        // a command on a folder was refused
	ProgramRefused       ProblemKind = "program_refused"       // it lets only programs in that it knows
	AccountMoved         ProblemKind = "account_moved"         // it says that another server has the account (RFC 2221)
	FolderMoved          ProblemKind = "folder_moved"          // it says that another server has the folder (RFC 2193)
	FolderNotMade        ProblemKind = "folder_not_made"       // the new server refuses to make a folder
	Excessive            ProblemKind = "excessive"             // a server's answer is beyond all bounds
	TooManyFolders       ProblemKind = "too_many_folders"      // there are more folders than are made for one account
	MessagesRefused      ProblemKind = "messages_refused"      // the new server refuses all messages of a folder in the same words
	FolderVanished       ProblemKind = "folder_vanished"       // a folder went while it was being filled
	FolderLeftOld        ProblemKind = "folder_left_old"       // a folder went from the old server before all of its mail was copied
	MissingFolder        ProblemKind = "folder_missing"        // a folder is not on the new server any more, and mail stays behind because of it
	FoldersUnlisted      ProblemKind = "folders_unlisted"      // the old server does not list all of its folders in a way that can be read
	NoFolders            ProblemKind = "no_folders"            // the server lists no folder at all
	Counts               ProblemKind = "counts"                // fewer messages are listed than there should be
	WrongDates           ProblemKind = "wrong_dates"           // the new server does not keep the dates of messages; mail is copied all the same
	Protocol             ProblemKind = "protocol"              // the server's answer makes no sense
	SameMailbox          ProblemKind = "same_mailbox"          // the login may lead to a mailbox that another account copies; a person has to say
	PasswordMissing      ProblemKind = "password_missing"      // no password is known for the account
	TokenRefused         ProblemKind = "token_refused"         // the server does not take the token
	TokensNotTaken       ProblemKind = "tokens_not_taken"      // the server offers no mechanism that takes tokens
	MasterNotTaken       ProblemKind = "master_not_taken"      // the server offers no way for one login to open another's mailbox
	MasterRefused        ProblemKind = "master_refused"        // the server does not take the login that opens all mailboxes
	TokenUnavailable     ProblemKind = "token_unavailable"     // the provider gives out no token at the moment
	TenantUnknown        ProblemKind = "tenant_unknown"        // the provider does not know the tenant
	ApplicationRefused   ProblemKind = "application_refused"   // the provider does not know the application, or its secret or certificate is not right or has expired
	PermissionMissing    ProblemKind = "permission_missing"    // the application has not been granted the permission to use IMAP
	DelegationMissing    ProblemKind = "delegation_missing"    // the service account may not act for the people of the domain
	PrincipalMissing     ProblemKind = "principal_missing"     // the application is not registered with the mail server
	MailboxRefused       ProblemKind = "mailbox_refused"       // this mailbox can't be opened, though others can
	MailboxUnknown       ProblemKind = "mailbox_unknown"       // the provider has no such mailbox
	IMAPOff              ProblemKind = "imap_off"              // IMAP is switched off for the mailbox
	ConsentMissing       ProblemKind = "consent_missing"       // the mailbox's owner has not signed in at the provider for Postferry yet
	ConsentRevoked       ProblemKind = "consent_revoked"       // what the mailbox's owner had agreed to at the provider is not valid any more
	ConsentLost          ProblemKind = "consent_lost"          // Postferry was interrupted while the provider exchanged a refresh token that is good for once: what it was exchanged for is lost
	ClockWrong           ProblemKind = "clock_wrong"           // the provider says that the clock of this machine is wrong
	TokenCommandFailed   ProblemKind = "token_command"         // the program that prints tokens failed
	OtherMailbox         ProblemKind = "other_mailbox"         // a login leads to another mailbox than it did, as far as can be seen; a person has to say
	EmptiedMailbox       ProblemKind = "emptied_mailbox"       // the old mailbox is empty and not the one any more that was copied from
	NoDomain             ProblemKind = "no_domain"             // the account's domain is not known any more
	Unexpected           ProblemKind = "unexpected"            // none of these; Summary and Cause say all there is
)

// OfTenant tells whether a problem is about all mailboxes of a domain at one of its servers.
// Whoever finds it tells it once, not for each account.
func (k ProblemKind) OfTenant() bool {
	switch k {
	case MasterRefused, TokenUnavailable, TenantUnknown, ApplicationRefused, PermissionMissing, DelegationMissing, PrincipalMissing, ClockWrong:
		return true
	}
	return false
}

// NeedsPerson tells whether a problem doesn't pass by itself, as far as can be known: also some of those
// that are tried again, because whoever puts them right need not tell us.
func (p *Problem) NeedsPerson() bool {
	switch p.Kind {
	case OverQuota, MissingFolder, EmptiedMailbox, MasterRefused, TenantUnknown, ApplicationRefused, PermissionMissing, DelegationMissing,
		PrincipalMissing, ClockWrong, TokenCommandFailed:
		return true
	}
	return p.Advice == NeedsFix
}

// Side says which of the two servers something is about.
type Side string

// The two servers of a domain.
const (
	OldSide Side = "old"
	NewSide Side = "new"
)

// Problem is an error with its two voices, kept for status.
type Problem struct {
	Kind    ProblemKind   // "" in states of earlier versions: there is only Summary then
	Server  Side          // which server it is about; "" if neither
	Host    string        // that server's name or address, without port; "" if neither
	Summary reason.Reason // why, for the person at the screen
	Cause   string        // what the server or the system said, for the log
	Advice  Advice
	Folder  string // decoded name of the folder it happened in, if any
	Since   time.Time
	Retry   time.Time // when the engine tries again; zero if it will not
}
