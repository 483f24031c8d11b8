package syncer

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

// baseFlags are the flags to compare the old server's with: the ledger's, but
// for touched ones the opposite of what they are now, so that they are stored again.
func baseFlags(ledger, touched, now []imap.Flag) []imap.Flag {
	if len(touched) == 0 {
		return ledger
	}
	return normalise(append(without(ledger, touched), without(touched, now)...))
}

// flagIntent is the intent to touch flags of a message.
func flagIntent(e store.Entry, touch []imap.Flag, at time.Time) store.Intent {
	return store.Intent{Key: e.Key, Fingerprint: e.Fingerprint, Size: e.Size,
		Flags: flagsEither(e.Flags, touch), UIDValidity: e.UIDValidity, Written: at}
}

// flagsEither are the flags that are in one of a and b and not in the other.
func flagsEither(a, b []imap.Flag) []imap.Flag {
	return normalise(append(without(a, b), without(b, a)...))
}
