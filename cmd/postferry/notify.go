package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"postferry/admin/web"
	"postferry/config"
	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/lifecycle"
	"postferry/notify"
)

// newTeller makes what tells people how moves go on.
func newTeller(cfg *config.Config, st notify.Store, guide *lifecycle.Guide, log zerolog.Logger) (*notify.Teller, error) {
	speaker, err := web.NewSpeaker()
	if err != nil {
		return nil, err
	}
	return &notify.Teller{Config: cfg, Store: st, Guide: guide, Log: log,
		Words: func(language string) notify.Words { return speaker.In(language) }}, nil
}

const notifyHelp = `Notify is about the people who are told how moves go on, by e-mail and by
webhooks: when everything of a domain has been copied, when somebody has to mend
something (once for each cause), when the old server may be switched off, when a
move is finished; and once a day how the moves under way go on. [notify] and
[[recipient]] in the configuration say who is told; "postferry serve" tells them.`

func newNotify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Try whether people can be told how moves go on",
		Long:  notifyHelp,
	}
	cmd.AddCommand(newNotifyTest())
	return cmd
}

func newNotifyTest() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "test -c FILE [DOMAIN]",
		Short: "Send a test to all recipients, or to those of a domain",
		Long: `Test sends a message to everybody whom [[recipient]] in the configuration names,
or to those who are told about DOMAIN, and says what became of each.

` + exitHelp,
		Example: `  postferry notify test -c /etc/postferry/config.toml
  postferry notify test -c /etc/postferry/config.toml example.com`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return testNotify(cmd.Context(), cmd.OutOrStdout(), path, strings.ToLower(strings.Join(args, "")))
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// testNotify tries all recipients. It needs no state.
func testNotify(ctx context.Context, out io.Writer, path, domain string) error {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	teller, err := newTeller(cfg, nil, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	tried, err := teller.Try(ctx, domain)
	if errors.Is(err, notify.ErrNobody) {
		return control.UsageError(err)
	}
	for _, one := range tried {
		word := "sent    "
		if one.Err != nil {
			word = "failed  "
			err = errors.Join(err, errIncomplete)
		}
		fmt.Fprintln(out, word+console.Printable(one.To))
		if one.Err != nil {
			fmt.Fprintln(out, "        "+console.Printable(one.Err.Error()))
		}
	}
	return err
}
