package admin

import (
	"context"
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/config"
	"postferry/store"
)

// guesses bounds how often whoever looks after one domain can give accounts passwords of the new server:
// what a check or a run says then tells whether they are right, past the bounds that the relay sets to
// clients who guess. A login may be given as many as a client may try there; those who look after a domain are bounded for all
// logins together. The first password of a login costs them nothing, so that lists of any
// length are taken.
type guesses struct {
	logins *access.Limiter
	first  *access.Limiter
	scopes *access.Limiter
}

func newGuesses() *guesses {
	return &guesses{
		logins: access.NewLimiter(10, 6*time.Second), // as the relay
		first:  access.NewLimiterOf(1, 24*time.Hour, 200_000),
		scopes: access.NewLimiter(100, 6*time.Second),
	}
}

// take counts passwords that logins of a server are given.
func (g *guesses) take(who access.Actor, d *config.Domain, given []store.Account) error {
	if who.All() {
		return nil
	}
	for i := range given {
		key := d.New.Address() + "\x00" + strings.ToLower(given[i].New.Login)
		wait, ok := g.logins.Take(key)
		if _, first := g.first.Take(key); ok && !first {
			wait, ok = g.scopes.Take(who.Scope)
		}
		if !ok {
			return access.Busy("too_many_passwords", "Too many passwords were given for the new server. Wait a moment, or ask an administrator of all domains.", wait.Round(time.Second)+time.Second)
		}
	}
	return nil
}

// countGuesses counts those of accounts about to be stored that get another password at the new server.
func (a *Accounts) countGuesses(ctx context.Context, who access.Actor, d *config.Domain, accounts []store.Account) error {
	if who.All() {
		return nil
	}
	var given []store.Account
	for i := range accounts {
		known, err := a.store.Account(ctx, accounts[i].Login)
		if err != nil || known.New != accounts[i].New { // one that is not known is given its first
			given = append(given, accounts[i])
		}
	}
	return a.guesses.take(who, d, given)
}

// countGuess is countGuesses for a correction.
func (a *Accounts) countGuess(who access.Actor, d *config.Domain, x *store.Account, change store.CredentialChange) error {
	if change.New.Password == "" || change.New.Password == x.New.Password && (change.New.Login == "" || change.New.Login == x.New.Login) {
		return nil
	}
	to := *x
	if change.New.Login != "" {
		to.New.Login = change.New.Login
	}
	return a.guesses.take(who, d, []store.Account{to})
}
