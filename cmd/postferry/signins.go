package main

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/credential"
	"postferry/store"
)

// newKeeper makes what knows how to sign in.
func newKeeper(st store.Store, log zerolog.Logger) *credential.Keeper {
	return credential.New(credential.Options{Consents: st, Log: log})
}

// learnSignIns makes the ways to sign in of the state known.
func learnSignIns(ctx context.Context, known *config.Directory, st store.Store) error {
	stored, err := st.SignIns(ctx)
	if err != nil {
		return fmt.Errorf("how to sign in: %w", err)
	}
	for _, s := range stored {
		known.PutSignIn(s.Domain, string(s.Side), signInOf(s))
	}
	return nil
}

// signInOf is a stored way to sign in as the configuration knows it.
func signInOf(s store.SignIn) *config.SignIn {
	return &config.SignIn{
		Method: config.SignInMethod(s.Method), Domain: s.Domain, Side: string(s.Side), Login: s.Login, Separator: s.Separator,
		Tenant: s.Tenant, ClientID: s.ClientID, Issuer: s.Issuer, Scope: s.Scope, Secret: s.Secret,
	}
}
