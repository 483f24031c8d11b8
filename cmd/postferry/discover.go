package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postferry/config"
	"postferry/discover"
)

const discoverHelp = `Discover finds the old server of a mail domain: it looks at what the domain
publishes (SRV records, the configuration for mail programs), at its MX and at
the names mail servers usually have, connects to what it finds, and prints what
it tried, which server won and why, and the lines for the configuration.

It logs in nowhere and needs no password. IMAP is preferred to POP3, which has
nothing but the inbox, and a protected connection to an unprotected one.

With a configuration (-c) the new servers in it are left out: once DNS has been
changed, mail.example.com may already lead to the new server. What it finds is
a proposal; whatever your provider says is better.

Some addresses inside your own network can be servers, too: --private tries them.

Exit status: 0 a server was found, 1 none was, 2 the command line is wrong.`

// errNothingFound ends a discovery whose output has said so already.
var errNothingFound = &exitError{exitFailed, errIncomplete}

func newDiscover() *cobra.Command {
	var path string
	var asJSON bool
	var finder discover.Finder
	cmd := &cobra.Command{
		Use:   "discover [--json] [--private] [-c FILE] DOMAIN|ADDRESS",
		Short: "Find a mail domain's old server",
		Long:  discoverHelp,
		Example: `  postferry discover example.com
  postferry discover anna@example.com
  postferry discover -c /etc/postferry/config.toml --json example.com`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := excludeConfigured(&finder, path); err != nil {
				return err
			}
			report, err := finder.Find(cmd.Context(), args[0])
			var wrong *discover.InputError
			if errors.As(err, &wrong) {
				return usageError(err)
			}
			if err != nil {
				return err
			}
			return showDiscovery(cmd.OutOrStdout(), report, asJSON)
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "", "leave out the new servers of this configuration `FILE`")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	cmd.Flags().BoolVar(&finder.AllowPrivate, "private", false, "try addresses inside private networks, too")
	return cmd
}

// excludeConfigured leaves a configuration's new servers out.
func excludeConfigured(f *discover.Finder, path string) error {
	if path == "" {
		return nil
	}
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	f.New = func(domain string) []string { return newHosts(cfg.Directory.All(), domain) }
	return nil
}

// newHosts are the hosts a domain moves to: its own new server, or all of them
// if it is not known.
func newHosts(domains []config.Domain, domain string) []string {
	var hosts []string
	for _, d := range domains {
		if d.Name == domain {
			return []string{d.New.Host}
		}
		if !slices.Contains(hosts, d.New.Host) {
			hosts = append(hosts, d.New.Host)
		}
	}
	return hosts
}

func showDiscovery(w io.Writer, r *discover.Report, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		if err := enc.Encode(r); err != nil {
			return err
		}
	} else if _, err := io.WriteString(w, discoveryText(r)); err != nil {
		return err
	}
	if r.Found == nil {
		return errNothingFound
	}
	return nil
}

// discoveryText is a report for a person.
func discoveryText(r *discover.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "What %s publishes\n", r.Unicode)
	for _, l := range r.Lookups {
		fmt.Fprintf(&b, "  %s\n      %s\n", l.Asked, l.Result.Text)
	}
	b.WriteString("\nWhat was tried\n")
	for _, a := range r.Attempts {
		mark := " "
		if r.Found != nil && a.Number == r.Found.Attempt {
			mark = "*"
		}
		fmt.Fprintf(&b, "%s %-44s %s\n", mark, a.URL, cmp.Or(a.Outcome.Text, "-"))
	}
	b.WriteString("\n")
	if r.Found == nil {
		writeSentences(&b, r.Why, r.Notes, []discover.Message{r.MX.Message})
		return b.String()
	}
	fmt.Fprintf(&b, "Found: %s\n", r.Found.URL)
	writeSentences(&b, r.Why, r.Notes, []discover.Message{r.MX.Message})
	fmt.Fprintf(&b, "\nFor the configuration:\n\n[[domain]]\nname = %q\nold = %q\n", r.Domain, r.Found.URL)
	if r.Found.Fingerprint != "" {
		fmt.Fprintf(&b, "old_fingerprint = %q\n", r.Found.Fingerprint)
	}
	return b.String()
}

func writeSentences(b *strings.Builder, groups ...[]discover.Message) {
	for _, m := range slices.Concat(groups...) {
		if m.Text != "" {
			fmt.Fprintf(b, "- %s\n", m.Text)
		}
	}
}
