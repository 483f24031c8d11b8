package backend

import (
	"context"
	"errors"
	"io"

	"postferry/store"
)

// errNoBackup: the state is kept by something else than this program.
var errNoBackup = errors.New("this state can't be backed up from here")

// Backup implements control.Backend.
func (l *Local) Backup(ctx context.Context, withKey bool, w io.Writer) (store.BackedUp, error) {
	b, ok := l.Store.(interface {
		Backup(ctx context.Context, w io.Writer, withKey bool) (store.BackedUp, error)
	})
	if !ok {
		return store.BackedUp{}, errNoBackup
	}
	done, err := b.Backup(ctx, w, withKey)
	if err == nil {
		err = l.noter().BackedUp(ctx, withKey)
	}
	return done, err
}
