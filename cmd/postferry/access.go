package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/table"
	"postferry/store"
)

// adminCommand is what admin calls itself in the state's lock.
const adminCommand = "admin"

const adminHelp = `Admin says who may use the import page and its API: administrators with a
password, and programs with a token. Both look after everything, or after one
domain only (--domain).

While "postferry serve" runs the daemon does the work, and what is changed
counts at once.

` + exitHelp

func newAdmin() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "admin",
		Short: "Say who may use the import page and its API",
		Long:  adminHelp,
		Example: `  postferry admin link -c /etc/postferry/config.toml
  postferry admin passwd -c /etc/postferry/config.toml anna
  postferry admin passwd -c /etc/postferry/config.toml bert --domain example.com
  postferry admin token create -c /etc/postferry/config.toml "hosting panel"`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAdminLink(), newAdminPasswd(), newAdminToken())
	return cmd
}

func newAdminLink() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "link -c FILE",
		Short: "Print a link with which somebody becomes an administrator, once",
		Long: `Link prints the address of a page on which somebody chooses a name and a
password and becomes an administrator of everything. It is good once, for 24
hours, as long as the daemon runs; a new link makes the one before void. Give it
to nobody else: who opens it first is the administrator.

The daemon must be running. Without it, "postferry admin passwd" does the same.

` + exitHelp,
		Example: `  postferry admin link -c /etc/postferry/config.toml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reply, err := askAccess(cmd, path, control.AccessRequest{Op: control.AccessLink})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), reply.Link)
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func newAdminPasswd() *cobra.Command {
	var path, domain string
	cmd := &cobra.Command{
		Use:   "passwd -c FILE NAME [--domain DOMAIN]",
		Short: "Add an administrator, or set the password of one",
		Long: `Passwd adds an administrator of the import page, or gives the one of that name
another password, which ends all sessions of that one. The password is asked for
on a terminal; otherwise it is the first line of standard input.

With --domain the administrator sees and does nothing but this domain. Without
it, a new administrator looks after everything, and one who is there keeps what
was. --domain "" gives everything to one who had a domain only.

` + exitHelp,
		Example: `  postferry admin passwd -c /etc/postferry/config.toml anna
  postferry admin passwd -c /etc/postferry/config.toml bert --domain example.com
  pass show postferry/anna | postferry admin passwd -c /etc/postferry/config.toml anna`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			password, err := readPassword(cmd.InOrStdin(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			req := control.AccessRequest{Op: control.AccessPassword, Name: args[0], Password: password.Reveal()}
			if cmd.Flags().Changed("domain") {
				req.Domain = &domain
			}
			reply, err := askAccess(cmd, path, req)
			if err != nil {
				return err
			}
			done := "changed, and all sessions ended"
			if reply.Added {
				done = "added"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "administrator %q: %s\n", args[0], done)
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&domain, "domain", "", "the one `DOMAIN` to look after")
	return cmd
}

func newAdminToken() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens with which programs use the API",
		Long: `Token manages the tokens with which programs use the API: a hosting panel, a
script, Prometheus. A program sends one as "Authorization: Bearer TOKEN". What a
token makes goes with it: when it is revoked, so are the tokens it has made.

` + exitHelp,
		Example: `  postferry admin token create -c /etc/postferry/config.toml "hosting panel"
  postferry admin token create -c /etc/postferry/config.toml script --domain example.com
  postferry admin token list -c /etc/postferry/config.toml
  postferry admin token revoke -c /etc/postferry/config.toml 3`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenCreate(), newTokenList(), newTokenRevoke())
	return cmd
}

func newTokenCreate() *cobra.Command {
	var path, domain string
	cmd := &cobra.Command{
		Use:   "create -c FILE NAME [--domain DOMAIN]",
		Short: "Make a token and print it, this once",
		Long: `Create makes a token and prints it. It is not kept anywhere and can't be shown
again. NAME says what it is for. With --domain it is good for this domain only.

` + exitHelp,
		Example: `  postferry admin token create -c /etc/postferry/config.toml "hosting panel"
  postferry admin token create -c /etc/postferry/config.toml script --domain example.com`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			reply, err := askAccess(cmd, path, control.AccessRequest{Op: control.AccessTokenCreate, Name: args[0], Domain: &domain})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), reply.Token)
			return err
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&domain, "domain", "", "the one `DOMAIN` it is good for")
	return cmd
}

func newTokenList() *cobra.Command {
	var path string
	var out output
	cmd := &cobra.Command{
		Use:     "list -c FILE [-o FORM]",
		Short:   "List the tokens, without their secrets",
		Long:    "List shows which tokens there are, what for, and when each was last used.\n\n" + exitHelp,
		Example: `  postferry admin token list -c /etc/postferry/config.toml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			reply, err := askAccess(cmd, path, control.AccessRequest{Op: control.AccessTokenList})
			if err != nil {
				return err
			}
			return printTokens(cmd.OutOrStdout(), reply.Tokens, out.wide())
		},
	}
	configFlag(cmd, &path)
	out.flags(cmd, false)
	return cmd
}

func printTokens(w io.Writer, tokens []control.AccessToken, wide bool) error {
	if len(tokens) == 0 {
		_, err := fmt.Fprintln(w, "there are no tokens")
		return err
	}
	t := table.New("ID", "NAME", "DOMAIN", "MADE", "BY", "LAST USED")
	for _, x := range tokens {
		domain, used := "all", "never"
		if x.Domain != "" {
			domain = x.Domain
		}
		if x.Used != nil {
			used = x.Used.Local().Format(time.DateTime)
		}
		t.Add(fmt.Sprint(x.ID), console.Printable(x.Name), domain, x.Created.Local().Format(time.DateTime), console.Printable(x.By), used)
	}
	return t.Write(w, wide)
}

func newTokenRevoke() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "revoke -c FILE ID",
		Short:   "Make a token void",
		Long:    "Revoke makes a token void at once, and those that were made with it. \"postferry admin token list\" shows the IDs.\n\n" + exitHelp,
		Example: `  postferry admin token revoke -c /etc/postferry/config.toml 3`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseUint(args[0], 10, 64)
			if err != nil {
				return control.UsageError(fmt.Errorf("%q is no ID of a token (postferry admin token list shows them)", args[0]))
			}
			if _, err := askAccess(cmd, path, control.AccessRequest{Op: control.AccessTokenRevoke, ID: id}); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "revoked")
			return err
		},
	}
	configFlag(cmd, &path)
	return cmd
}

// askAccess has the daemon, or this process, do something.
func askAccess(cmd *cobra.Command, path string, req control.AccessRequest) (control.AccessReply, error) {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return control.AccessReply{}, err
	}
	b, err := openBackend(cmd.Context(), cfg, adminCommand, nil)
	if err != nil {
		return control.AccessReply{}, err
	}
	reply, err := b.Access(cmd.Context(), req)
	return reply, errors.Join(err, b.Close())
}

// readPassword asks for a password twice on a terminal, or reads the first
// line of what is not one.
func readPassword(stdin io.Reader, stderr io.Writer) (store.Secret, error) {
	if f, ok := stdin.(*os.File); ok && console.IsTerminal(f) {
		return askPassword(int(f.Fd()), stderr)
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", control.UsageError(errors.New("no password on standard input; expected it as the first line"))
	}
	return store.Secret(line), nil
}

func askPassword(fd int, stderr io.Writer) (store.Secret, error) {
	var given [2]store.Secret
	for i, prompt := range []string{"New password: ", "The same again: "} {
		fmt.Fprint(stderr, prompt)
		text, err := term.ReadPassword(fd)
		fmt.Fprintln(stderr)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		given[i] = store.Secret(text)
	}
	if given[0] != given[1] {
		return "", errors.New("these were two different passwords; nothing was changed")
	}
	return given[0], nil
}
