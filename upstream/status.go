package upstream

import (
	"context"

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
}

// statusWindow is how many STATUS commands are under way at most, so that
// neither side waits for the other to read.
const statusWindow = 50

// Status asks for many folders, pipelined. A folder the server refuses is
// missing from the result; so is one whose name can't be sent.
func (s *Session) Status(ctx context.Context, names []string) (map[string]Status, error) {
	result := make(map[string]Status, len(names))
	wanted := make(map[string]bool, len(names))
	var ask []string
	for _, name := range names {
		if s.checkName("STATUS", name) == nil && !wanted[name] {
			wanted[name] = true
			ask = append(ask, name)
		}
	}
	var last *Status // told under a name that was not asked for
	data := func(_ uint32, name string) bool {
		if name != "STATUS" {
			return false
		}
		if mailbox, st, ok := s.readStatus(); ok && wanted[mailbox] {
			result[mailbox] = st
		} else if ok {
			last = &st
		}
		return true
	}
	items := s.statusItems(true)
	send := func(i int) (*command, error) {
		return s.compose("STATUS", func(e *wire.Encoder) { e.Mailbox(ask[i]).SP().Raw(items) })
	}
	err := s.do(ctx, "STATUS", func() error {
		return s.pipeline(len(ask), statusWindow, send, data, func(i int, cmd *command) {
			if _, told := result[ask[i]]; !told && last != nil && cmd.res.kind == "OK" {
				result[ask[i]] = *last // the server spells the name in another way
			}
			last = nil
		})
	})
	return s.asAsked(names, result), err
}

// asAsked gives INBOX under the name that was asked for, too.
func (s *Session) asAsked(names []string, result map[string]Status) map[string]Status {
	for _, name := range names {
		if st, ok := result["INBOX"]; ok && wire.IsInbox(name) {
			result[name] = st
		}
	}
	return result
}

// statusItems are the items to ask for.
func (s *Session) statusItems(withSize bool) string {
	items := "(MESSAGES UIDNEXT UIDVALIDITY"
	if s.Has(imap.CapCondStore) || s.Has(imap.CapQResync) {
		items += " HIGHESTMODSEQ"
	}
	if withSize && s.Has(imap.CapStatusSize) {
		items += " SIZE"
	}
	return items + ")"
}

// readStatus reads a STATUS response.
func (s *Session) readStatus() (mailbox string, st Status, ok bool) {
	d := s.dec
	mailbox = s.readMailbox()
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
		default:
			d.Skip()
		}
	})
	return mailbox, st, d.Err() == nil
}
