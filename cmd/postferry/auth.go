package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/internal/table"
	"postferry/store"
	"postferry/tenant"
)

// authCommand is what auth calls itself in the state's lock.
const authCommand = "auth"

const authHelp = `Auth is about signing in at mail servers that want more than each account's own
password: a master login, an application of Microsoft 365, a service account of
Google, people's own consent, or a program that prints tokens
(docs/microsoft365.md, docs/google.md, and [domain.old_sign_in] in
config.example.toml).

  status   how Postferry signs in, for each domain and server
  test     try it: a token, the list of mailboxes, one mailbox; and what is missing,
           with the exact value to set
  login    have the owner of a mailbox agree, with a code or in a browser on this
           machine (method = "consent")
  forget   forget what the owner of a mailbox has agreed to, here and, where that is
           possible, at the provider

No token and no secret is ever printed. While "postferry serve" runs the daemon does
all of this.

` + exitHelp

func newAuth() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "auth",
		Short: "See and try how Postferry signs in at mail servers",
		Long:  authHelp,
		Example: `  postferry auth status -c /etc/postferry/config.toml
  postferry auth test -c /etc/postferry/config.toml contoso.com anna@contoso.com
  postferry auth login -c /etc/postferry/config.toml anna@contoso.com
  postferry auth forget -c /etc/postferry/config.toml anna@contoso.com`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newAuthStatus(), newAuthTest(), newAuthLogin(), newAuthForget())
	return cmd
}

// authFlags are those that most commands of auth have.
type authFlags struct {
	path  string
	isNew bool
	json  bool
}

func (f *authFlags) add(cmd *cobra.Command, withJSON bool) {
	configFlag(cmd, &f.path)
	cmd.Flags().BoolVar(&f.isNew, "new", false, "at the new server instead of the old one")
	if withJSON {
		cmd.Flags().BoolVar(&f.json, "json", false, "print JSON")
	}
}

func (f *authFlags) side() store.Side {
	if f.isNew {
		return store.NewSide
	}
	return store.OldSide
}

// backend reaches whoever holds the state.
func (f *authFlags) backend(ctx context.Context) (control.Backend, error) {
	cfg, _, err := loadConfig(f.path)
	if err != nil {
		return nil, err
	}
	return openBackend(ctx, cfg, authCommand, nil)
}

func newAuthStatus() *cobra.Command {
	var f authFlags
	var out output
	cmd := &cobra.Command{
		Use:   "status -c FILE [-o FORM]",
		Short: "Show how Postferry signs in",
		Long:  "Show how Postferry signs in.\n\n" + authHelp,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := f.backend(cmd.Context())
			if err != nil {
				return err
			}
			all, err := b.SignIns(cmd.Context())
			if err := errors.Join(err, b.Close()); err != nil {
				return err
			}
			slices.SortStableFunc(all, func(x, y control.SignInState) int {
				return cmp.Or(strings.Compare(x.Domain, y.Domain), -strings.Compare(string(x.Side), string(y.Side)))
			})
			return showSignIns(cmd.OutOrStdout(), all, &out)
		},
	}
	configFlag(cmd, &f.path)
	out.flags(cmd, true)
	return cmd
}

func showSignIns(w io.Writer, all []control.SignInState, out *output) error {
	if out.json {
		return writeIndented(w, map[string]any{"sign_ins": all})
	}
	t := table.New("DOMAIN", "SERVER", "HOST", "METHOD", "APPLICATION")
	for _, s := range all {
		method := s.Method
		if s.Consents > 0 {
			method += fmt.Sprintf(" (%d agreed)", s.Consents)
		}
		t.Add(console.Printable(s.Domain), string(s.Side), console.Printable(s.Host), method, console.Printable(cmp.Or(s.ClientID, "-")))
	}
	return t.Write(w, out.wide())
}

func writeIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func newAuthTest() *cobra.Command {
	var f authFlags
	cmd := &cobra.Command{
		Use:   "test -c FILE [--new] [--json] DOMAIN [MAILBOX]",
		Short: "Try how Postferry signs in, and say what is missing",
		Long: `Try how Postferry signs in at a server of a domain: whether a token is given out,
whether the list of mailboxes can be read, and whether a mailbox opens (it is only
looked at). Without MAILBOX it is one that the list has. What is missing is told
with the exact value to set.

` + authHelp,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := control.SignInQuery{Domain: args[0], Side: f.side()}
			if len(args) > 1 {
				q.Mailbox = args[1]
			}
			b, err := f.backend(cmd.Context())
			if err != nil {
				return err
			}
			steps, err := b.TestSignIn(cmd.Context(), q)
			if err := errors.Join(err, b.Close()); err != nil {
				return err
			}
			return showSteps(cmd.OutOrStdout(), steps, f.json)
		},
	}
	f.add(cmd, true)
	return cmd
}

// errNotConnected ends a test whose output has said what is missing.
var errNotConnected = &control.ExitError{Code: exitFailed, Err: errIncomplete}

func showSteps(w io.Writer, steps []tenant.Step, asJSON bool) error {
	good := true
	for _, s := range steps {
		good = good && s.OK
	}
	var err error
	if asJSON {
		err = writeIndented(w, map[string]any{"ok": good, "steps": steps})
	} else {
		for _, s := range steps {
			writeStep(w, s)
		}
	}
	if err == nil && !good {
		return errNotConnected
	}
	return err
}

// writeStep writes a step, with what to set below it.
func writeStep(w io.Writer, s tenant.Step) {
	mark := "ok  "
	if !s.OK {
		mark = "FAIL"
	}
	fmt.Fprintf(w, "%s  %-9s  %s\n", mark, s.Name, console.Printable(s.Text))
	if s.Where != "" {
		fmt.Fprintf(w, "                 where: %s\n", s.Where)
	}
	for line := range strings.Lines(s.Set) {
		fmt.Fprintf(w, "                 set:   %s\n", console.Printable(strings.TrimRight(line, "\n")))
	}
	if s.Cause != "" {
		fmt.Fprintf(w, "                 cause: %s\n", console.Printable(s.Cause))
	}
}

func newAuthLogin() *cobra.Command {
	var f authFlags
	cmd := &cobra.Command{
		Use:   "login -c FILE [--new] LOGIN",
		Short: "Have the owner of a mailbox agree that Postferry opens it",
		Long: `Have the owner of a mailbox agree that Postferry opens it. It prints an address, and
mostly a code that is entered there; the owner signs in and agrees. Where a provider
lets no device at mail by a code (Google), the address has to be opened in a browser
on this machine. What is kept is sealed, and opens this mailbox only.

` + authHelp,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := f.backend(cmd.Context())
			if err != nil {
				return err
			}
			at := args[0][strings.LastIndexByte(args[0], '@')+1:]
			q := control.SignInQuery{Domain: at, Side: f.side(), Mailbox: args[0]}
			err = b.Consent(cmd.Context(), q, func(p tenant.Prompt) error { return invite(cmd.OutOrStdout(), p) })
			if err := errors.Join(err, b.Close()); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s has agreed; Postferry opens the mailbox from now on\n", console.Printable(args[0]))
			return err
		},
	}
	f.add(cmd, false)
	return cmd
}

// invite says what the owner has to do.
func invite(w io.Writer, p tenant.Prompt) error {
	left := humanize.Duration(time.Until(p.Ends).Round(time.Minute))
	if p.Code == "" {
		_, err := fmt.Fprintf(w, "Open this address in a browser on this machine within %s, sign in, and agree:\n\n  %s\n\n", left, p.URL)
		return err
	}
	_, err := fmt.Fprintf(w, "Open this address within %s, enter the code, sign in, and agree:\n\n  %s\n  %s\n\n", left, p.URL, console.Printable(p.Code))
	return err
}

func newAuthForget() *cobra.Command {
	var f authFlags
	cmd := &cobra.Command{
		Use:   "forget -c FILE [--new] LOGIN",
		Short: "Forget what the owner of a mailbox has agreed to",
		Long:  "Forget what the owner of a mailbox has agreed to.\n\n" + authHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := f.backend(cmd.Context())
			if err != nil {
				return err
			}
			at := args[0][strings.LastIndexByte(args[0], '@')+1:]
			told, err := b.ForgetConsent(cmd.Context(), control.SignInQuery{Domain: at, Side: f.side(), Mailbox: args[0]})
			if err := errors.Join(err, b.Close()); err != nil {
				return err
			}
			said := "; the provider can't be told, so it stays in the list of the owner's applications there"
			if told {
				said = ", and the provider was told"
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "what %s had agreed to is forgotten%s\n", console.Printable(args[0]), said)
			return err
		},
	}
	f.add(cmd, false)
	return cmd
}
