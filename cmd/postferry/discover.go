package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"postferry/discover"
	"postferry/internal/console"
	"postferry/internal/control"
)

const discoverHelp = `Discover finds the old server of a mail domain: it looks at what the domain
publishes (SRV records, the configuration for mail programs), at its MX and at
the names mail servers usually have, connects to what it finds, and prints what
it tried, which server won and why, and the lines for the configuration. Of an
address it looks at the domain, and says what people log in with if the domain
publishes that.

It logs in nowhere and needs no password. IMAP is preferred to POP3, which has
nothing but the inbox, a protected connection to an unprotected one, and a
certificate that is in order to one that isn't. Where something is wrong with
the certificate it prints what, and the fingerprint by which it can be accepted.

With a configuration (-c) its new servers, those of domains that were set up in
the page, and its listeners are left out: once DNS has been changed,
mail.example.com may already lead there. It then also says whether the MX has
moved. What it finds is a proposal; what your provider says is better.

Addresses inside private networks are tried only with --private.

With --json it prints one object: found (null if nothing was), why, notes, mx,
lookups and attempts. Sentences have a code and params for programs beside
their English text. Fields may join; those there are keep names and meaning.

Exit status:
  0    a server was found
  1    none was
  2    the command line or the configuration is wrong
  130  interrupted (Ctrl-C)`

// errNothingFound ends a discovery whose output has said so already.
var errNothingFound = &control.ExitError{Code: exitFailed, Err: errIncomplete}

func newDiscover() *cobra.Command {
	var path string
	var out output
	var private bool
	cmd := &cobra.Command{
		Use:   "discover [-o FORM] [--private] [-c FILE] DOMAIN|ADDRESS",
		Short: "Find a mail domain's old server",
		Long:  discoverHelp,
		Example: `  postferry discover example.com
  postferry discover anna@example.com
  postferry discover -c /etc/postferry/config.toml --json example.com`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			finder, err := newFinder(cmd.Context(), path, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			finder.AllowPrivate = private
			report, err := finder.Find(cmd.Context(), args[0])
			var wrong *discover.InputError
			if errors.As(err, &wrong) {
				return control.UsageError(err)
			}
			if err != nil {
				return err
			}
			return showDiscovery(cmd.OutOrStdout(), report, &out)
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "", "leave out the new servers and the listeners of this configuration `FILE`")
	out.flags(cmd, true)
	cmd.Flags().BoolVar(&private, "private", false, "try addresses inside private networks, too")
	return cmd
}

// newFinder is a finder that leaves out what a configuration names, if there is
// one, and the new servers of domains that were set up in the page.
func newFinder(ctx context.Context, path string, stderr io.Writer) (*discover.Finder, error) {
	if path == "" {
		return &discover.Finder{}, nil
	}
	cfg, _, err := loadConfig(path)
	if err != nil {
		return nil, err
	}
	if err := learnAllDomains(ctx, cfg); err != nil {
		fmt.Fprintf(stderr, "postferry: the domains set up in the page are not known: %v\n", err)
	}
	return discover.ForConfig(cfg), nil
}

func showDiscovery(w io.Writer, r *discover.Report, out *output) error {
	if out.json {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else if _, err := io.WriteString(w, console.DiscoveryText(r, out.wide())); err != nil {
		return err
	}
	if r.Found == nil {
		return errNothingFound
	}
	return nil
}
