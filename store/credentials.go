package store

import "strings"

// CredentialFields says which of an account's credentials a call has changed.
type CredentialFields uint8

const (
	OldLoginField CredentialFields = 1 << iota
	OldPasswordField
	NewLoginField
	NewPasswordField
)

// String names the fields as the API does: "old_password, new_login".
func (f CredentialFields) String() string {
	var names []string
	for i, name := range [...]string{"old_login", "old_password", "new_login", "new_password"} {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// AccountPut says what PutAccounts did with an account.
type AccountPut struct {
	Added   bool
	Changed CredentialFields // of one that was known
}

// CredentialChange gives an account other credentials. A side without a password
// stays as it is, and so does a login that is left empty: a password may change
// alone, a login changes only together with its password.
type CredentialChange struct {
	Old, New Credentials
}

// Apply changes an account. The old password opens the mailbox at the new server
// only if it came together with the password that does.
func (c CredentialChange) Apply(a *Account) (changed CredentialFields) {
	oldSide, newSide := c.side(c.Old, a.Old), c.side(c.New, a.New)
	return a.ReplaceCredentials(oldSide, newSide, c.Old.Password != "" && c.New.Password != "")
}

// side is one side as it is after the change.
func (CredentialChange) side(given, known Credentials) Credentials {
	if given.Password == "" {
		return known
	}
	if given.Login == "" {
		given.Login = known.Login
	}
	return given
}

// ReplaceCredentials gives an account other credentials, and changes nothing else but what those
// had proved: which account's mailbox the new login leads to. A finished account takes none.
func (a *Account) ReplaceCredentials(oldSide, newSide Credentials, oldOpens bool) (changed CredentialFields) {
	if a.State == Finished {
		return 0
	}
	for _, f := range []struct {
		field CredentialFields
		is    bool
	}{
		{OldLoginField, a.Old.Login != oldSide.Login}, {OldPasswordField, a.Old.Password != oldSide.Password},
		{NewLoginField, a.New.Login != newSide.Login}, {NewPasswordField, a.New.Password != newSide.Password},
	} {
		if f.is {
			changed |= f.field
		}
	}
	if changed&NewLoginField != 0 {
		a.Alias, a.Apart = 0, false
	}
	if changed&(OldLoginField|NewLoginField) != 0 {
		a.AliasProved = false
	}
	a.Old, a.New, a.OldOpens = oldSide, newSide, oldOpens
	return changed
}
