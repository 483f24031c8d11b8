package store

import (
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
)

// OrderState says what is to be done about the order of a folder on the new server.
type OrderState string

const (
	// OrderArrival folders are in the order of arrival, or nothing else is known of them.
	OrderArrival OrderState = ""
	// OrderNewest folders were given their newest messages first, which therefore come
	// before all others there. It is to be restored.
	OrderNewest OrderState = "newest"
	// OrderKept folders were as well, and stay as they are.
	OrderKept OrderState = "kept"
)

// Order is what is known of the order of a folder's messages on the new server.
type Order struct {
	State OrderState
	// Moving are UIDs of messages that are about to be moved behind all others, as a set of
	// RFC 9051 (such as "1:50,60"); "" for none. UIDValidity and UIDNext are the folder's when
	// that was written: what was moved lies at or above UIDNext.
	Moving      string
	UIDValidity uint32
	UIDNext     imap.UID
	Written     time.Time
}

// CheckOrder refuses an order that is malformed.
func CheckOrder(o *Order) error {
	switch o.State {
	case OrderArrival, OrderNewest, OrderKept:
	default:
		return Invalid("a folder's order %q is none of %q, %q, %q", o.State, OrderArrival, OrderNewest, OrderKept)
	}
	if (o.Moving != "") != (o.UIDNext != 0) {
		return Invalid("messages about to be moved without a UIDNEXT, or the other way round")
	}
	return nil
}

// MovingUIDs are the UIDs of Moving.
func (o *Order) MovingUIDs() (set imap.UIDSet) {
	for part := range strings.SplitSeq(o.Moving, ",") {
		first, last, isRange := strings.Cut(part, ":")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 32)
		to, err2 := strconv.ParseUint(last, 10, 32)
		if err == nil && err2 == nil {
			set.AddRange(imap.UID(from), imap.UID(to))
		}
	}
	return set
}
