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
late at the old server, a second pass that copies nothing. Every claim is
checked by looking at the servers directly.

Then everything stays up until you press Ctrl-C, so that you can point your own
mail program at it, and open the import page, on which more accounts move. With
--once it ends after the tour; the exit status is 0 only if every step showed
what it claims.

` + exitHelp

func newDemo() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo [--once]",
		Short: "Watch a mailbox move, without any set-up",
		Long:  demoHelp,
		Example: `  postferry demo
  postferry demo --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo.Run(cmd.Context(), startDemoDaemon, cmd.OutOrStdout(), cmd.ErrOrStderr(), once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "end after the tour")
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
