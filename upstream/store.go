package upstream

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

// FlagChange adds and removes flags of one message in the opened folder.
type FlagChange struct {
	UID         imap.UID
	Add, Remove []imap.Flag
}

// Changer opens folders to change the messages in them: flags, removal, order.
type Changer struct {
	conn    *conn
	opener  *Opener
	fetcher *Fetcher
}

// storeWindow is how many STORE commands are under way at most.
const storeWindow = 20

// storeCommand is one STORE: the same change for many messages.
type storeCommand struct {
	sign  string // "+" or "-"
	flags []imap.Flag
	set   imap.UIDSet
}

// StoreFlags applies changes (UID STORE ... FLAGS.SILENT), grouped and
// pipelined. A message that is gone is no error. Flags that can't be sent are
// left out. All changes are tried; the first refusal is returned.
func (c *Changer) StoreFlags(ctx context.Context, changes []FlagChange) error {
	stores := groupChanges(changes)
	send := func(i int) (*command, error) {
		st := stores[i]
		return c.conn.compose("UID STORE", func(e *wire.Encoder) {
			e.UIDs(st.set).SP().Raw(st.sign + "FLAGS.SILENT").SP().Flags(st.flags)
		})
	}
	var refused error
	err := c.conn.do(ctx, "UID STORE", func() error {
		return c.conn.pipeline(len(stores), storeWindow, send, nil, func(_ int, cmd *command) {
			if gone(&cmd.res) {
				return
			}
			if err := c.conn.refusal(cmd); err != nil && refused == nil {
				refused = err
			}
		})
	})
	if err != nil {
		return err
	}
	return refused
}

// gone reports that a refusal is about messages that have been expunged.
func gone(st *link.Response) bool {
	return st.Kind == "NO" && (st.Code == "EXPUNGEISSUED" || st.Code == string(imap.ResponseCodeNonExistent))
}

// groupChanges puts messages with the same change into one command. Removals
// come first, so that a flag in both is added.
func groupChanges(changes []FlagChange) []storeCommand {
	var out []storeCommand
	for _, sign := range []string{"-", "+"} {
		sets := map[string]int{}
		start := len(out)
		for _, c := range changes {
			flags := sendable(c.Add)
			if sign == "-" {
				flags = sendable(c.Remove)
			}
			if len(flags) == 0 || c.UID == 0 {
				continue
			}
			key := joinFlags(flags)
			i, known := sets[key]
			if !known {
				i = len(out)
				sets[key] = i
				out = append(out, storeCommand{sign: sign, flags: flags})
			}
			out[i].set.AddNum(c.UID)
		}
		out = append(out[:start], splitStores(out[start:])...)
	}
	return out
}

// splitStores keeps the lines short.
func splitStores(stores []storeCommand) []storeCommand {
	var out []storeCommand
	for _, st := range stores {
		for _, set := range splitSet(st.set) {
			out = append(out, storeCommand{sign: st.sign, flags: st.flags, set: set})
		}
	}
	return out
}

// sendable returns the flags that can be sent, sorted.
func sendable(flags []imap.Flag) []imap.Flag {
	out := make([]imap.Flag, 0, len(flags))
	for _, f := range flags {
		if wire.ValidFlag(f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func joinFlags(flags []imap.Flag) string {
	var b strings.Builder
	for _, f := range flags {
		b.WriteString(string(f))
		b.WriteByte(' ')
	}
	return b.String()
}
