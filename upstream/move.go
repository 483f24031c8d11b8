package upstream

import (
	"context"
	"strconv"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream/link"
	"postferry/wire"
)

const verbMove = "UID MOVE"

// copyUID says where messages are that were copied or moved (RFC 4315 section 3).
const copyUID = "COPYUID"

// Moved is where a server has put messages: From[i] is To[i] now.
type Moved struct {
	UIDValidity uint32
	From, To    []imap.UID
}

// CanMove tells whether messages can be moved so that it is known where they are afterwards
// (RFC 6851, RFC 4315).
func (c *Changer) CanMove() bool {
	return c.conn.caps.Has(imap.CapMove) && c.conn.caps.Has(imap.CapUIDPlus)
}

// MoveUIDs moves messages of the opened folder to the end of a folder, which may be the same
// one (RFC 6851). told is false if the server has not said where they are. A message that is
// gone is no error. A NO or BAD is an *Error, with which nothing was moved.
func (c *Changer) MoveUIDs(ctx context.Context, set imap.UIDSet, mailbox string) (moved Moved, told bool, err error) {
	return c.put(ctx, verbMove, set, mailbox)
}

// put is MoveUIDs or CopyUIDs.
func (c *Changer) put(ctx context.Context, verb string, set imap.UIDSet, mailbox string) (moved Moved, told bool, err error) {
	if err := c.conn.checkName(verb, mailbox); err != nil {
		return Moved{}, false, err
	}
	most := int(size(set))
	take := func(st *link.Response) {
		if st.Code == copyUID && !told {
			moved, told = parseCopyUID(st.Args, most)
		}
	}
	err = c.conn.do(ctx, verb, func() error {
		cmd, err := c.conn.compose(verb, func(e *wire.Encoder) { e.UIDs(set).SP().Mailbox(mailbox) })
		if err != nil {
			return err
		}
		if err := c.conn.flush(); err != nil {
			return err
		}
		c.conn.told = take // of a MOVE before the EXPUNGEs, as RFC 6851 section 4.3 wants it
		defer func() { c.conn.told = nil }()
		if err := c.conn.await(cmd, nil); err != nil {
			return err
		}
		take(&cmd.res)
		return c.conn.refusal(cmd)
	})
	return moved, told, err
}

// size is how many UIDs are in a set.
func size(set imap.UIDSet) (n uint64) {
	for _, r := range set {
		n += uint64(r.Stop) - uint64(r.Start) + 1
	}
	return n
}

// parseCopyUID reads what follows COPYUID: UIDVALIDITY and two sets of the same number of
// UIDs, at most so many.
func parseCopyUID(args string, most int) (m Moved, ok bool) {
	words := strings.Fields(args)
	if len(words) != 3 {
		return Moved{}, false
	}
	v, err := strconv.ParseUint(words[0], 10, 32)
	n := countUIDs(words[1])
	if err != nil || v == 0 || n == 0 || n > most {
		return Moved{}, false
	}
	m = Moved{uint32(v), parseUIDs(words[1], n), parseUIDs(words[2], n)}
	return m, m.From != nil && m.To != nil
}

// countUIDs is how many UIDs a set in an answer has; 0 if it is none.
func countUIDs(text string) int {
	n := uint64(0)
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, ":")
		from, err := strconv.ParseUint(first, 10, 32)
		if err != nil {
			return 0
		}
		to := from
		if isRange {
			if to, err = strconv.ParseUint(last, 10, 32); err != nil {
				return 0
			}
		}
		n += max(from, to) - min(from, to) + 1
	}
	return int(min(n, 1<<31-1))
}
