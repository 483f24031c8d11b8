package syncer

import (
	"context"

	"postferry/report"
	"postferry/store"
)

// Live reports the accounts that are being worked on.
func (e *Engine) Live(ctx context.Context) ([]report.Live, error) { return e.registry.live(ctx) }

// Folders reports how far an account's folders are, those it is known to have, whether anything goes on
// with it or not.
func (e *Engine) Folders(ctx context.Context, id store.AccountID) ([]report.Folder, error) {
	rows, err := e.shared.store.Folders(ctx, id)
	if err != nil {
		return nil, err
	}
	live, err := e.registry.liveFolders(ctx, id)
	if err != nil {
		return nil, err
	}
	folders := make([]report.Folder, len(rows))
	for i, row := range rows {
		folders[i] = report.Folder{Folder: row, FolderProgress: live[row.ID]}
	}
	return folders, nil
}

// Passes subscribes to the passes that end, until ctx does: then the channel is
// closed. What a pass did is in the store before it is told.
func (e *Engine) Passes(ctx context.Context) <-chan report.PassEnded {
	r := &subscriber{c: make(chan report.PassEnded, eventRoom)}
	e.shared.ended.add(r)
	context.AfterFunc(ctx, func() { e.shared.ended.remove(r) })
	return r.c
}
