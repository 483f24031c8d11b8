package syncer

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/schedule"
	"postferry/syncer/session"
)

// ErrOtherKeys means that messages can't be told apart any more by the keys
// they have: the old server has given the folder new numbers (UIDVALIDITY).
var ErrOtherKeys = errors.New("the old server has numbered the folder anew since")

// Retry releases messages of a folder from quarantine, so that the next pull
// of the folder tries them again. It waits until a pull that is under way has
// stopped. Keys that are not in quarantine do no harm.
func (e *Engine) Retry(ctx context.Context, id store.AccountID, folder store.FolderID, keys []store.Key) error {
	a, leave, err := e.registry.acquire(ctx, id)
	if err != nil {
		return err
	}
	defer leave()
	result := make(chan error, 1)
	if err := a.jobs.Do(ctx, func() { a.retry(folder, keys, result) }); err != nil {
		return err
	}
	select {
	case err := <-result:
		return err
	case <-a.jobs.Gone:
		return report.ErrStopping
	case <-ctx.Done():
		return ctx.Err()
	}
}

// PassSoon makes a pass over an account as soon as there is a place for it. It
// doesn't wait for it.
func (e *Engine) PassSoon(ctx context.Context, id store.AccountID) error {
	return e.loop.do(ctx, func() {
		e.scheduler.begin(schedule.Turn{ID: id, Class: schedule.Rest}, passOptions{fresh: true, until: time.Now().Add(slice)})
	})
}

// Fetch reads messages of a folder from the old server, which notices nothing,
// over a connection of its own. fn is called for each that the server
// delivers; body ends after size octets and need not be read to its end.
func (e *Engine) Fetch(ctx context.Context, id store.AccountID, folder store.FolderID, keys []store.Key, fn func(key store.Key, size int64, body io.Reader) error) error {
	row, err := e.shared.store.AccountByID(ctx, id)
	if err != nil {
		return err
	}
	name, err := e.oldName(ctx, id, folder)
	if err != nil {
		return err
	}
	s, leave, err := e.dialOld(ctx, row.Domain, row.Old, session.Patiently(e.shared.dial.Old, session.InUsePause))
	if err != nil {
		return err
	}
	defer leave()
	opened, err := s.Open(ctx, name, session.OpenWith{})
	if err != nil {
		return err
	}
	var set imap.UIDSet
	for _, k := range keys {
		uid, ok := opened.Keys.UID(k)
		if !ok && !opened.Traits.StableUIDs {
			continue // it is gone: keys are those of what is listed
		}
		if !ok {
			return ErrOtherKeys
		}
		set.AddNum(uid)
	}
	if len(set) == 0 {
		return nil
	}
	return s.Bodies(ctx, set, func(uid imap.UID, size int64, body io.Reader) error {
		return fn(opened.Keys.Key(uid), size, body)
	})
}

// oldName is a folder's raw name on the old server.
func (e *Engine) oldName(ctx context.Context, id store.AccountID, folder store.FolderID) (string, error) {
	folders, err := e.shared.store.Folders(ctx, id)
	if err != nil {
		return "", err
	}
	for _, f := range folders {
		if f.ID == folder {
			return f.Old, nil
		}
	}
	return "", store.ErrNotFound
}

// dialOld opens a session with a domain's old server that doesn't belong to an
// account's work. leave ends it.
func (e *Engine) dialOld(ctx context.Context, domain string, c store.Credentials, dial session.DialFunc[session.Source]) (s session.Source, leave func(), err error) {
	d, ok := e.shared.cfg.DomainNamed(domain)
	if !ok {
		return nil, nil, errNoDomain
	}
	return e.pools.dialOldOf(ctx, d, c, dial)
}

// KeyText is a message's key for people.
func KeyText(k store.Key) string { return message.KeyText(k) }
