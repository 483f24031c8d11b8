package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/spf13/cobra"

	"postferry/internal/console"
	"postferry/internal/control"
	"postferry/internal/humanize"
	"postferry/report"
)

const quarantineListHelp = `List shows the messages that one of the servers refuses: where they are, why, in
the server's words, since when, and how often they were tried (2: as they are
and repaired). With --repaired it shows the messages instead that the new server
took in a repaired form only.

With --json it prints one JSON object for programs:

  messages          a list, one object each:
    id, login, folder, key (how the old server numbers it), reason, cause (the
    server's words), attempts, since, last (when it was last tried), repair
    (with --repaired: what was done)

Times are RFC 3339. Fields may join; those above keep their names and meaning.

` + exitHelp

func newQuarantineList() *cobra.Command {
	var path string
	var asJSON bool
	var q control.QuarantineQuery
	cmd := &cobra.Command{
		Use:   "list -c FILE [--json] [--repaired] [LOGIN|ID...]",
		Short: "List the messages that a server refuses",
		Long:  quarantineListHelp,
		Example: `  postferry quarantine list -c /etc/postferry/config.toml
  postferry quarantine list -c /etc/postferry/config.toml --repaired anna@example.com
  postferry quarantine list -c /etc/postferry/config.toml --json | jq -r '.messages[].id'`,
		RunE: func(cmd *cobra.Command, names []string) error {
			q.Names = names
			return listQuarantined(cmd.Context(), cmd.OutOrStdout(), path, q, asJSON)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	cmd.Flags().BoolVar(&q.Repaired, "repaired", false, "the messages that were repaired")
	return cmd
}

func listQuarantined(ctx context.Context, stdout io.Writer, path string, q control.QuarantineQuery, asJSON bool) (err error) {
	cfg, _, err := loadConfig(path)
	if err != nil {
		return err
	}
	b, err := openBackend(ctx, cfg, quarantineCommand, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	w := bufio.NewWriter(stdout)
	list := quarantineText(w, q)
	if asJSON {
		list = quarantineJSON(w)
	}
	if err := b.Quarantine(ctx, q, list.add); err != nil {
		return err
	}
	return errors.Join(list.end(), w.Flush())
}

// quarantineList prints records as they come.
type quarantineList struct {
	add func(report.QuarantineRecord) error
	end func() error
}

func quarantineText(w io.Writer, q control.QuarantineQuery) quarantineList {
	n := 0
	return quarantineList{
		add: func(rec report.QuarantineRecord) error {
			if n++; n > 1 {
				fmt.Fprintln(w)
			}
			printQuarantined(w, rec)
			return nil
		},
		end: func() error {
			state := "in quarantine"
			none := noneQuarantined
			if q.Repaired {
				state, none = "repaired", "no message was repaired"
			}
			if n == 0 {
				_, err := fmt.Fprintln(w, none)
				return err
			}
			_, err := fmt.Fprintf(w, "\n%s %s\n", humanize.Count(n, "message"), state)
			return err
		},
	}
}

// printQuarantined prints one message for people.
func printQuarantined(w io.Writer, rec report.QuarantineRecord) {
	fmt.Fprintf(w, "%s  %s  %s  (%s)\n", rec.ID, console.Printable(rec.Login), console.Printable(rec.Folder), console.Printable(rec.Key))
	if rec.Repair != "" {
		fmt.Fprintf(w, "    repaired %s: %s\n", console.Clock(&rec.Since), console.Printable(rec.Repair.String()))
		return
	}
	fmt.Fprintf(w, "    since %s, tried %s\n", console.Clock(&rec.Since), humanize.Count(uint64(rec.Attempts), "time"))
	fmt.Fprintf(w, "    %s\n", console.Printable(rec.Reason.String()))
	fmt.Fprintf(w, "    %s\n", console.Printable(rec.Cause))
}

func quarantineJSON(w io.Writer) quarantineList {
	before := "{\"messages\":[\n"
	return quarantineList{
		add: func(rec report.QuarantineRecord) error {
			var data bytes.Buffer
			enc := json.NewEncoder(&data)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(rec); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s%s", before, bytes.TrimSuffix(data.Bytes(), []byte("\n")))
			before = ",\n"
			return err
		},
		end: func() error {
			if before != ",\n" {
				_, err := fmt.Fprintln(w, `{"messages":[]}`)
				return err
			}
			_, err := fmt.Fprintln(w, "]}")
			return err
		},
	}
}

// lines are those of a header, without their ends.
func lines(b []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range bytes.Lines(b) {
			if !yield(string(bytes.TrimRight(line, "\r\n"))) {
				return
			}
		}
	}
}
