package upstream

import (
	"context"
	"slices"
	"strconv"

	"github.com/emersion/go-imap/v2"

	"postferry/wire"
)

// Status is what STATUS says. Absent items are zero.
type Status struct {
	Messages      uint32
	UIDNext       imap.UID
	UIDValidity   uint32
	HighestModSeq uint64
	Size          uint64 // STATUS=SIZE
	AppendLimit   int64  // octets of the largest message the folder takes (RFC 7889)
}

// So many STATUS commands are under way at most, so that neither side waits for the other to read: what they and
// their answers take fits into what lies between two servers.
const (
	statusWindow     = 50
	statusWindowMost = 200
	statusOctets     = 32 << 10
	statusAnswer     = 150 // octets of an answer beside the name
)

// windowFor is how many of the questions for folders with such names may be under way.
func windowFor(names []string) int {
	longest := 0
	for _, name := range names {
		longest = max(longest, len(name))
	}
	return min(max(statusOctets/(longest+statusAnswer), statusWindow), statusWindowMost)
}

// Status asks for many folders, pipelined. A folder the server refuses is
// missing from the result; so is one whose name can't be sent.
//
// A server that calls all of it BAD is asked again without what it announced
// and may not know.
func (t *Tree) Status(ctx context.Context, names []string) (map[string]Status, error) {
	for {
		asked := t.statusItems(true)
		result, bad, err := t.status(ctx, names, asked)
		if err != nil || bad == nil || len(result) > 0 {
			return result, err
		}
		// Another session may learn the same meanwhile, at any time.
		if asked == t.statusItems(true) {
			t.askLess(bad)
		}
		if asked == t.statusItems(true) {
			return result, nil
		}
	}
}

// StatusCall is a question for one folder's status on its way.
type StatusCall struct {
	group
	status Status
	told   bool
}

// SendStatus asks for one folder's status without waiting for the answer. Other
// commands may be sent meanwhile. An error means the connection is lost, unless it is of
// class Refused.
func (t *Tree) SendStatus(ctx context.Context, name string) (*StatusCall, error) {
	if err := t.conn.checkName("STATUS", name); err != nil {
		return nil, err
	}
	c := &StatusCall{}
	take := func(_ uint32, data string) bool {
		if data == "STATUS" {
			if _, st, ok := t.conn.parser.readStatus(); ok {
				c.status, c.told = st, true
			}
		}
		return data == "STATUS"
	}
	items := t.statusItems(true)
	var err error
	c.group, err = t.conn.sendTogether(ctx, take, nil, []request{{"STATUS", func(e *wire.Encoder) { e.Mailbox(name).SP().Raw(items) }}})
	return c, err
}

// Wait returns the status; told tells whether there is one. If not, or if it is
// refused, Status asks in other ways, too.
func (c *StatusCall) Wait(ctx context.Context) (st Status, told bool, err error) {
	err = c.wait(ctx)
	return c.status, c.told, err
}

// askLess distrusts one of the extensions that status items come from, if there is any.
func (t *Tree) askLess(bad error) {
	for _, caps := range [][]imap.Cap{{imap.CapStatusSize}, {capAppendLimit}, {imap.CapCondStore, imap.CapQResync}} {
		if slices.ContainsFunc(caps, t.conn.caps.Has) {
			t.conn.caps.distrust(bad, caps...)
			return
		}
	}
}

// status asks for items. It also returns the first command that was BAD, as an error.
func (t *Tree) status(ctx context.Context, names []string, items string) (_ map[string]Status, bad, err error) {
	result := make(map[string]Status, len(names))
	wanted := make(map[string]bool, len(names))
	var ask []string
	for _, name := range names {
		if t.conn.checkName("STATUS", name) == nil && !wanted[name] {
			wanted[name] = true
			ask = append(ask, name)
		}
	}
	var last *Status // told under a name that was not asked for
	data := func(_ uint32, name string) bool {
		if name != "STATUS" {
			return false
		}
		if mailbox, st, ok := t.conn.parser.readStatus(); ok && wanted[mailbox] {
			result[mailbox] = st
		} else if ok {
			last = &st
		}
		return true
	}
	send := func(i int) (*command, error) {
		return t.conn.compose("STATUS", func(e *wire.Encoder) { e.Mailbox(ask[i]).SP().Raw(items) })
	}
	err = t.conn.do(ctx, "STATUS", func() error {
		if err := t.conn.beginProof(); err != nil {
			return err
		}
		defer t.conn.judgeProof()
		return t.conn.pipeline(len(ask), windowFor(ask), send, data, func(i int, cmd *command) {
			if cmd.res.Kind == "BAD" && bad == nil {
				bad = t.conn.refusal(cmd)
			}
			if _, told := result[ask[i]]; !told && last != nil && cmd.res.Kind == "OK" {
				result[ask[i]] = *last // the server spells the name in another way
			}
			last = nil
		})
	})
	return t.asAsked(names, result), bad, err
}

// asAsked gives INBOX under the name that was asked for, too.
func (t *Tree) asAsked(names []string, result map[string]Status) map[string]Status {
	for _, name := range names {
		if st, ok := result["INBOX"]; ok && wire.IsInbox(name) {
			result[name] = st
		}
	}
	return result
}

// statusItems are the items to ask for.
func (t *Tree) statusItems(withSize bool) string {
	items := "(MESSAGES UIDNEXT UIDVALIDITY"
	if t.conn.caps.Has(imap.CapCondStore) || t.conn.caps.Has(imap.CapQResync) {
		items += " HIGHESTMODSEQ"
	}
	if withSize && t.conn.caps.Has(imap.CapStatusSize) {
		items += " SIZE"
	}
	if withSize && t.conn.caps.Has(capAppendLimit) {
		items += " APPENDLIMIT"
	}
	return items + ")"
}

// readStatus reads a STATUS response.
func (p *parser) readStatus() (mailbox string, st Status, ok bool) {
	d := p.dec
	mailbox = p.readMailbox()
	d.Space()
	d.List(func() {
		item := upper(d.Word())
		d.Space()
		switch item {
		case "MESSAGES":
			st.Messages = uint32(d.Number())
		case "UIDNEXT":
			st.UIDNext = imap.UID(d.Number())
		case "UIDVALIDITY":
			st.UIDValidity = uint32(d.Number())
		case "HIGHESTMODSEQ":
			st.HighestModSeq = d.Number()
		case "SIZE":
			st.Size = d.Number()
		case "APPENDLIMIT": // NIL for none (RFC 7889 section 4)
			if n, err := strconv.ParseInt(string(d.Word()), 10, 64); err == nil {
				st.AppendLimit = max(n, 0)
			}
		default:
			d.Skip()
		}
	})
	return mailbox, st, d.Err() == nil
}
