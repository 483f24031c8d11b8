package cause

import "postferry/store"

// Mend says what mends a cause for all of its accounts.
type Mend string

// The mends.
const (
	Servers Mend = "servers" // the domain's servers are corrected
	Logins  Mend = "logins"  // logins or passwords are
	SignIn  Mend = "sign_in" // the domain's way to sign in is
	Room    Mend = "room"    // somebody makes room at the new server
	Decide  Mend = "decide"  // somebody answers a question, account by account
	Wait    Mend = "wait"    // nothing: it passes by itself
	Again   Mend = "again"   // something elsewhere is put right, and they are run again
)

// Mends are all there are.
func Mends() []Mend { return []Mend{Servers, Logins, SignIn, Room, Decide, Wait, Again} }

// mends are the kinds whose mend is not a matter of whether it passes by itself.
var mends = map[Mend][]store.ProblemKind{
	Servers: {store.Certificate, store.CertificateName, store.CertificateUntrusted, store.CertificateExpired, store.CertificateChanged,
		store.OldEncryption, store.NotTLS, store.NoEncryption, store.NotMailServer, store.NoMailServer, store.OpenToAll, store.NoDomain},
	Logins: {store.LoginRefused, store.PasswordExpired, store.PasswordUnsendable, store.PasswordMissing, store.AccountMoved, store.MailboxUnknown},
	SignIn: {store.TokenRefused, store.TokensNotTaken, store.MasterNotTaken, store.MasterRefused, store.TenantUnknown, store.ApplicationRefused,
		store.PermissionMissing, store.DelegationMissing, store.PrincipalMissing, store.ConsentMissing, store.ConsentRevoked, store.ConsentLost, store.TokenCommandFailed},
	Room:   {store.OverQuota},
	Decide: {store.SameMailbox, store.OtherMailbox, store.EmptiedMailbox, store.MissingFolder},
}

// mendOf is what mends problems of a kind.
func mendOf(kind store.ProblemKind, advice store.Advice) Mend {
	for m, kinds := range mends {
		for _, k := range kinds {
			if k == kind {
				return m
			}
		}
	}
	if advice == store.RetryLater {
		return Wait
	}
	return Again
}

// What says in English what mends it.
func (m Mend) What() string {
	switch m {
	case Servers:
		return "Correct the domain's servers."
	case Logins:
		return "Correct logins or passwords."
	case SignIn:
		return "Correct the way to sign in."
	case Room:
		return "Make room or raise the quota at the new server; it is tried again by itself."
	case Decide:
		return "Look at the accounts and say what is right."
	case Wait:
		return "It is tried again by itself."
	}
	return "Put it right, then run it again."
}
