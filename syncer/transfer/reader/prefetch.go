package reader

import (
	"context"
	"time"

	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/syncer/transfer/job"
	"postferry/upstream/link"
)

// A pair asks for the folder that comes next while the last messages of the present one
// are still on their way, and for several if they are small: with a server far away that saves a round trip
// or two for each folder. It is done only where the old session is surely not needed for the present one
// any more, because that is copied for the first time. Should it be needed all the same,
// as a large message was refused, the pull begins again with new sessions.

// ahead asks for the folders that come next.
type ahead struct {
	*job.Work
	preparing bool // what comes next may be asked for ahead
	limited   bool // the new server has a limit for messages
	last      bool // there is nothing behind what is brought just now
}

// open asks the old server for the folder that comes next. All of the present one
// has been asked for.
func (a *ahead) open(ctx context.Context) error {
	if !a.preparing || a.Yielded() != nil {
		return nil
	}
	a.preparing = false
	for a.Pair.Ahead.Room() {
		n, ok := a.Next(ctx, a.limited)
		if !ok {
			return nil
		}
		if sent, err := a.send(ctx, n); err != nil || !sent {
			return err
		}
	}
	return nil
}

// send opens a folder behind those that were asked for before.
func (a *ahead) send(ctx context.Context, n session.NextFolder) (sent bool, err error) {
	from := a.Old
	if last := a.Pair.Ahead.Last(); last != nil {
		from = last.Old
	}
	call, err := from.SendOpen(ctx, n.Folder.Old, session.OpenWith{List: n.List, First: n.Early, Headers: recovery.LastKnown(n.Folder.Checkpoint)})
	if link.ClassOf(err) == link.Refused { // shows again when it is opened
		return false, nil
	}
	if err == nil {
		a.Pair.Ahead.Add(&session.Prefetched{NextFolder: n, At: time.Now(), Old: a.Pair.ListeningSource(), Opened: call})
	}
	return err == nil, err
}

// openMore asks for more folders while the messages of the present one, of which nothing else will be
// asked for, come in.
func (a *ahead) openMore(ctx context.Context) error {
	if !a.Pair.Ahead.Any() {
		return nil // it may be large: the first of its messages will tell
	}
	return a.open(ctx)
}
