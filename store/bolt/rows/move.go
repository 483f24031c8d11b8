package rows

import "postferry/store"

// What an account's summary says of the end of its move. Summaries without it are those of
// accounts of which there is nothing to say, or of earlier versions.
const (
	endLate = 1 << iota
	endVerified
	endApproved
	endBodies // of the verification
	endUnread
	endInbox // INBOX was complete
)

func encodeEnding(e *encoder, s *store.Summary) {
	marks := uint64(0)
	if s.Late != (store.LateMail{}) {
		marks |= endLate
	}
	if s.Verified != (store.Verified{}) {
		marks |= endVerified
	}
	if s.Approved != (store.Approval{}) {
		marks |= endApproved
	}
	if s.Verified.Bodies {
		marks |= endBodies
	}
	if s.Verified.Unread {
		marks |= endUnread
	}
	if s.Inbox {
		marks |= endInbox
	}
	if marks == 0 {
		return
	}
	e.uint(marks)
	if marks&endLate != 0 {
		encodeLate(e, &s.Late)
	}
	if marks&endVerified != 0 {
		e.time(s.Verified.When)
		e.uint(s.Verified.Damage)
		e.uint(s.Verified.Doubtful)
	}
	if marks&endApproved != 0 {
		e.time(s.Approved.When)
		e.text(s.Approved.By)
		e.text(s.Approved.What)
	}
}

func decodeEnding(d *decoder, s *store.Summary) {
	marks := d.uint(2*endInbox - 1)
	if marks == 0 {
		d.fail(errLong) // where there is nothing to say, nothing is said
	}
	s.Inbox = marks&endInbox != 0
	if marks&endLate != 0 {
		s.Late = decodeLate(d)
	}
	if marks&endVerified != 0 {
		s.Verified = store.Verified{When: d.time(), Damage: d.uint64(), Doubtful: d.uint64(),
			Bodies: marks&endBodies != 0, Unread: marks&endUnread != 0}
	}
	if marks&endApproved != 0 {
		s.Approved = store.Approval{When: d.time(), By: d.text(), What: d.text()}
	}
}

func encodeLate(e *encoder, l *store.LateMail) {
	e.uint(l.Messages)
	e.time(l.Last)
	for _, s := range l.From {
		e.text(s.Name)
		e.uint(s.Messages)
	}
}

func decodeLate(d *decoder) store.LateMail {
	l := store.LateMail{Messages: d.uint64(), Last: d.time()}
	for i := range l.From {
		l.From[i] = store.LateServer{Name: d.text(), Messages: d.uint64()}
	}
	return l
}

// EncodeMove makes the row of how a domain's move goes.
func EncodeMove(m *store.Move) []byte {
	var e encoder
	e.time(m.Checked.When)
	e.uint(m.Checked.Accounts)
	e.uint(m.Checked.Trouble)
	e.time(m.Names.When)
	e.time(m.Names.MX)
	e.time(m.Names.Clients)
	e.time(m.Names.Until)
	return e
}

// DecodeMove reads the row of how a domain's move goes.
func DecodeMove(domain string, row []byte) (store.Move, error) {
	d := decoder{rest: row}
	m := store.Move{
		Domain:  domain,
		Checked: store.Checked{When: d.time(), Accounts: d.uint64(), Trouble: d.uint64()},
		Names:   store.NamesSeen{When: d.time(), MX: d.time(), Clients: d.time(), Until: d.time()},
	}
	return m, d.done()
}

// EncodeReport makes a report's row.
func EncodeReport(r *store.Report) []byte {
	var e encoder
	e.text(r.Domain)
	e.time(r.Made)
	e.text(r.By)
	e.text(string(r.Text))
	return e
}

// DecodeReport reads a report's row.
func DecodeReport(number uint64, row []byte) (store.Report, error) {
	d := decoder{rest: row}
	r := store.Report{Number: number, Domain: d.text(), Made: d.time(), By: d.text(), Text: d.bytes()}
	return r, d.done()
}
