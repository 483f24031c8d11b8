package message

import (
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
)

// An intent of a message that is in the ledger already is one to change its
// flags on the new server. Without it, a crash between STORE and the ledger, and
// a flag that goes back to what it was on the old server in the meantime, would leave
// the two servers apart for good. Its flags differ from the ledger's in those
// that were about to be touched: what they are on the new server is not known,
// so that the old server's word counts for them once more.

// BaseFlags are the flags to compare the old server's with: the ledger's, but
// for touched ones the opposite of what they are now, so that they are stored again.
func BaseFlags(ledger, touched, now []imap.Flag) []imap.Flag {
	if len(touched) == 0 {
		return ledger
	}
	return NormaliseFlags(append(WithoutFlags(ledger, touched), WithoutFlags(touched, now)...))
}

// FlagIntent is the intent to touch flags of a message.
func FlagIntent(e store.Entry, touch []imap.Flag, at time.Time) store.Intent {
	return store.Intent{Key: e.Key, Fingerprint: e.Fingerprint, Size: e.Size,
		Flags: FlagsOfEither(e.Flags, touch), UIDValidity: e.UIDValidity, Written: at}
}

// FlagsOfEither are the flags that are in one of a and b and not in the other.
func FlagsOfEither(a, b []imap.Flag) []imap.Flag {
	return NormaliseFlags(append(WithoutFlags(a, b), WithoutFlags(b, a)...))
}
