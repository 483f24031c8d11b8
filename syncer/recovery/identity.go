package recovery

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/message"
	"postferry/upstream"
)

// StaleCandidates are what messages with unknown keys may be recognised as, by
// what the old server had.
func (f *Folder) StaleCandidates() []message.Candidate {
	stale := make([]message.Candidate, len(f.Known.Stale))
	for i, e := range f.Known.Stale {
		stale[i] = message.Candidate{Fingerprint: e.Fingerprint, Size: int64(e.Size), UID: imap.UID(i + 1)}
		if r, ok := f.RepairOf(e.Key); ok {
			stale[i].Fingerprint, stale[i].Size = r.Fingerprint, int64(r.Size)
		}
	}
	return stale
}

// OldFingerprints reads what the messages can be recognised by. A message the old
// server gives no header for matches nothing.
func (f *Folder) OldFingerprints(ctx context.Context, missing []upstream.Message) ([]message.Wanted, error) {
	want, _, err := f.OldIdentities(ctx, missing)
	return want, err
}

// Identity is what else a message may be recognised by.
type Identity struct {
	Marks int64 // octets of it that are other tools' marks
	Date  message.DateMark
}

// OldIdentities is oldFingerprints with what else there is.
func (f *Folder) OldIdentities(ctx context.Context, missing []upstream.Message) ([]message.Wanted, []Identity, error) {
	more := make([]Identity, len(missing))
	at := make(map[imap.UID]int, len(missing))
	want := make([]message.Wanted, len(missing))
	var set imap.UIDSet
	for i, m := range missing {
		at[m.UID] = i
		want[i].Size = -1
		set.AddNum(m.UID)
	}
	err := headersOf(ctx, f.Old, set, func(m upstream.Message, header []byte) error {
		if i, ok := at[m.UID]; ok {
			want[i] = message.Wanted{Fingerprint: message.Fingerprint(header, m.Size), Size: m.Size}
			more[i] = Identity{Marks: message.MarkOctets(header), Date: message.DateMarkOf(header)}
		}
		return nil
	})
	return want, more, err
}

// ClampSize fits a size into the ledger's field.
func ClampSize(n int64) uint32 {
	return uint32(min(max(n, 0), 1<<32-1))
}
