package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
)

// aliasCommand is what alias calls itself in the state's lock.
const aliasCommand = "alias"

const aliasHelp = `Two logins that lead to one mailbox (anna and anna@example.com) share what has been
copied: the second is an alias of the first. Postferry finds that out by itself where
it can be proved. Where two only look alike, nothing is copied for the second until
somebody says what they are:

  same    LOGIN leads to the mailbox of OF, an account of the same domain
  apart   the mailbox of LOGIN is no other account's, whatever it looks like

"postferry status" says of which account an account is an alias, and who waits for
an answer. Two mailboxes that are wrongly taken for one leave one person without
mail; one that is taken for two can get mail twice.

While "postferry serve" runs the daemon begins a pass.

` + exitHelp

func newAlias() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alias",
		Short: "Say whether two logins lead to one mailbox",
		Long:  aliasHelp,
		Example: `  postferry alias same -c /etc/postferry/config.toml anna anna@example.com
  postferry alias apart -c /etc/postferry/config.toml anna`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newAliasAnswer("same -c FILE LOGIN OF", "Say that a login leads to the mailbox of another account", 2),
		newAliasAnswer("apart -c FILE LOGIN", "Say that an account's mailbox is no other account's", 1))
	return cmd
}

// newAliasAnswer is the command of one answer, which takes so many logins.
func newAliasAnswer(use, short string, logins int) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  short + ".\n\n" + aliasHelp,
		Args:  cobra.ExactArgs(logins),
		RunE: func(cmd *cobra.Command, logins []string) error {
			cfg, _, err := loadConfig(path)
			if err != nil {
				return err
			}
			b, err := openBackend(cmd.Context(), cfg, aliasCommand, nil)
			if err != nil {
				return err
			}
			d, said := control.AliasDecision{Login: logins[0]}, "stands for itself"
			if len(logins) > 1 {
				d.Of, said = logins[1], "is an alias of "+console.Printable(logins[1])
			}
			if err := errors.Join(b.DecideAlias(cmd.Context(), d), b.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", console.Printable(d.Login), said)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}
