package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"postferry/internal/control"
)

// The exit statuses, as the help describes them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = control.ExitUsage
	exitInUse       = 3
	exitInterrupted = 130
)

const exitHelp = `Exit status:
  0    all is well; sync: everything is on the new server
  1    something failed; sync: not everything is on the new server yet;
       verify: something is missing, altered or doubled there;
       advise: the old server may not be switched off yet
  2    the command line, the configuration or the account list is wrong
  3    the state is in use by another postferry
  130  interrupted (Ctrl-C)`

// errIncomplete ends a command whose output has already said what is missing.
var errIncomplete = errors.New("not everything is on the new server yet")

// exitCode is the exit status for what a command returned. interrupted says
// that a signal ended it.
func exitCode(err error, interrupted bool) int {
	var coded *control.ExitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.Code
	case interrupted:
		return exitInterrupted
	default:
		return exitFailed
	}
}

// run is the whole program: it returns the exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := catchSignals(ctx)
	defer stop()

	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	interrupted := context.Cause(ctx) == errSignal
	if err != nil && !errors.Is(err, errIncomplete) {
		showError(stderr, err, interrupted)
	}
	return exitCode(err, interrupted)
}

// showError prints an error for the person at the screen: mistakes in a file
// each on a line of their own, as they came.
func showError(w io.Writer, err error, interrupted bool) {
	if interrupted && errors.Is(err, context.Canceled) {
		fmt.Fprintln(w, "postferry: interrupted")
		return
	}
	text := strings.TrimRight(err.Error(), "\n")
	if strings.Contains(text, "\n") {
		fmt.Fprintln(w, text)
		return
	}
	fmt.Fprintln(w, "postferry:", text)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "postferry",
		Short: "Move a mail domain to another server while people go on reading their mail",
		Long: `Postferry stands in front of a new mail server while a domain moves there from
an old one. Mail clients connect to it and see the new mailbox; every folder is
brought over the moment somebody opens it, and the rest in the background.

Try it first, nothing needs to be set up:

  postferry demo

Then write a configuration (config.example.toml explains every option), give it
a list of accounts and start the daemon:

  postferry import -c /etc/postferry/config.toml accounts.txt
  postferry serve -c /etc/postferry/config.toml
  postferry status -c /etc/postferry/config.toml

` + exitHelp,
		Version:       versionString(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return control.UsageError(fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath()))
	})
	root.AddCommand(newServe(), newImport(), newSync(), newVerify(), newStatus(), newAdvise(), newFinish(), newReport(), newForget(), newNotify(), newQuarantine(), newFolder(), newAlias(), newMailbox(), newAuth(), newTenant(), newClients(), newKick(), newAdmin(), newKey(), newBackup(), newConfig(), newDiscover(), newDemo(), newVersion())
	for _, cmd := range root.Commands() {
		strictUsage(cmd)
	}
	root.Args = usageArgs(cobra.NoArgs)
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SetVersionTemplate("postferry {{.Version}}\n")
	return root
}

// strictUsage makes mistakes on the command line of cmd and those below it usage errors.
func strictUsage(cmd *cobra.Command) {
	cmd.Args = usageArgs(cmd.Args)
	cmd.DisableFlagsInUseLine = true
	for _, sub := range cmd.Commands() {
		strictUsage(sub)
	}
}

// usageArgs makes a wrong number of arguments, or an unknown command, a usage error.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return control.UsageError(fmt.Errorf("%w%s (see %s --help)", err, didYouMean(cmd, args), cmd.CommandPath()))
		}
		return nil
	}
}

// didYouMean are the commands below cmd that somebody may have meant by another; "" if there are none.
func didYouMean(cmd *cobra.Command, args []string) string {
	if len(args) == 0 || !cmd.HasAvailableSubCommands() {
		return ""
	}
	cmd.SuggestionsMinimumDistance = 2
	meant := cmd.SuggestionsFor(args[0])
	if len(meant) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(meant, " or ") + "?"
}

// configFlag adds the flag that every command with a configuration has.
func configFlag(cmd *cobra.Command, path *string) {
	cmd.Flags().StringVarP(path, "config", "c", "", "the configuration `FILE` (required)")
}
