package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"postferry/config"
	"postferry/directory"
	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/internal/table"
	"postferry/store"
	"postferry/tenant"
)

// tenantCommand is what tenant calls itself in the state's lock.
const tenantCommand = "tenant"

const tenantHelp = `Tenant fetches the list of a tenant's mailboxes from Microsoft 365 or Google
Workspace, where Postferry signs in as an application or a service account
("postferry auth test" tries that). It shows of each what it is for, whether
somebody pays for it, and its other addresses, and which login it gets at the new
server. With --import they become accounts, as those of a list do; nothing is copied
before that is begun.

Shown are people's and shared mailboxes of the domain; --kind takes others (user,
shared, room, equipment, other, all), --search those in whose address or name
something occurs, --suspended also those to which nobody can sign in.

The login at the new server is the address, with another domain (--to), or what is
before the @ (--local-part). --exceptions names a CSV file with other logins:

  login;new login;new password
  anna@contoso.com;a.meier@example.com;
  test@contoso.com;-;

"-" leaves a mailbox out. A new password is needed where Postferry signs in at the
new server with the accounts' own passwords. Two mailboxes that would get one login
are told, and nothing is imported.

` + exitHelp

// tenantOptions are what is asked for.
type tenantOptions struct {
	authFlags
	out        output
	filter     directory.Filter
	kinds      []string
	everywhere bool
	rule       directory.Rule
	exceptions string
	take       bool
}

func newTenant() *cobra.Command {
	var o tenantOptions
	cmd := &cobra.Command{
		Use:   "tenant -c FILE [--import] [OPTION]... DOMAIN",
		Short: "List the mailboxes of Microsoft 365 or Google Workspace, and import them",
		Long:  tenantHelp,
		Example: `  postferry tenant -c /etc/postferry/config.toml contoso.com
  postferry tenant -c /etc/postferry/config.toml --to example.com --import contoso.com`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), cmd.OutOrStdout(), args[0])
		},
	}
	configFlag(cmd, &o.path)
	flags := cmd.Flags()
	o.out.flags(cmd, true)
	flags.BoolVar(&o.take, "import", false, "make accounts of them")
	flags.StringVar(&o.filter.Search, "search", "", "only those with `TEXT` in an address or the name")
	flags.StringSliceVar(&o.kinds, "kind", []string{"user", "shared"}, "what they are for: user, shared, room, equipment, other, all")
	flags.BoolVar(&o.filter.Suspended, "suspended", false, "also those to which nobody can sign in")
	flags.BoolVar(&o.everywhere, "all-domains", false, "also those of the tenant's other domains")
	flags.StringVar(&o.rule.Domain, "to", "", "the `DOMAIN` that the new logins have; that of the addresses without it")
	flags.BoolVar(&o.rule.LocalPart, "local-part", false, "the new login is what is before the @")
	flags.StringVar(&o.exceptions, "exceptions", "", "a CSV `FILE` with other new logins")
	cmd.MarkFlagsMutuallyExclusive("to", "local-part")
	return cmd
}

// read checks what was asked for.
func (o *tenantOptions) read(domain string) (tenant.Exceptions, error) {
	known := []string{string(directory.User), string(directory.Shared), string(directory.Room), string(directory.Equipment), string(directory.Other)}
	for _, k := range o.kinds {
		switch {
		case k == "all":
			for _, k := range known {
				o.filter.Kinds = append(o.filter.Kinds, directory.Kind(k))
			}
		case slices.Contains(known, k):
			o.filter.Kinds = append(o.filter.Kinds, directory.Kind(k))
		default:
			return tenant.Exceptions{}, control.UsageError(fmt.Errorf("--kind: expected one of %s or all", strings.Join(known, ", ")))
		}
	}
	if !o.everywhere {
		o.filter.Domain = domain
	}
	if o.exceptions == "" {
		return tenant.Exceptions{}, nil
	}
	f, err := os.Open(o.exceptions)
	if err != nil {
		return tenant.Exceptions{}, control.UsageError(fmt.Errorf("--exceptions: %w", err))
	}
	defer f.Close()
	e, err := tenant.ReadExceptions(f, config.ListUTF8)
	if err != nil {
		return e, nameList(o.exceptions, err)
	}
	o.rule.Exceptions = e.Logins
	return e, nil
}

func (o *tenantOptions) run(ctx context.Context, w io.Writer, domain string) (err error) {
	exceptions, err := o.read(domain)
	if err != nil {
		return err
	}
	cfg, _, err := loadConfig(o.path)
	if err != nil {
		return err
	}
	if err := learnAllDomains(ctx, cfg); err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, tenantCommand, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	all, err := b.Mailboxes(ctx, control.SignInQuery{Domain: domain, Side: store.OldSide})
	if err != nil {
		return err
	}
	moves, clashes := o.rule.Map(o.filter.Choose(all))
	if !o.take {
		return showMailboxes(w, len(all), moves, clashes, &o.out)
	}
	if len(clashes) > 0 {
		return control.UsageError(&tenant.ClashError{Clashes: clashes})
	}
	accounts, err := accountsOfLines(cfg, exceptions.Lines(moves))
	if err != nil {
		return err
	}
	added, updated, err := b.Import(ctx, accounts)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s added, %d updated\n", humanize.Count(added, "account"), updated)
	return err
}

// accountsOfLines makes accounts of lines that come from no list.
func accountsOfLines(cfg *config.Config, lines []config.AccountLine) ([]store.Account, error) {
	check, accounts := lineCheck(cfg.Directory), make([]store.Account, len(lines))
	for i, l := range lines {
		if err := check(l); err != nil {
			return nil, control.UsageError(fmt.Errorf("the mailbox %q %w", l.Login, err))
		}
		_, d, _ := cfg.Directory.LoginOf(l)
		if d.NeedsPassword(l) {
			return nil, control.UsageError(fmt.Errorf("the mailbox %q has no password at the new server; expected one in --exceptions, or another way to sign in there ([domain.new_sign_in])", l.Login))
		}
		accounts[i] = accountOf(cfg, l)
	}
	return accounts, nil
}

func showMailboxes(w io.Writer, all int, moves []directory.Move, clashes []directory.Clash, out *output) error {
	if out.json {
		return writeIndented(w, map[string]any{"listed": all, "mailboxes": append([]directory.Move{}, moves...), "clashes": append([]directory.Clash{}, clashes...)})
	}
	t := table.New("MAILBOX", "KIND", "NEW LOGIN", "NAME", "OTHER ADDRESSES")
	for _, m := range moves {
		t.Add(console.Printable(m.Address), kindText(m.Mailbox), console.Printable(m.New), console.Printable(m.Name), console.Printable(someOf(m.Aliases)))
	}
	if err := t.Write(w, out.wide()); err != nil {
		return err
	}
	for _, c := range clashes {
		fmt.Fprintf(w, "%s and %s would both be %s at the new server\n", console.Printable(c.First), console.Printable(c.Other), console.Printable(c.New))
	}
	_, err := fmt.Fprintf(w, "%d of %d mailboxes\n", len(moves), all)
	return err
}

// kindText is what a mailbox is for, with what is odd about it.
func kindText(m directory.Mailbox) string {
	text := string(m.Kind)
	if m.Guessed {
		text += "?"
	}
	if m.Kind == directory.User && !m.Licensed {
		text += ", no licence"
	}
	if m.Kind == directory.User && m.Suspended {
		text += ", suspended"
	}
	return text
}

// someOf shows the first of a row.
func someOf(all []string) string {
	const most = 3
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:most], ", "), len(all)-most)
}
