package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"postferry/internal/humanize"
	"postferry/store"
)

// backupCommand is what backup calls itself in the state's lock.
const backupCommand = "backup"

const backupHelp = `Backup writes the state as it is at one moment to BACKUP, a tar archive with
state.db and the key that the passwords in it are encrypted with. The daemon may
run: it goes on working meanwhile. "-" writes to standard output.

Whoever has the archive with the key can read all passwords: keep it as you
would keep those, or use --without-key and keep a copy of the key elsewhere. A
key that comes from the environment or from a systemd credential is never in it.

To restore, stop the daemon, unpack the archive into the empty state folder
(tar -xf BACKUP -C STATE, as the user that Postferry runs as) and start it again.
What was copied after the backup was made is recognised on the new server and not
copied twice; docs/backup.md says what else to know.

`

func newBackup() *cobra.Command {
	var path string
	var withoutKey bool
	cmd := &cobra.Command{
		Use:   "backup -c FILE [--without-key] BACKUP",
		Short: "Write a backup of the state, also while the daemon runs",
		Long:  backupHelp + exitHelp,
		Example: `  postferry backup -c /etc/postferry/config.toml /backup/postferry.tar
  postferry backup -c /etc/postferry/config.toml --without-key - | ssh elsewhere 'cat > postferry.tar'`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return backUp(cmd.Context(), path, args[0], !withoutKey, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&withoutKey, "without-key", false, "leave the key out: the passwords can't be read without it")
	return cmd
}

func backUp(ctx context.Context, config, target string, withKey bool, stdout, stderr io.Writer) error {
	cfg, _, err := loadConfig(config)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, backupCommand, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	var done store.BackedUp
	write := func(w io.Writer) error {
		done, err = b.Backup(ctx, withKey, w)
		return err
	}
	if target == "-" {
		err = write(stdout)
	} else {
		err = replaceFile(target, write)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stderr, backedUp(done, withKey))
	return err
}

// backedUp says what is in a backup, and what has to be kept besides.
func backedUp(done store.BackedUp, withKey bool) string {
	text := fmt.Sprintf("state.db (%s)", humanize.Size(uint64(done.Octets)))
	switch {
	case done.Key:
		return text + " and the key written. Whoever has this can read all passwords."
	case done.KeyFrom != "" && withKey:
		return text + " written. The key is not in it, as it comes from " + done.KeyFrom + ": keep a copy of it."
	}
	return text + " written, without the key: keep a copy of it, without it the passwords can't be read."
}

// replaceFile writes a file that only its owner may read: the whole of it takes the place of
// what was there, or nothing does.
func replaceFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*") // mode 0600
	var failed *fs.PathError
	switch {
	case errors.As(err, &failed):
		return fmt.Errorf("%s can't be written: %w", path, failed.Err)
	case err != nil:
		return err
	}
	defer os.Remove(f.Name()) // fails if all went well
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
