package main

import (
	"context"
	"errors"
	"fmt"

	"postferry/admin"
	"postferry/config"
	"postferry/store"
	"postferry/store/bolt/statedir"
)

// learnDomains makes the domains of the state known.
func learnDomains(ctx context.Context, known *config.Directory, st store.Store) error {
	stored, err := st.Domains(ctx)
	if err != nil {
		return err
	}
	for _, d := range stored {
		domain, err := admin.DomainOf(d)
		if err != nil {
			return fmt.Errorf("the domain %s in the state: %w", d.Name, err)
		}
		known.Put(domain)
	}
	return learnSignIns(ctx, known, st)
}

// learnAllDomains makes the domains known that the state or its daemon knows.
func learnAllDomains(ctx context.Context, cfg *config.Config) (err error) {
	if statedir.Empty(cfg.State) {
		return nil // nothing is made before there is something to keep
	}
	b, err := openBackend(ctx, cfg, importCommand, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	domains, err := b.Domains(ctx)
	for _, d := range domains {
		if _, known := cfg.Directory.DomainNamed(d.Name); !known {
			cfg.Directory.Put(d)
			cfg.Directory.PutSignIn(d.Name, string(store.OldSide), d.Old.SignIn)
			cfg.Directory.PutSignIn(d.Name, string(store.NewSide), d.New.SignIn)
		}
	}
	return err
}
