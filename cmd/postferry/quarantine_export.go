package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"postferry/internal/backend"
	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/report"
)

func newQuarantineExport() *cobra.Command {
	var path, dir string
	cmd := &cobra.Command{
		Use:   "export -c FILE -o DIR [LOGIN|ID...]",
		Short: "Write messages in quarantine to files",
		Long: `Export fetches messages in quarantine from the old server and writes each to a
file of its own in DIR, octet for octet. The folder is made if need be; only you
can read the files. They are named by login, folder and ID; a file that is there
from an earlier export is replaced. Nothing changes on either server.

` + exitHelp,
		Example: `  postferry quarantine export -c /etc/postferry/config.toml -o refused
  postferry quarantine export -c /etc/postferry/config.toml -o refused anna@example.com`,
		RunE: func(cmd *cobra.Command, names []string) error {
			if dir == "" {
				return control.UsageError(errors.New(`no folder to write to given; expected e.g. "-o refused"`))
			}
			return withQuarantine(cmd, path, func(ctx context.Context, b control.Backend) error {
				return exportQuarantined(ctx, cmd.OutOrStdout(), b, control.QuarantineQuery{Names: names}, dir)
			})
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVarP(&dir, "output", "o", "", "the `DIR` to write to (required)")
	return cmd
}

func exportQuarantined(ctx context.Context, w io.Writer, b control.Backend, q control.QuarantineQuery, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	written, missing := 0, 0
	err := b.QuarantinedMail(ctx, q, func(rec report.QuarantineRecord, body io.Reader, why string) error {
		if body != nil {
			readErr, err := writeMail(filepath.Join(dir, exportName(rec)), body)
			if err != nil {
				return err
			}
			if readErr == nil {
				written++
				return nil
			}
			why = backend.ForPerson(readErr)
		}
		missing++
		fmt.Fprintf(w, "%s  %s  %s: not exported: %s\n", rec.ID, console.Printable(rec.Login), console.Printable(rec.Folder), console.Printable(why))
		return nil
	})
	if err != nil {
		return err
	}
	if written+missing == 0 {
		fmt.Fprintln(w, noneQuarantined)
		return nil
	}
	fmt.Fprintf(w, "%s exported to %s", humanize.Count(written, "message"), dir)
	if missing > 0 {
		fmt.Fprintf(w, ", %d not\n", missing)
		return errIncomplete
	}
	fmt.Fprintln(w)
	return nil
}

// exportName is a file name that is safe anywhere. The ID makes it one of a kind.
func exportName(rec report.QuarantineRecord) string {
	return safeName(rec.Login) + "_" + safeName(rec.Folder) + "_" + rec.ID + ".eml"
}

// safeName keeps ASCII letters, digits and little else, and not too many of them.
func safeName(s string) string {
	const most = 60
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune("@.-+", r):
			return r
		}
		return '-'
	}, s)
	return strings.TrimLeft(name[:min(len(name), most)], ".-")
}

// writeMail writes a message to a file that is there whole or not at all.
// readErr is why the message could not be read.
func writeMail(path string, body io.Reader) (readErr, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".part-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name()) // fails if all went well
	in := &noted{r: body}
	out := bufio.NewWriter(f)
	_, err = io.Copy(out, in)
	if in.err != nil {
		return in.err, f.Close()
	}
	if err = errors.Join(err, out.Flush(), f.Close()); err != nil {
		return nil, err
	}
	return nil, os.Rename(f.Name(), path)
}

// noted remembers the error of a reader.
type noted struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (n *noted) Read(p []byte) (int, error) {
	c, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return c, err
}
