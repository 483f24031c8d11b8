package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/lifecycle"
	"postferry/stage"
)

// finishCommand is what finish calls itself in the state's lock.
const finishCommand = "finish"

const finishHelp = `Finish ends the move of a domain, or of single accounts. It makes a last pass over them,
verifies them, and says how each has come over:

  perfect      everything is at the new server as it was
  good         everything is; people may have changed some of it there, or it was
               left out on purpose
  needs a look something is missing, altered or not known, and what

Then it asks, and finishes them: the old server is never contacted for them again, and
their passwords are forgotten, for good. People go on reading their mail through
Postferry with the password that the new server knows. An account that needs a look
is left as it is; with --accept it is finished all the same, and the report says who
wanted that. Aliases are finished with the account that they lead to.

The report is kept in the state ("postferry report" shows it again), and can be
written to files: --html to print and to keep, --csv, --json.

Where nobody can be asked, as standard input is no terminal, --yes says so. Until the
answer nothing has happened that can't be done again; afterwards everything has.
Verification compares headers and sizes; with --bodies it reads all messages whole.

` + exitHelp

// finishOptions are the command's flags.
type finishOptions struct {
	accept, yes, draft, bodies bool
	exports                    reportExports
}

func newFinish() *cobra.Command {
	var path string
	var o finishOptions
	cmd := &cobra.Command{
		Use:   "finish -c FILE [--accept] [--yes] [--draft] DOMAIN|LOGIN...",
		Short: "End the move of a domain or of accounts: a last pass, a report, passwords forgotten",
		Long:  finishHelp,
		Example: `  postferry finish -c /etc/postferry/config.toml --html report.html example.com
  postferry finish -c /etc/postferry/config.toml --draft example.com
  postferry finish -c /etc/postferry/config.toml anna@example.com`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return finish(cmd.Context(), commandIO{cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()}, path, args, o)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&o.accept, "accept", false, "finish accounts that need a look as well")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "ask nothing")
	cmd.Flags().BoolVar(&o.draft, "draft", false, "only say what the report would say")
	cmd.Flags().BoolVar(&o.bodies, "bodies", false, "verify whole messages")
	o.exports.flags(cmd)
	return cmd
}

// commandIO is what a command reads and writes.
type commandIO struct {
	in       io.Reader
	out, err io.Writer
}

// asks tells whether somebody can be asked.
func (c commandIO) asks() bool {
	f, ok := c.in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// confirm asks for a yes. Where nobody can be asked it fails.
func (c commandIO) confirm(question string) error {
	if !c.asks() {
		return control.UsageError(errors.New("nobody can be asked here, as standard input is no terminal: give --yes if you mean it"))
	}
	fmt.Fprintf(c.err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(c.in).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	}
	return errDeclined
}

var errDeclined = errors.New("nothing was done")

func finish(ctx context.Context, c commandIO, path string, args []string, o finishOptions) error {
	if !o.yes && !o.draft && !c.asks() {
		return c.confirm("") // before a pass is made in vain
	}
	return withEngine(ctx, path, finishCommand, c.err, func(b control.Backend) error {
		q, err := finishQuery(ctx, b, args, o)
		if err != nil {
			return err
		}
		draft, err := b.Prepare(ctx, q, func(s lifecycle.Step, accounts int) { fmt.Fprintln(c.err, stepText(s, accounts)) })
		if err != nil {
			return err
		}
		if _, err := io.WriteString(c.out, reportText(draft)); err != nil || o.draft {
			return errors.Join(err, o.exports.write(c.out, draft))
		}
		if !o.yes {
			if err := c.confirm(finishQuestion(draft, o.accept)); err != nil {
				return err
			}
		}
		report, err := b.Finish(ctx, q)
		if err != nil {
			return err
		}
		return endFinish(c.out, report, o)
	})
}

// withEngine runs fn with the daemon, or with the state and an engine of its own where none runs.
func withEngine(ctx context.Context, path, command string, stderr io.Writer, fn func(control.Backend) error) error {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	log := newLogger(cfg.Log, stderr)
	b, err := openBackend(ctx, cfg, command, &log)
	if err != nil {
		return err
	}
	return errors.Join(fn(b), b.Close())
}

// finishQuery is what to finish: a domain, or logins.
func finishQuery(ctx context.Context, b control.Backend, args []string, o finishOptions) (control.FinishQuery, error) {
	q := control.FinishQuery{Logins: args, Bodies: o.bodies, Accept: o.accept}
	domains, err := b.Domains(ctx)
	for _, d := range domains {
		if len(args) == 1 && strings.EqualFold(d.Name, args[0]) {
			q.Domain, q.Logins = d.Name, nil
		}
	}
	return q, err
}

func stepText(s lifecycle.Step, accounts int) string {
	if s == lifecycle.StepPass {
		return "last pass over " + humanize.Count(accounts, "account") + " ..."
	}
	return "verifying " + humanize.Count(accounts, "account") + " ..."
}

func finishQuestion(draft *lifecycle.Report, accept bool) string {
	n := len(draft.Accounts)
	if look := draft.Count(stage.NeedsLook); look > 0 && !accept {
		n -= look
	}
	return fmt.Sprintf("Finish %s? %s is not contacted for them any more, and their passwords are forgotten.", humanize.Count(n, "account"), console.Printable(draft.Old))
}

// endFinish says what came of it. Accounts that were left make it fail.
func endFinish(out io.Writer, r *lifecycle.Report, o finishOptions) error {
	if len(r.Accounts) > 0 {
		fmt.Fprintf(out, "finished %s; report %d is kept\n", humanize.Count(len(r.Accounts), "account"), r.Number)
	}
	err := o.exports.write(out, r)
	if len(r.Left) > 0 {
		fmt.Fprintf(out, "%s not finished; mend what is said above, or finish with --accept\n", humanize.Count(len(r.Left), "account"))
		err = errors.Join(err, errIncomplete)
	}
	return err
}

const forgetHelp = `Forget removes a domain from Postferry's state: its accounts and all that is
known of their mail, its servers if they were set up at the import page, its
runs, schedule, administrators and tokens. What was there can't be read from the
state any more. Only the reports of what was finished and the audit log stay. The
mail itself, on both servers, is not touched.

Accounts that are being copied have to be finished or stopped before. A domain of
the configuration file has to be removed there, too; people can log in through
Postferry until then.

Where nobody can be asked, as standard input is no terminal, --yes says so.

` + exitHelp

func newForget() *cobra.Command {
	var path string
	var yes bool
	cmd := &cobra.Command{
		Use:     "forget -c FILE [--yes] DOMAIN",
		Short:   "Remove a domain with all that is known of it, but for reports and the audit log",
		Long:    forgetHelp,
		Example: `  postferry forget -c /etc/postferry/config.toml example.com`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := commandIO{cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()}
			domain := strings.ToLower(args[0])
			if !yes {
				if err := c.confirm(fmt.Sprintf("Forget %s with all of its accounts? This can't be undone.", console.Printable(domain))); err != nil {
					return err
				}
			}
			err := withBackend(cmd.Context(), path, forgetCommand, func(b control.Backend) error { return b.Forget(cmd.Context(), domain) })
			if err == nil {
				_, err = fmt.Fprintf(c.out, "%s is forgotten\n", console.Printable(domain))
			}
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&yes, "yes", false, "ask nothing")
	return cmd
}
