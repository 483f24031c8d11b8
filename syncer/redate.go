package syncer

import (
	"fmt"
	"math"
	"time"
)

// date gives a message its date of arrival where the old server told none.
func (it *item) date(header []byte) {
	if it.msg.Date.IsZero() {
		it.msg.Date = arrivalDate(header, time.Now())
	}
}

// redate replaces a date that the new server may have refused: the words speak of it, or
// not every server can hold it. What the message itself tells is the next best, then the
// nearest one that can be held. It is tried once.
func (it *item) redate(words string) (repair, bool) {
	now := time.Now()
	was, held := it.msg.Date, holdable(it.msg.Date, now)
	_, offset := was.Zone()
	if it.redated || was.IsZero() || held && (offset == 0 || !speaksOfDates(words)) {
		return repair{}, false
	}
	it.redated = true
	it.msg.Date = was.UTC()
	if own := arrivalDate(headerOf(it.body), now); !held && holdable(own, now) {
		it.msg.Date = own
	} else if was.Before(firstHoldable) {
		it.msg.Date = firstHoldable
	} else if was.Unix() > math.MaxInt32 {
		it.msg.Date = now
	}
	r := repair{body: it.body, flags: it.flags(), dated: true}
	r.did(fmt.Sprintf("date %s replaced by %s", was.Format(time.DateTime), it.msg.Date.Format(time.DateTime)))
	return r, true
}
