package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/table"
)

// clientsCommand is what clients and kick call themselves in the state's lock.
const clientsCommand = "clients"

const clientsHelp = `Clients shows which mail programs are logged in through "postferry serve": with which
login and from which address, what they call themselves, which folder they have
open, since when they are connected and for how long they have asked for nothing,
and what a command of theirs is held back by.

` + exitHelp

func newClients() *cobra.Command {
	var path string
	var out output
	cmd := &cobra.Command{
		Use:     "clients -c FILE [-o FORM]",
		Short:   "Show which mail programs are connected",
		Long:    clientsHelp,
		Example: `  postferry clients -c /etc/postferry/config.toml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var clients []control.ConnectedClient
			if err := withDaemon(cmd, path, func(ctx context.Context, b control.Backend) (err error) {
				clients, err = b.Clients(ctx)
				return err
			}); err != nil {
				return err
			}
			if out.json {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
					Clients []control.ConnectedClient `json:"clients"`
				}{clients})
			}
			return printClients(cmd.OutOrStdout(), clients, out.wide())
		},
	}
	configFlag(cmd, &path)
	out.flags(cmd, true)
	return cmd
}

const kickHelp = `Kick says goodbye to all mail programs that are logged in with LOGIN, each as soon as
no command of it is under way, after five seconds at the latest. Most programs come
back by themselves at once: to keep somebody out, change the password at the new server.

` + exitHelp

func newKick() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "kick -c FILE LOGIN",
		Short:   "Send the mail programs of a login away",
		Long:    kickHelp,
		Example: `  postferry kick -c /etc/postferry/config.toml anna@example.com`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			n := 0
			if err := withDaemon(cmd, path, func(ctx context.Context, b control.Backend) (err error) {
				n, err = b.Kick(ctx, args[0])
				return err
			}); err != nil {
				return err
			}
			if n == 0 {
				return fmt.Errorf("nobody is logged in as %s", console.Printable(args[0]))
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s: %d sent away\n", console.Printable(args[0]), n)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// withDaemon does something with the daemon that runs.
func withDaemon(cmd *cobra.Command, path string, do func(context.Context, control.Backend) error) error {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	b, err := openBackend(cmd.Context(), cfg, clientsCommand, nil)
	if err != nil {
		return err
	}
	return errors.Join(do(cmd.Context(), b), b.Close())
}

// printClients prints a table.
func printClients(w io.Writer, clients []control.ConnectedClient, wide bool) error {
	if len(clients) == 0 {
		_, err := fmt.Fprintln(w, "no mail program is connected")
		return err
	}
	t := table.New("LOGIN", "PROGRAM", "ADDRESS", "FOLDER", "FOR", "QUIET", "HELD BY")
	for _, c := range clients {
		address := c.Address
		if !c.TLS {
			address += " (no TLS)"
		}
		cells := []string{c.Login, c.Program, address, c.Folder, time.Since(c.Since).Round(time.Second).String(),
			time.Duration(c.Idle * float64(time.Second)).Round(time.Second).String(), c.Held}
		for i := range cells {
			if cells[i] = console.Printable(cells[i]); cells[i] == "" {
				cells[i] = "-"
			}
		}
		t.Add(cells...)
	}
	return t.Write(w, wide)
}
