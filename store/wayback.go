package store

import (
	"context"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
)

// WayBack is how far a folder is whose new mail is copied back to the old server.
type WayBack struct {
	Folder FolderID
	// Every message of the new folder below Next, under this UIDVALIDITY, is dealt with or was there before Since.
	UIDValidity uint32
	Next        imap.UID
	Since       time.Time // when the way back was opened
	Copied      uint64
	Octets      uint64
	Last        time.Time     // when the last one was copied; zero for none
	Trouble     reason.Reason // what keeps messages from being copied; "" for nothing
}

// ReturnState is what is known of a message on its way back.
type ReturnState uint8

const (
	// ReturnSent: it is about to be appended, or was, and what became of that is not known.
	ReturnSent ReturnState = iota + 1
	// ReturnAgain: likewise, for the second time or more, as it was not on the old server when it was looked
	// for. Several copies may turn up.
	ReturnAgain
	// ReturnProved: it is on the old server. As it was given to that more than once, another copy may turn up.
	ReturnProved
	// ReturnRefused: the old server does not take it.
	ReturnRefused
)

// Return is a message of the new server on its way back to the old one.
type Return struct {
	Folder      FolderID
	UIDValidity uint32 // the new server's
	UID         imap.UID
	State       ReturnState
	Fingerprint Fingerprint
	Size        uint32
	Date        time.Time // with which it is appended
	Written     time.Time
	Attempts    uint32 // of a refused one
	Cause       string // likewise: the server's words
}

// ReturnKey names a message on its way back, within a folder.
type ReturnKey struct {
	UIDValidity uint32
	UID         imap.UID
}

// Key names the message.
func (r *Return) Key() ReturnKey { return ReturnKey{r.UIDValidity, r.UID} }

// WayBackSum is what has gone back for all accounts of a domain.
type WayBackSum struct {
	Copied   uint64
	Last     time.Time     // zero for nothing
	Refused  uint64        // messages that the old server does not take
	Open     uint64        // of which it is not known yet whether they are there
	Troubled uint64        // folders from which nothing can be copied back
	Trouble  reason.Reason // of one of them
}

// WaysBack keeps what is known of mail on its way back. It is part of every Store, and what Store says
// of calls holds for it too. Batches write it, together with the proofs of what was copied back: those
// are entries of the ledger like any other, as the two messages are copies of one another.
type WaysBack interface {
	// WaysBack returns how far the folders of an account are, in the order of their IDs, and the messages on
	// their way, by folder, UIDVALIDITY and UID.
	WaysBack(ctx context.Context, id AccountID) ([]WayBack, []Return, error)
	// WayBackOf sums up the ways back of a domain's accounts.
	WayBackOf(ctx context.Context, domain string) (WayBackSum, error)
}
