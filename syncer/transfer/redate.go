package transfer

import (
	"fmt"
	"math"
	"time"

	"postferry/syncer/message"
)

// date gives a message its date of arrival where the old server told none.
func (it *item) date(header []byte) {
	if it.msg.Date.IsZero() {
		it.msg.Date = message.ArrivalDate(header, time.Now())
	}
}

// redate replaces a date that the new server may have refused: the words speak of it, or
// not every server can hold it. What the message itself tells is the next best, then the
// nearest one that can be held. It is tried once.
func (it *item) redate(words string) (message.Repair, bool) {
	now := time.Now()
	was, held := it.msg.Date, message.Holdable(it.msg.Date, now)
	_, offset := was.Zone()
	if it.redated || was.IsZero() || held && (offset == 0 || !message.SpeaksOfDates(words)) {
		return message.Repair{}, false
	}
	it.redated = true
	it.msg.Date = was.UTC()
	if own := message.ArrivalDate(message.Header(it.body), now); !held && message.Holdable(own, now) {
		it.msg.Date = own
	} else if was.Before(message.FirstHoldable) {
		it.msg.Date = message.FirstHoldable
	} else if was.Unix() > math.MaxInt32 {
		it.msg.Date = now
	}
	r := message.Repair{Body: it.body, Flags: it.flags(), Dated: true}
	r.Did(fmt.Sprintf("date %s replaced by %s", was.Format(time.DateTime), it.msg.Date.Format(time.DateTime)))
	return r, true
}
