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
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/store"
)

// importCommand is what import calls itself in the state's lock.
const importCommand = "import"

const importHelp = `Import takes over a list of accounts, in the form that hosting providers use:
one account a line, its values separated by spaces or tabs,

  login password
  login password new_login new_password

With two values, the login and the password are the same on both servers.
A value with spaces stands in double quotes; "" inside quotes is a quote.
Lines that begin with # are comments. The list is UTF-8 text, with up to
100,000 accounts; --encoding takes others. "-" reads it from standard input.

  # login             password            new login            new password
  anna@example.com    "two words"
  bert                s3cret              bert@example.com     "say ""ah"""

A CSV file is taken as well, if its first line names the columns: login;password
or login,password,new login,new password, separated by commas, semicolons or
tabs; their names are known in English, German and Russian. Lists made for moving to
Exchange (EmailAddress,UserName,Password) or for imapsync (host1;user1;password1;
host2;user2;password2) are read as they are: the hosts in them don't count.

Every login, or else the new one, must belong to a domain of the configuration or of the import
page: with that one clients log in. All mistakes are
reported with their line in one go, and nothing is taken over unless all of it
is right. Importing an account again updates its logins and passwords, and a
password that a server had refused is tried again; what was copied stays copied.
Passwords are never printed, and are sealed in the state.

` + exitHelp

func newImport() *cobra.Command {
	var path, encoding string
	cmd := &cobra.Command{
		Use:   "import -c FILE [--encoding NAME] ACCOUNTS",
		Short: "Take over a list of accounts",
		Long:  importHelp,
		Example: `  postferry import -c /etc/postferry/config.toml accounts.txt
  pass show mail/accounts | postferry import -c /etc/postferry/config.toml -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return importList(cmd.Context(), cmd, path, encoding, args[0])
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&encoding, "encoding", "utf-8", `the list's characters: utf-8, windows-1252, windows-1251, or "bytes" for passwords that are to stay octet for octet`)
	return cmd
}

func importList(ctx context.Context, cmd *cobra.Command, path, encoding, list string) error {
	characters, err := config.ParseListEncoding(encoding)
	if err != nil {
		return control.UsageError(fmt.Errorf("--encoding: %w", err))
	}
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	if err := learnAllDomains(ctx, cfg); err != nil {
		return err
	}
	accounts, ignored, err := readAccounts(cfg, list, characters, cmd.InOrStdin())
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, importCommand, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	added, updated, err := b.Import(ctx, accounts)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s added, %d updated\n", humanize.Count(added, "account"), updated)
	if len(ignored) > 0 {
		cmd.PrintErrf("columns that mean nothing here and were not read: %q\n", ignored)
	}
	return err
}

// readAccounts reads a list ("-": stdin), and says which of its columns mean nothing. Its mistakes come all in one
// error, each with the file and the line.
func readAccounts(cfg *config.Config, list string, encoding config.ListEncoding, stdin io.Reader) (accounts []store.Account, ignored []string, err error) {
	name, r := "standard input", stdin
	if list != "-" {
		f, err := os.Open(list)
		if err != nil {
			return nil, nil, control.UsageError(fmt.Errorf("the account list: %w", err))
		}
		defer f.Close()
		name, r = list, f
	}
	read, err := config.ReadAccounts(r, config.ListOptions{Encoding: encoding,
		Check: lineCheck(cfg.Directory), Passwordless: passwordless(cfg.Directory)})
	if err == nil {
		err = read.Err()
	}
	if err != nil {
		return nil, nil, nameList(name, err)
	}
	accounts = make([]store.Account, len(read.Accounts))
	for i, l := range read.Accounts {
		accounts[i] = accountOf(cfg, l)
	}
	return accounts, read.Ignored, nil
}

// passwordless tells whether an account needs no password; nil if all of them do.
func passwordless(known *config.Directory) func(config.AccountLine) bool {
	if !slices.ContainsFunc(known.All(), func(d config.Domain) bool { return d.Passwordless() != nil }) {
		return nil
	}
	return func(l config.AccountLine) bool {
		_, d, ok := known.LoginOf(l)
		return ok && !d.NeedsPassword(l)
	}
}

// nameList makes a list's mistakes say which list it is.
func nameList(name string, err error) error {
	var mistakes *config.Error
	if !errors.As(err, &mistakes) {
		return err
	}
	for i := range mistakes.Mistakes {
		mistakes.Mistakes[i].File = name
	}
	return control.UsageError(fmt.Errorf("%w\nnothing was taken over", mistakes))
}

// lineCheck checks the lines of one list, as they come: a domain takes the account, and no
// earlier line has it.
func lineCheck(known *config.Directory) func(config.AccountLine) error {
	seen := map[string]int{}
	return func(l config.AccountLine) error {
		login, _, ok := known.LoginOf(l)
		if !ok {
			// The login is not repeated: if the columns were mixed up, it is a password.
			return errors.New("has a login of no domain that is known; expected " + expectedLogins(known))
		}
		if first, ok := seen[config.FoldLogin(login)]; ok {
			return fmt.Errorf("has the account of line %d again", first)
		}
		seen[config.FoldLogin(login)] = l.Line
		return nil
	}
}

// expectedLogins says which logins there can be, as far as that fits a line.
func expectedLogins(known *config.Directory) string {
	const most = 5
	var forms []string
	for _, d := range known.All() {
		forms = append(forms, "...@"+d.Name)
		if d.Default {
			forms[len(forms)-1] += " (or one without @)"
		}
	}
	if len(forms) > most {
		forms = append(forms[:most], "...")
	}
	if len(forms) == 0 {
		return "a [[domain]] in the configuration, or one set up on the import page, first"
	}
	return strings.Join(forms, ", ")
}

// accountOf is the account of a line that lineCheck has passed.
func accountOf(cfg *config.Config, l config.AccountLine) store.Account {
	newLogin, newPassword := l.New()
	login, domain, _ := cfg.Directory.LoginOf(l)
	return store.Account{
		Domain: domain.Name, Login: login,
		Old: store.Credentials{Login: l.Login, Password: store.Secret(l.Password)},
		New: store.Credentials{Login: newLogin, Password: store.Secret(newPassword)},
	}
}
