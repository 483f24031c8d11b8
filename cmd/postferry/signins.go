package main

import (
	"context"
	"fmt"

	"github.com/rs/zerolog"

	"postferry/admin"
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
		known.PutSignIn(s.Domain, string(s.Side), admin.SignInOf(s))
	}
	return nil
}
