package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/report"
)

// mailboxCommand is what mailbox calls itself in the state's lock.
const mailboxCommand = "mailbox"

const mailboxHelp = `A login can lead to another mailbox than it did: an address was given to somebody
else, a table of logins is broken, a server was set up anew with the same accounts
and without their mail. Where INBOX isn't numbered as it was, Postferry compares
what the mailbox has with what was copied. If hardly anything is known, nothing is
copied until the login is corrected or somebody says what it is:

  accept    the login is right. What the old mailbox has now is this person's and
            is copied unless it is known; what the new one has not any more was
            removed by its user
  again     the login is right, and the new server has lost the mail: all that the
            old server has is copied into it again

Whoever accepts another person's mailbox has the mail of two people mixed.
"postferry status LOGIN" says which server it is about and what was seen.

While "postferry serve" runs the daemon begins a pass.

` + exitHelp

func newMailbox() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mailbox",
		Short: "Say what a mailbox is that isn't the one it was",
		Long:  mailboxHelp,
		Example: `  postferry mailbox accept -c /etc/postferry/config.toml anna@example.com
  postferry mailbox again -c /etc/postferry/config.toml anna@example.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newMailboxVerdict(report.MailboxAccept, "Say that a mailbox is the right one as it is", "the mailbox is accepted as it is"),
		newMailboxVerdict(report.MailboxAgain, "Have everything copied into a new mailbox again", "all of it is copied again"))
	return cmd
}

// newMailboxVerdict is the command of one verdict; done says what comes of it.
func newMailboxVerdict(verdict report.MailboxVerdict, short, done string) *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   string(verdict) + " -c FILE LOGIN",
		Short: short,
		Long:  short + ".\n\n" + mailboxHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, logins []string) error {
			cfg, _, err := loadConfig(path)
			if err != nil {
				return err
			}
			log := quietLogger(cfg.Log, cmd.ErrOrStderr())
			b, err := openBackend(cmd.Context(), cfg, mailboxCommand, &log)
			if err != nil {
				return err
			}
			err = b.DecideMailbox(cmd.Context(), control.MailboxDecision{Login: logins[0], Verdict: verdict})
			if err := errors.Join(err, b.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", console.Printable(logins[0]), done)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}
