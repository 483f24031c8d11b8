package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"postferry/admin"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/store/bolt"
	"postferry/store/bolt/statedir"
)

// keyCommand is what key calls itself in the state's lock.
const keyCommand = "key"

func newKey() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Change the key that the passwords are encrypted with",
		Long: `Key looks after the key that the passwords in the state are encrypted with.

` + exitHelp,
		Example: `  postferry key rotate -c /etc/postferry/config.toml`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newKeyRotate())
	return cmd
}

const keyRotateHelp = `Rotate encrypts all passwords in the state with another key: do it when somebody
may have seen the one in use. With the old key nothing in the state can be read
afterwards; what was encrypted with it is overwritten. Copies of the state that were
made before need the old key, and should go if it was seen; so should the passwords
themselves if somebody may have both.

The daemon must not be running. Wherever this is interrupted, even by a power
cut, the state can be opened, and the next command goes on from there.

The key is in the file "key" in the state folder, and the new one takes its place.
If it comes from the environment variable POSTFERRY_KEY, or from a systemd
credential named postferry.key, Postferry can't put another there: make one, keep
it, give it in POSTFERRY_NEW_KEY, and put it in the place of the old one after
this has said that it is done. If it was interrupted, one of the two opens the state.

  new=$(openssl rand -base64 32)
  POSTFERRY_KEY=$old POSTFERRY_NEW_KEY=$new postferry key rotate -c FILE

`

func newKeyRotate() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:     "rotate -c FILE",
		Short:   "Encrypt all passwords with another key",
		Long:    keyRotateHelp + exitHelp,
		Example: `  postferry key rotate -c /etc/postferry/config.toml`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return rotateKey(cmd.Context(), path, cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &path)
	return cmd
}

func rotateKey(ctx context.Context, path string, out io.Writer) (err error) {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	st, err := openForKey(ctx, cfg.State)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	done, err := st.RotateKey(ctx)
	if errors.As(err, new(*bolt.KeyElsewhereError)) {
		return control.UsageError(err)
	}
	if err == nil {
		err = admin.NewOperator(st, zerolog.Nop()).RotatedKey(ctx, done.Accounts)
	}
	if err != nil {
		return err
	}
	where := "the new key, in " + done.Key
	if done.Key == "" {
		where = "the key in POSTFERRY_NEW_KEY: put it in the place of the old one now"
	}
	_, err = fmt.Fprintf(out, "the passwords of %s are encrypted with %s\n", humanize.Count(done.Accounts, "account"), where)
	return err
}

// openForKey opens a state that is there. A daemon could not go on with another key.
func openForKey(ctx context.Context, dir string) (st *bolt.Store, err error) {
	if statedir.Empty(dir) {
		return nil, fmt.Errorf("there is no state in %s, and so nothing that is encrypted", dir)
	}
	err = patiently(ctx, func() (err error) {
		st, err = bolt.Open(dir, bolt.Options{Command: keyCommand})
		return err
	}, takesLongOrServes)
	var inUse *statedir.InUseError
	if errors.As(err, &inUse) && inUse.Command == serveCommand {
		return nil, &control.ExitError{Code: exitInUse, Err: fmt.Errorf("%w; stop it first", err)}
	}
	return st, err
}
