package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"postferry/store"
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
			d, said := aliasDecision{Login: logins[0]}, "stands for itself"
			if len(logins) > 1 {
				d.Of, said = logins[1], "is an alias of "+printable(logins[1])
			}
			if err := errors.Join(b.DecideAlias(cmd.Context(), d), b.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", printable(d.Login), said)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// aliasDecision is what somebody says of an account.
type aliasDecision struct {
	Login string `json:"login"`
	Of    string `json:"of,omitempty"` // login of the account whose mailbox it is; "" for its own
}

// pathAlias is POST aliasDecision -> aliasReply.
const pathAlias = "/v1/alias"

type aliasReply struct {
	Error *controlError `json:"error,omitempty"`
}

// DecideAlias implements backend.
func (l *local) DecideAlias(ctx context.Context, d aliasDecision) error {
	logins := []string{d.Login}
	if d.Of != "" {
		logins = append(logins, d.Of)
	}
	accounts, err := l.accounts(ctx, logins)
	if err != nil {
		return err
	}
	if len(accounts) < len(logins) {
		return usageError(fmt.Errorf("%q and %q are one account", d.Login, d.Of))
	}
	if err := l.setAlias(ctx, accounts); err != nil {
		return err
	}
	if err := l.store.ForgetProblems(ctx, []store.AccountID{accounts[0].ID}); err != nil {
		return err
	}
	if err := l.noter().AnsweredAlias(ctx, accounts[0]); err != nil {
		return err
	}
	if l.corrected != nil {
		if err := l.corrected(ctx, accounts[:1]); err != nil {
			return err
		}
	}
	if l.engine == nil {
		return nil
	}
	return l.engine.Updated(ctx, []store.AccountID{accounts[0].ID})
}

// setAlias makes the first of two accounts an alias of the second, or lets the only one stand for itself.
func (l *local) setAlias(ctx context.Context, accounts []store.Account) error {
	if len(accounts) == 1 {
		return l.store.SetApart(ctx, accounts[0].ID)
	}
	a, of := accounts[0], accounts[1]
	if a.Domain != of.Domain {
		return usageError(fmt.Errorf("%q and %q are accounts of two domains; their mail is kept apart", a.Login, of.Login))
	}
	err := l.store.SetAlias(ctx, a.ID, of.ID)
	if errors.Is(err, store.ErrInvalid) {
		return usageError(fmt.Errorf("%q is an alias of %q; say first that that one stands for itself", of.Login, a.Login))
	}
	return err
}

// DecideAlias implements backend.
func (r *remote) DecideAlias(ctx context.Context, d aliasDecision) error {
	var reply aliasReply
	err := r.ask(ctx, pathAlias, d, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return err
}

func (c *controlServer) decideAlias(w http.ResponseWriter, r *http.Request) {
	var req aliasDecision
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	err := c.backend.DecideAlias(r.Context(), req)
	if err == nil {
		c.log.Info().Str("account", req.Login).Str("of", req.Of).Msg("somebody said whose mailbox it is")
	}
	_ = out.write(aliasReply{Error: describeError(err)})
}
