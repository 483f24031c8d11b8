package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/stage"
)

// What these commands call themselves in the state's lock.
const (
	adviseCommand = "advise"
	reportCommand = "report"
	forgetCommand = "forget"
)

const adviseHelp = `Advise says how far a domain's move is, what is done and what is still open, what to
do next, and whether the old server may be switched off. It asks DNS where the
domain's mail and the names of its mail programs lead: the domain's own name servers
and those of [watch] resolvers in the configuration (the system's, if there are
none). What a single one of them tells counts for nothing.

The stages: preparing, checked, copying, copied, clients_switched, mx_switched,
settling, safe, finished. The old server may be switched off when

  checked    a check or a pass has shown that all accounts can be copied
  copied     everything of every account is at the new server, or somebody has
             approved what isn't
  clients    no name that mail programs go by leads to the old server
  mx         all DNS servers that answer tell the new MX
  quiet      nothing has arrived at the old server for [watch] quiet
  verified   all accounts were verified within 24 hours, without damage

The exit status is 0 only if the old server may be switched off.

With --json it prints one JSON object for programs: domain, at, stage, conditions
(name, state: met, open, unknown; why; needed), next, safe, verdict, late
(messages, last, from), figures. why, next, verdict and late.text have a code
with its args, and a sentence in English.

` + exitHelp

func newAdvise() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "advise -c FILE [--json] DOMAIN",
		Short:   "Say what to do next, and whether the old server may be switched off",
		Long:    adviseHelp,
		Example: `  postferry advise -c /etc/postferry/config.toml example.com && echo "switch it off"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := advise(cmd.Context(), path, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				err = showJSON(cmd.OutOrStdout(), a)
			} else {
				_, err = io.WriteString(cmd.OutOrStdout(), adviceText(&a))
			}
			if err == nil && !a.Safe {
				err = errIncomplete // the output has said why
			}
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	return cmd
}

func advise(ctx context.Context, path, domain string) (a stage.Assessment, err error) {
	err = withBackend(ctx, path, adviseCommand, func(b control.Backend) error {
		a, err = b.Advise(ctx, strings.ToLower(domain))
		return err
	})
	return a, err
}

// withBackend runs fn with the daemon, or with the state where none runs.
func withBackend(ctx context.Context, path, command string, fn func(control.Backend) error) error {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, command, nil)
	if err != nil {
		return err
	}
	return errors.Join(fn(b), b.Close())
}

func showJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// adviceText is an assessment for people, within 80 columns.
func adviceText(a *stage.Assessment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n\n", console.Printable(a.Domain), strings.ReplaceAll(string(a.Stage), "_", " "))
	marks := map[stage.State]string{stage.Met: "done   ", stage.Open: "open   ", stage.Unknown: "unknown"}
	for _, c := range a.Conditions {
		b.WriteString(wrapped(marks[c.State]+"  ", console.Printable(c.Why.Text)))
	}
	if a.Late != nil {
		b.WriteString(wrapped("late     ", console.Printable(a.Late.Text.Text)))
	}
	if a.WayBack != nil {
		b.WriteString("\n" + wrapped("", console.Printable(a.WayBack.Text)))
	}
	b.WriteString("\n" + wrapped("Next:    ", console.Printable(a.Next.Text)))
	b.WriteString("\n" + wrapped("", console.Printable(a.Verdict.Text)))
	return b.String()
}

// textWidth is how wide text for people is at most, in cells.
const textWidth = 80

// wrapped is text in lines of textWidth, the first behind head and the others as far in.
func wrapped(head, text string) string {
	var b strings.Builder
	indent := strings.Repeat(" ", len(head))
	line := head
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0 || line == indent:
			line += word
		case len([]rune(line))+1+len([]rune(word)) > textWidth:
			b.WriteString(line + "\n")
			line = indent + word
		default:
			line += " " + word
		}
	}
	return b.String() + line + "\n"
}
