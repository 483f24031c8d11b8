package transfer

import (
	"context"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/message"
)

// readLedger reads the folder's ledger and takes the flag intents apart from
// those to append.
func (p *Pull) readLedger(ctx context.Context) error {
	l, err := p.Store.Ledger(ctx, p.Account, p.Folder.ID)
	if err != nil {
		return err
	}
	p.touched = map[store.Key][]imap.Flag{}
	l.Intents = slices.DeleteFunc(l.Intents, func(in store.Intent) bool {
		e, ok := message.FindEntry(l.Entries, in.Key)
		if ok {
			p.touched[in.Key] = message.FlagsOfEither(e.Flags, in.Flags)
		}
		return ok
	})
	p.ledger = l
	return nil
}
