package transfer

import (
	"math"
	"time"

	"postferry/report/reason"
	"postferry/syncer/message"
)

// date gives a message its date of arrival where the old server told none.
func (m *outgoing) date(header []byte) {
	if m.msg.Date.IsZero() {
		m.msg.Date = message.ArrivalDate(header, time.Now())
	}
}

// redate replaces a date that the new server may have refused: the words speak of it, or
// not every server can hold it. What the message itself tells is the next best, then the
// nearest one that can be held. It is tried once.
func (m *outgoing) redate(words string) (message.Repair, bool) {
	now := time.Now()
	was, held := m.msg.Date, message.Holdable(m.msg.Date, now)
	_, offset := was.Zone()
	if m.redated || was.IsZero() || held && (offset == 0 || !message.SpeaksOfDates(words)) {
		return message.Repair{}, false
	}
	m.redated = true
	m.msg.Date = was.UTC()
	if own := message.ArrivalDate(message.Header(m.body), now); !held && message.Holdable(own, now) {
		m.msg.Date = own
	} else if was.Before(message.FirstHoldable) {
		m.msg.Date = message.FirstHoldable
	} else if was.Unix() > math.MaxInt32 {
		m.msg.Date = now
	}
	r := message.Repair{Body: m.body, Flags: m.flags(), Dated: true}
	r.Did(reason.DateReplaced, was.Format(time.DateTime), m.msg.Date.Format(time.DateTime))
	return r, true
}
