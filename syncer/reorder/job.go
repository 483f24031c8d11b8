package reorder

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

var (
	// ErrNotNow says that something else has to be done with the folder first.
	ErrNotNow = errors.New("the folder has messages whose fate is not known yet")
	// errElsewhere: the server has put messages where nothing was to be put.
	errElsewhere = errors.New("the new server has moved messages into another folder, or onto UIDs that were used before")
)

// Ledger is what a Job needs of the store.
type Ledger interface {
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
	Entries(ctx context.Context, id store.AccountID, folder store.FolderID, keys []store.Key) ([]store.Entry, error)
	Commit(ctx context.Context, b store.Batch) error
}

// Job puts one folder into its order. It lives for one job on one pair, and no other job
// runs on the folder meanwhile.
type Job struct {
	Account store.AccountID
	Folder  store.Folder // its Order is what the store has, also when the job has ended
	Pair    *session.Pair
	Store   Ledger
	Taking  *sync.Mutex // held while lines of the account's ledger are given other keys
	Hung    *session.HungSessions
	Yield   <-chan struct{}
	Log     zerolog.Logger

	new  session.Target
	sel  *upstream.Selected
	next imap.UID // where the next message will be
}

// Run puts the folder into its order. What it returned an error for goes on with a later
// Run. If the server does not want it, or doesn't say where it has put messages, the folder is
// left as it is, and that is told once.
func (j *Job) Run(ctx context.Context) error {
	defer j.leaveHung(ctx)
	if err := j.Settle(ctx); err != nil || j.Folder.Order.State != store.OrderNewest {
		return err
	}
	if err := j.open(ctx); err != nil {
		return err
	}
	if why := j.unable(); why != "" {
		return j.keep(ctx, why, nil)
	}
	lines, parts, err := j.plan(ctx)
	if err != nil {
		return err
	}
	n := 0
	for _, part := range parts {
		if err := j.yielded(); err != nil {
			return err
		}
		moved, err := j.move(ctx, part, lines)
		if err != nil || j.Folder.Order.State != store.OrderNewest {
			return err
		}
		n += moved
	}
	j.Log.Info().Int("moved", n).Msg("the folder's newest messages are the last ones on the new server again")
	return j.commit(ctx, nil, store.Order{})
}

// open opens the folder for changes.
func (j *Job) open(ctx context.Context) (err error) {
	if j.new, err = j.Pair.Target(ctx); err != nil {
		return err
	}
	if j.sel, err = j.new.Select(ctx, j.Folder.New); err != nil {
		return err
	}
	j.next = j.sel.UIDNext
	return nil
}

// unable says why the server can't do it; "" if it can.
func (j *Job) unable() string {
	switch {
	case !j.new.CanMove():
		return "the new server has no MOVE (RFC 6851), or would not say where messages are afterwards (RFC 4315)"
	case j.sel.NotSticky || j.sel.UIDValidity == 0:
		return "the new server's UIDs don't last"
	}
	return ""
}

// plan finds out what is to be moved. lines are the ledger's, by UID.
func (j *Job) plan(ctx context.Context) (lines map[imap.UID]store.Key, parts []imap.UIDSet, err error) {
	l, err := j.Store.Ledger(ctx, j.Account, j.Folder.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(l.Intents)+len(l.Lost) > 0 {
		return nil, nil, ErrNotNow
	}
	there, err := j.present(ctx)
	if err != nil {
		return nil, nil, err
	}
	var ordered []imap.UID
	lines = map[imap.UID]store.Key{}
	for _, e := range l.Entries {
		if !there[e.UID] || e.UIDValidity != j.sel.UIDValidity {
			continue
		}
		lines[e.UID] = e.Key
		if v, _, ok := message.SplitKey(e.Key); ok && v == j.Folder.Checkpoint.UIDValidity {
			ordered = append(ordered, e.UID) // keys are sorted, and so are UIDs of one UIDVALIDITY
		}
	}
	var strangers []imap.UID
	for uid := range there {
		if _, known := lines[uid]; !known {
			strangers = append(strangers, uid)
		}
	}
	return lines, Plan(ordered, strangers), nil
}

// present are the UIDs of the open folder.
func (j *Job) present(ctx context.Context) (map[imap.UID]bool, error) {
	all, err := j.new.Search(ctx, "UID 1:*")
	if err != nil {
		return nil, err
	}
	uids, _ := all.Nums()
	there := make(map[imap.UID]bool, len(uids))
	for _, uid := range uids {
		there[uid] = true
		j.next = max(j.next, uid+1)
	}
	return there, nil
}

// move moves a part to the end of the folder, and has the ledger follow.
func (j *Job) move(ctx context.Context, part imap.UIDSet, lines map[imap.UID]store.Key) (n int, err error) {
	order := store.Order{State: store.OrderNewest, Moving: part.String(), UIDValidity: j.sel.UIDValidity, UIDNext: j.next, Written: time.Now()}
	if err := j.commit(ctx, nil, order); err != nil {
		return 0, err
	}
	moved, told, err := j.new.MoveUIDs(ctx, part, j.Folder.New)
	switch {
	case err != nil && link.ClassOf(err) != link.Refused:
		return 0, err
	case err != nil:
		return 0, j.settleAndKeep(ctx, "the new server refuses it", err)
	case !told:
		return 0, j.settleAndKeep(ctx, "the new server does not say where it has put messages", nil)
	}
	if err := j.check(moved); err != nil {
		return 0, err
	}
	return len(moved.From), j.follow(ctx, moved, lines)
}

// check looks whether messages are where they were to be put.
func (j *Job) check(moved upstream.Moved) error {
	for _, uid := range moved.To {
		if uid < j.Folder.Order.UIDNext || moved.UIDValidity != j.sel.UIDValidity {
			return errElsewhere
		}
		j.next = max(j.next, uid+1)
	}
	return nil
}

// follow gives the ledger's lines the UIDs that their copies have now.
func (j *Job) follow(ctx context.Context, moved upstream.Moved, lines map[imap.UID]store.Key) error {
	to := make(map[store.Key]imap.UID, len(moved.From))
	for i, uid := range moved.From {
		if key, ok := lines[uid]; ok {
			to[key] = moved.To[i]
		}
	}
	return j.renumber(ctx, to, store.Order{State: store.OrderNewest})
}

// renumber commits the UIDs of lines, as far as there are still such lines, and the order.
func (j *Job) renumber(ctx context.Context, to map[store.Key]imap.UID, order store.Order) error {
	keys := make([]store.Key, 0, len(to))
	for key := range to {
		keys = append(keys, key)
	}
	j.Taking.Lock() // a line that a pull of another folder takes over must not come back
	defer j.Taking.Unlock()
	proofs, err := j.Store.Entries(ctx, j.Account, j.Folder.ID, keys)
	if err != nil {
		return err
	}
	for i := range proofs {
		proofs[i].UID = to[proofs[i].Key]
	}
	return j.commit(ctx, proofs, order)
}

// settleAndKeep finds messages that were moved all the same, and leaves the folder as it is then.
func (j *Job) settleAndKeep(ctx context.Context, why string, cause error) error {
	if err := j.settle(ctx); err != nil {
		return err
	}
	return j.keep(ctx, why, cause)
}

// keep leaves the folder as it is, for good.
func (j *Job) keep(ctx context.Context, why string, cause error) error {
	j.Log.Warn().AnErr("cause", cause).Msg("the folder's newest messages stay the first ones on the new server, where programs that go by that order show others for the newest: " + why)
	return j.commit(ctx, nil, store.Order{State: store.OrderKept})
}

func (j *Job) commit(ctx context.Context, proofs []store.Entry, order store.Order) error {
	err := j.Store.Commit(ctx, store.Batch{Account: j.Account, Folder: j.Folder.ID, Proofs: proofs, Order: &order})
	if err == nil {
		j.Folder.Order = order
	}
	return err
}

// yielded returns ErrYield if the folder is wanted for something else.
func (j *Job) yielded() error {
	select {
	case <-j.Yield:
		return session.ErrYield
	default:
		return nil
	}
}

// leaveHung gives a session that hung to those that are waited for.
func (j *Job) leaveHung(ctx context.Context) {
	if slot := &j.Pair.New; slot.There && slot.Session.Hung() {
		opened, release := slot.GiveAway()
		j.Hung.Keep(ctx, []store.FolderID{j.Folder.ID}, opened, session.HungStalls*j.Pair.Stall, release, j.Log)
	}
}
