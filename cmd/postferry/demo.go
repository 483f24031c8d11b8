package main

import (
	"context"
	"io"
	"net"

	"github.com/spf13/cobra"

	"postferry/internal/demo"
	"postferry/store"
)

const demoHelp = `Demo shows what Postferry does, without any set-up: it starts two small mail
servers in memory, an old one with sample mail and an empty new one, and
Postferry between them. A mail client logs in and tells what it sees: a folder
that is read while it is still on its way, the rest arriving, mail that turns up
late at the old server, a second pass that copies nothing, the MX being changed,
the move's end. Every claim is checked by looking at the servers directly.

Then everything stays up until you press Ctrl-C, so that you can point your own
mail program at it, and open the import page, on which more accounts move. With
--once it ends after the tour; the exit status is 0 only if every step showed
what it claims.

With --tenant there is no tour. Stand-ins for Microsoft 365 and for Google Workspace
run in memory, each with a few hundred mailboxes, and the import page has a domain
for each: walk through its page "Sign-in" with the values that are printed, list
the mailboxes, pick some, and move them. In a third domain each person agrees.

` + exitHelp

func newDemo() *cobra.Command {
	var once, tenant bool
	cmd := &cobra.Command{
		Use:   "demo [--once | --tenant]",
		Short: "Watch a mailbox move, without any set-up",
		Long:  demoHelp,
		Example: `  postferry demo
  postferry demo --once
  postferry demo --tenant`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if tenant {
				return demo.RunTenant(cmd.Context(), startDemoDaemon, cmd.OutOrStdout(), cmd.ErrOrStderr())
			}
			return demo.Run(cmd.Context(), startDemoDaemon, cmd.OutOrStdout(), cmd.ErrOrStderr(), once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the tour")
	cmd.Flags().BoolVar(&tenant, "tenant", false, "try connecting Microsoft 365 and Google Workspace, without having them")
	cmd.MarkFlagsMutuallyExclusive("once", "tenant")
	return cmd
}

// demoDaemon is what serve runs, as the demo uses it.
type demoDaemon struct{ *daemon }

// startDemoDaemon opens what "postferry serve" runs, with a configuration like any other.
func startDemoDaemon(ctx context.Context, config string, stderr io.Writer) (demo.Daemon, error) {
	cfg, _, err := loadConfig(config)
	if err != nil {
		return nil, err
	}
	cfg.Watch.Quiet = demo.Quiet
	d, err := openDaemon(ctx, cfg, newLogger(cfg.Log, stderr))
	if err != nil {
		return nil, err
	}
	return demoDaemon{d}, nil
}

// Run implements demo.Daemon.
func (d demoDaemon) Run(ctx context.Context) error { return d.run(ctx) }

// IMAPSAddr implements demo.Daemon.
func (d demoDaemon) IMAPSAddr() net.Addr { return d.proxy.IMAPSAddr() }

// IMAPAddr implements demo.Daemon.
func (d demoDaemon) IMAPAddr() net.Addr { return d.proxy.IMAPAddr() }

// PageURL implements demo.Daemon.
func (d demoDaemon) PageURL() string { return d.page.URL() }

// AddAdministrator implements demo.Daemon.
func (d demoDaemon) AddAdministrator(ctx context.Context, name string, password store.Secret) error {
	_, err := d.page.Operator().SetPassword(ctx, name, new(string), password)
	return err
}

// AddDomain implements demo.Daemon.
func (d demoDaemon) AddDomain(ctx context.Context, domain store.Domain, signIn store.SignIn) error {
	if err := d.store.PutDomain(ctx, domain); err != nil {
		return err
	}
	if err := d.store.PutSignIn(ctx, signIn); err != nil {
		return err
	}
	return learnDomains(ctx, d.cfg.Directory, d.store)
}

// AddAccounts implements demo.Daemon.
func (d demoDaemon) AddAccounts(ctx context.Context, accounts []store.Account, begin bool) error {
	stored, _, err := d.store.PutAccounts(ctx, accounts)
	if err != nil {
		return err
	}
	ids := make([]store.AccountID, len(stored))
	for i, a := range stored {
		ids[i] = a.ID
	}
	if !begin {
		return d.engine.Updated(ctx, ids)
	}
	_, err = d.engine.Begin(ctx, ids)
	return err
}
