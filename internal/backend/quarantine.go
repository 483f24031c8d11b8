package backend

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"postferry/internal/control"
	"postferry/report"
	"postferry/store"
	"postferry/syncer"
	"postferry/upstream/link"
)

// messageID names a message in lists and on command lines.
type messageID struct {
	account store.AccountID
	folder  store.FolderID
	key     store.Key
}

func (m messageID) String() string {
	return fmt.Sprintf("%d.%d.%x", m.account, m.folder, string(m.key))
}

// ParseMessageID is the reverse of String.
func ParseMessageID(s string) (m messageID, ok bool) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return m, false
	}
	account, err1 := strconv.ParseUint(parts[0], 10, 64)
	folder, err2 := strconv.ParseUint(parts[1], 10, 32)
	key, err3 := hex.DecodeString(parts[2])
	if err1 != nil || err2 != nil || err3 != nil || len(key) == 0 {
		return m, false
	}
	return messageID{store.AccountID(account), store.FolderID(folder), store.Key(key)}, true
}

// quarantinedFolder are the messages of one folder that a query chose.
type quarantinedFolder struct {
	account store.Account
	folder  store.Folder
	records map[store.Key]report.QuarantineRecord
	keys    []store.Key // of records, sorted
}

// refused finds messages that one of the servers refuses, or that were repaired.
type refused struct{ store store.Store }

// Quarantine implements control.Backend.
func (l *Local) Quarantine(ctx context.Context, q control.QuarantineQuery, emit func(report.QuarantineRecord) error) error {
	return refused{l.Store}.each(ctx, q, func(f *quarantinedFolder) error {
		for _, k := range f.keys {
			if err := emit(f.records[k]); err != nil {
				return err
			}
		}
		return nil
	})
}

// RetryQuarantined implements control.Backend.
func (l *Local) RetryQuarantined(ctx context.Context, q control.QuarantineQuery) (released int, err error) {
	retried := map[store.AccountID]int{}
	var accounts []store.Account
	err = refused{l.Store}.each(ctx, q, func(f *quarantinedFolder) error {
		if err := l.Engine.Retry(ctx, f.account.ID, f.folder.ID, f.keys); err != nil {
			return err
		}
		released += len(f.keys)
		if retried[f.account.ID] == 0 {
			accounts = append(accounts, f.account)
		}
		retried[f.account.ID] += len(f.keys)
		return nil
	})
	for _, a := range accounts {
		err = errors.Join(err, l.noter().RetriedMessages(ctx, a, retried[a.ID]))
	}
	if err != nil || !l.Background {
		return released, err
	}
	for id := range retried {
		err = errors.Join(err, l.Engine.PassSoon(ctx, id))
	}
	return released, err
}

// QuarantinedMail implements control.Backend.
func (l *Local) QuarantinedMail(ctx context.Context, q control.QuarantineQuery, sink control.QuarantineSink) error {
	return refused{l.Store}.each(ctx, q, func(f *quarantinedFolder) error {
		return l.mailOf(ctx, f, sink)
	})
}

// mailOf fetches a folder's chosen messages from the old server.
func (l *Local) mailOf(ctx context.Context, f *quarantinedFolder, sink control.QuarantineSink) error {
	delivered := map[store.Key]bool{}
	var ours error // the sink's
	err := l.Engine.Fetch(ctx, f.account.ID, f.folder.ID, f.keys, func(k store.Key, size int64, body io.Reader) error {
		rec, ok := f.records[k]
		if !ok || delivered[k] || ours != nil {
			return nil
		}
		delivered[k] = true
		ours = sink(rec, body, "")
		return ours
	})
	if ours != nil || ctx.Err() != nil {
		return errors.Join(ours, ctx.Err())
	}
	missing := "the old server does not deliver it"
	if err != nil {
		missing = ForPerson(err)
	}
	for _, k := range f.keys {
		if !delivered[k] {
			if err := sink(f.records[k], nil, missing); err != nil {
				return err
			}
		}
	}
	return nil
}

// ForPerson is an error in the voice for the person at the screen.
func ForPerson(err error) string {
	if e, ok := errors.AsType[*link.Error](err); ok {
		return e.Summary().String()
	}
	return err.Error()
}

// each calls fn for each folder in which a query finds something.
func (r refused) each(ctx context.Context, q control.QuarantineQuery, fn func(*quarantinedFolder) error) error {
	accounts, single, err := r.chosen(ctx, q.Names)
	if err != nil {
		return err
	}
	for _, a := range accounts {
		folders, err := r.store.Folders(ctx, a.ID)
		if err != nil {
			return err
		}
		for _, f := range folders {
			if f.Quarantined == 0 && !q.Repaired {
				continue
			}
			found, err := r.in(ctx, a, f, q.Repaired)
			if err != nil {
				return err
			}
			if keys, ok := single[a.ID]; ok {
				found.only(func(k store.Key) bool { return keys[messageID{a.ID, f.ID, k}] })
			}
			if len(found.keys) == 0 {
				continue
			}
			if err := fn(found); err != nil {
				return err
			}
		}
	}
	return nil
}

// chosen takes names apart: the accounts to look into, and for those of which
// only single messages were asked for, which.
func (r refused) chosen(ctx context.Context, names []string) (accounts []store.Account, single map[store.AccountID]map[messageID]bool, err error) {
	var logins []string
	single = map[store.AccountID]map[messageID]bool{}
	for _, name := range names {
		id, ok := ParseMessageID(name)
		if !ok {
			logins = append(logins, name)
			continue
		}
		a, err := r.store.AccountByID(ctx, id.account)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil, control.UsageError(fmt.Errorf("no such message: %q (postferry quarantine list shows their IDs)", name))
		} else if err != nil {
			return nil, nil, err
		}
		if single[a.ID] == nil {
			single[a.ID] = map[messageID]bool{}
			accounts = append(accounts, a)
		}
		single[a.ID][id] = true
	}
	if len(logins) == 0 && len(names) > 0 {
		return accounts, single, nil
	}
	whole, err := accountsOf(ctx, r.store, logins)
	if err != nil {
		return nil, nil, err
	}
	for _, a := range whole {
		delete(single, a.ID) // all of its messages, then
		accounts = slices.DeleteFunc(accounts, func(b store.Account) bool { return b.ID == a.ID })
	}
	return append(accounts, whole...), single, nil
}

// in reads what a folder has in quarantine, or what was repaired.
func (r refused) in(ctx context.Context, a store.Account, f store.Folder, repaired bool) (*quarantinedFolder, error) {
	ledger, err := r.store.Ledger(ctx, a.ID, f.ID)
	if err != nil {
		return nil, err
	}
	found := &quarantinedFolder{account: a, folder: f, records: map[store.Key]report.QuarantineRecord{}}
	add := func(k store.Key, rec report.QuarantineRecord) {
		rec.ID, rec.Login, rec.Folder, rec.Key = messageID{a.ID, f.ID, k}.String(), a.Login, f.Title, syncer.KeyText(k)
		found.records[k] = rec
		found.keys = append(found.keys, k)
	}
	if repaired {
		for _, r := range ledger.Repaired {
			add(r.Key, report.QuarantineRecord{Repair: r.What, Since: r.When, Last: r.When})
		}
		return found, nil
	}
	for _, q := range ledger.Quarantine {
		add(q.Key, report.QuarantineRecord{Reason: q.Reason, Cause: q.Cause, Attempts: q.Attempts, Since: q.Since, Last: q.Last})
	}
	return found, nil
}

func (f *quarantinedFolder) only(keep func(store.Key) bool) {
	f.keys = slices.DeleteFunc(f.keys, func(k store.Key) bool { return !keep(k) })
}

// HeaderOf reads a message's header, of which it keeps at most limit octets.
func HeaderOf(body io.Reader, limit int) ([]byte, error) {
	var header bytes.Buffer
	piece := make([]byte, 4<<10)
	for header.Len() < limit {
		n, err := body.Read(piece)
		header.Write(piece[:n])
		for _, end := range []string{"\r\n\r\n", "\n\n"} {
			if i := bytes.Index(header.Bytes(), []byte(end)); i >= 0 {
				return header.Bytes()[:i+len(end)/2], nil
			}
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
	}
	return header.Bytes()[:min(header.Len(), limit)], nil
}
