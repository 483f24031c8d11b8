package writer

import (
	"math"
	"time"

	"postferry/report/reason"
	"postferry/syncer/message"
)

// redate replaces a date that the new server may have refused: the words speak of it, or
// not every server can hold it. What the message itself tells is the next best, then the
// nearest one that can be held. It is tried once.
func (m *sending) redate(words string) (message.Repair, bool) {
	now := time.Now()
	was, held := m.Msg.Date, message.Holdable(m.Msg.Date, now)
	_, offset := was.Zone()
	if m.redated || was.IsZero() || held && (offset == 0 || !message.SpeaksOfDates(words)) {
		return message.Repair{}, false
	}
	m.redated = true
	m.Msg.Date = was.UTC()
	if own := message.ArrivalDate(message.Header(m.Body), now); !held && message.Holdable(own, now) {
		m.Msg.Date = own
	} else if was.Before(message.FirstHoldable) {
		m.Msg.Date = message.FirstHoldable
	} else if was.Unix() > math.MaxInt32 {
		m.Msg.Date = now
	}
	r := message.Repair{Body: m.Body, Flags: m.flags(), Dated: true}
	r.Did(reason.DateReplaced, was.Format(time.DateTime), m.Msg.Date.Format(time.DateTime))
	return r, true
}
