package store

import (
	"context"
	"strings"

	"go.etcd.io/bbolt"
)

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

// apply changes an account. The old password opens the mailbox at the new server
// only if it came together with the password that does.
func (c CredentialChange) apply(a *Account) (changed CredentialFields) {
	oldSide, newSide := c.side(c.Old, a.Old), c.side(c.New, a.New)
	return a.replace(oldSide, newSide, c.Old.Password != "" && c.New.Password != "")
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

// replace gives an account other credentials, and changes nothing else but what those
// had proved: which account's mailbox the new login leads to.
func (a *Account) replace(oldSide, newSide Credentials, oldOpens bool) (changed CredentialFields) {
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

// SetCredentials implements Store.
func (b *Bolt) SetCredentials(ctx context.Context, id AccountID, c CredentialChange) (changed CredentialFields, err error) {
	if err := checkCredentialChange(c); err != nil {
		return 0, err
	}
	err = b.changeAccount(ctx, id, func(a *Account) { changed = c.apply(a) })
	if err != nil {
		return 0, err
	}
	return changed, nil
}

// LearnPassword implements Store.
func (b *Bolt) LearnPassword(ctx context.Context, id AccountID, was Credentials, password Secret) (known bool, err error) {
	if password == "" {
		return false, invalid("an empty password")
	}
	now := Credentials{Login: was.Login, Password: password}
	err = b.update(ctx, 1, func(tx *bbolt.Tx) error {
		a, err := getAccount(tx, id, b.sealer)
		if err != nil {
			return err
		}
		if known = a.New == now; known || a.New != was {
			return nil
		}
		known = true
		a.replace(a.Old, now, false)
		return root(tx, bucketAccounts).Put(accountKey(id), encodeAccount(&a, b.sealer))
	})
	return known && err == nil, err
}
