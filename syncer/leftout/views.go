package leftout

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// ViewCounts are what views looked like when they were counted. Accounts come and go while the engine
// runs; the views of all have their place here.
type ViewCounts struct {
	mu sync.Mutex
	at map[View]upstream.Status
}

// View is a folder of an account that shows mail of others.
type View struct {
	Account store.AccountID
	Folder  store.FolderID
}

// Due tells whether a view has to be counted. Without UIDNEXT nothing says that it has not changed.
func (c *ViewCounts) Due(v View, st upstream.Status) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at[v] != st || st.UIDNext == 0
}

// Counted notes what a view looked like when it was counted.
func (c *ViewCounts) Counted(v View, st upstream.Status) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[View]upstream.Status{}
	}
	c.at[v] = st
}

// Look counts what lies in views only.
type Look struct {
	Account store.AccountID
	Store   Store
	Pair    *session.Pair
	Rows    []store.Folder // of all folders
	Log     zerolog.Logger
}

// Through counts, by raw name. One that the old server does not open has no number.
func (l Look) Through(ctx context.Context, views []store.Folder) (map[string]uint64, error) {
	known, err := LedgerIdentities(ctx, l.Store, l.Account, l.Rows)
	if err != nil {
		return nil, err
	}
	if err := l.Pair.Reserve(ctx); err != nil {
		return nil, err
	}
	old, err := l.Pair.Source(ctx)
	if err != nil {
		return nil, err
	}
	found := map[string]uint64{}
	for _, f := range views {
		lone, err := OnlyThere(ctx, old, f.Old, known)
		if link.ClassOf(err) == link.Refused || IsCountsError(err) {
			l.Log.Warn().Err(err).Str("folder", f.Title).Msg("what lies in this view only could not be counted")
			continue
		}
		if err != nil {
			return found, err
		}
		found[f.Old] = uint64(len(lone))
	}
	return found, nil
}
