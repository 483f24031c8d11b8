package syncer

import (
	"context"

	"postferry/syncer/transfer"
)

// countAgain brings up to date how many messages of a folder are to be tried
// again, after a pull that may have changed it.
func (k *records) countAgain(f *tracked, p *transfer.Pull) {
	if f.Again == 0 && p.Done.Quarantined.Load() == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(k.ctx), storeWait)
	defer cancel()
	rows, err := k.store.Folders(ctx, k.id)
	if err != nil {
		k.log.Error().Err(err).Msg("the messages to be tried again could not be counted")
		return
	}
	for _, row := range rows {
		if row.ID == f.ID {
			f.Again = row.Again
		}
	}
}
