package syncer

import (
	"context"
	"postferry/store"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// readLedger reads the folder's ledger and takes the flag intents apart from
// those to append.
func (p *pull) readLedger(ctx context.Context) error {
	l, err := p.store.Ledger(ctx, p.account, p.folder.ID)
	if err != nil {
		return err
	}
	p.touched = map[store.Key][]imap.Flag{}
	l.Intents = slices.DeleteFunc(l.Intents, func(in store.Intent) bool {
		e, ok := findEntry(l.Entries, in.Key)
		if ok {
			p.touched[in.Key] = flagsEither(e.Flags, in.Flags)
		}
		return ok
	})
	p.ledger = l
	return nil
}
