package wayback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/internal/pause"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// Store is what the way back asks of the state.
type Store interface {
	Committer
	Folders(ctx context.Context, id store.AccountID) ([]store.Folder, error)
	Ledger(ctx context.Context, id store.AccountID, folder store.FolderID) (store.Ledger, error)
	WaysBack(ctx context.Context, id store.AccountID) ([]store.WayBack, []store.Return, error)
}

// Job copies the new mail of one folder back. No pull of the folder may run meanwhile.
type Job struct {
	Account store.AccountID
	Folder  store.Folder
	Pair    *session.Pair
	Store   Store
	Open    bool // mail is copied; else only the baseline is noted
	Yield   <-chan struct{}
	Log     zerolog.Logger
	Copied  uint64 // how many messages have been

	old     session.Returner
	new     session.Target
	way     store.WayBack
	returns map[store.ReturnKey]store.Return
	ledger  store.Ledger
	oldSel  *upstream.Selected
	newSel  *upstream.Selected
}

// What keeps mail from being copied back.
var (
	errNoUIDs    = stopped(reason.Of(reason.BackNoUIDs))
	errNewNoUIDs = stopped(reason.Of(reason.BackNoUIDsNew))
	errFull      = stopped(reason.Of(reason.BackFull))
	errRefusing  = stopped(reason.Of(reason.BackRefusing))
)

// refusedInRow is how many messages in a row the old server may refuse until nothing more is sent.
const refusedInRow = 3

// Run notes the baseline of a folder, or copies back what has arrived since. Of what remains to be done the
// next run takes care; ErrNotNow means that a pull has to come first.
func (j *Job) Run(ctx context.Context) error {
	if err := j.read(ctx); err != nil {
		return err
	}
	var err error
	if j.new, err = j.Pair.Target(ctx); err != nil {
		return err
	}
	if j.newSel, err = examine(ctx, j.new, j.Folder.New); err != nil {
		return err
	}
	if j.newSel.UIDValidity == 0 || j.newSel.NotSticky {
		return j.stop(ctx, errNewNoUIDs)
	}
	if j.way.Since.IsZero() {
		j.way = store.WayBack{Folder: j.Folder.ID, UIDValidity: j.newSel.UIDValidity, Next: j.newSel.UIDNext, Since: time.Now()}
		return j.commit(ctx, store.Batch{})
	}
	if !j.Open || !j.waiting() {
		return nil
	}
	err = j.copy(ctx)
	if j.old != nil {
		_ = j.old.Logout(ctx) // what it was told it knows
		_ = j.old.Close()
	}
	if why, ok := errors.AsType[stopped](err); ok {
		return j.stop(ctx, why)
	}
	if err == nil && j.way.Trouble != "" {
		j.way.Trouble = ""
		return j.commit(ctx, store.Batch{})
	}
	return err
}

// stopped is an error that is told as what keeps the folder from being copied back.
type stopped reason.Reason

func (s stopped) Error() string { return reason.Reason(s).String() }

// stop notes what keeps the folder from being copied back.
func (j *Job) stop(ctx context.Context, why stopped) error {
	if j.way.Since.IsZero() || j.way.Trouble == reason.Reason(why) {
		return why
	}
	j.way.Trouble = reason.Reason(why)
	return errors.Join(why, j.commit(ctx, store.Batch{}))
}

// ErrNotNow means that the old folder has to be pulled first.
var ErrNotNow = errors.New("the old folder has changed since it was looked through")

func (j *Job) read(ctx context.Context) error {
	ways, returns, err := j.Store.WaysBack(ctx, j.Account)
	if err != nil {
		return err
	}
	if at := slices.IndexFunc(ways, func(w store.WayBack) bool { return w.Folder == j.Folder.ID }); at >= 0 {
		j.way = ways[at]
	}
	j.returns = map[store.ReturnKey]store.Return{}
	for _, r := range returns {
		if r.Folder == j.Folder.ID {
			j.returns[r.Key()] = r
		}
	}
	return nil
}

// waiting tells whether there may be something to copy back.
func (j *Job) waiting() bool {
	if j.newSel.UIDValidity != j.way.UIDValidity || j.newSel.UIDNext != j.way.Next {
		return true
	}
	for _, r := range j.returns {
		if unproved(&r) || r.State == store.ReturnRefused && j.mayTry(&r) {
			return true
		}
	}
	return false
}

func unproved(r *store.Return) bool {
	return r.State == store.ReturnSent || r.State == store.ReturnAgain
}

// refusedRest is how long a refused message is left alone, refusedMost how often it is tried.
const (
	refusedRest = 6 * time.Hour
	refusedMost = 5
)

func (j *Job) mayTry(r *store.Return) bool {
	return r.Attempts < refusedMost && time.Since(r.Written) > refusedRest
}

// wentBack tells whether the new folder was put back to an earlier state: UIDs that its messages had are given to others then.
func (j *Job) wentBack() bool {
	return j.newSel.UIDValidity == j.way.UIDValidity && j.newSel.UIDNext < j.way.Next
}

// forgetRefused forgets which messages were refused that the new folder has lost. Of others a copy may turn up at the old server.
func (j *Job) forgetRefused(ctx context.Context) error {
	var batch store.Batch
	for k, r := range j.returns {
		if j.wentBack() && r.State == store.ReturnRefused && k.UIDValidity == j.newSel.UIDValidity && k.UID >= j.newSel.UIDNext {
			batch.Returned = append(batch.Returned, k)
		}
	}
	if len(batch.Returned) == 0 {
		return nil
	}
	return j.commit(ctx, batch)
}

// copy copies what is new.
func (j *Job) copy(ctx context.Context) (err error) {
	if j.ledger, err = j.Store.Ledger(ctx, j.Account, j.Folder.ID); err != nil {
		return err
	}
	if len(j.ledger.Intents) > 0 {
		return ErrNotNow // some of the new messages may be what a pull has sent
	}
	old, err := j.Pair.Returner(ctx)
	if err != nil {
		return err
	}
	j.old = old
	if err := j.settled(ctx); err != nil {
		return err
	}
	if err := j.forgetRefused(ctx); err != nil {
		return err
	}
	found, err := j.candidates(ctx)
	if err != nil {
		return err
	}
	if found, err = j.withoutCopies(ctx, found); err != nil {
		return err
	}
	if err := j.send(ctx, found); err != nil {
		return err
	}
	return j.tidy(ctx)
}

// settled makes sure that everything the old folder has is in the ledger, so that a return which is not proved is not
// there: a pull has dealt with all that is, and nothing comes any more.
func (j *Job) settled(ctx context.Context) error {
	if err := j.look(ctx); err != nil {
		return err
	}
	newest := time.Time{}
	for _, r := range j.returns {
		if unproved(&r) && r.Written.After(newest) {
			newest = r.Written
		}
	}
	if newest.IsZero() || time.Since(newest) > settleAfter {
		return nil
	}
	if err := pause.For(ctx, session.SettleQuiet); err != nil {
		return err
	}
	return j.look(ctx)
}

// settleAfter is how old a return is that the server is not storing any more.
const settleAfter = time.Minute

// look opens the old folder, and wants it to be as the last pull has left it.
func (j *Job) look(ctx context.Context) (err error) {
	if j.oldSel, err = examine(ctx, j.old, j.Folder.Old); err != nil {
		return err
	}
	cp := &j.Folder.Checkpoint
	switch {
	case !j.old.UIDPlus() || j.oldSel.NotSticky || j.oldSel.UIDValidity == 0:
		return errNoUIDs
	case cp.Checked.IsZero() || j.oldSel.UIDValidity != cp.UIDValidity || j.oldSel.UIDNext > j.dealtWith():
		return ErrNotNow
	}
	return nil
}

// examiner opens folders.
type examiner interface {
	Examine(ctx context.Context, name string) (*upstream.Selected, error)
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
}

// examine opens a folder, and asks for the last message where the server did not tell UIDNEXT (it need not, RFC 3501
// section 7.1).
func examine(ctx context.Context, s examiner, name string) (*upstream.Selected, error) {
	sel, err := s.Examine(ctx, name)
	if err != nil || sel.UIDNext != 0 {
		return sel, err
	}
	if sel.UIDNext = 1; sel.Messages == 0 {
		return sel, nil
	}
	last := imap.UIDSet{imap.UIDRange{Start: 0, Stop: 0}} // "*"
	return sel, s.ListMessages(ctx, last, 0, func(m upstream.Message) error {
		sel.UIDNext = max(sel.UIDNext, m.UID+1)
		return nil
	})
}

// dealtWith is up to which UID the old folder is dealt with: by the pull, and by what went back since, one
// after the other.
func (j *Job) dealtWith() imap.UID {
	next := j.Folder.Checkpoint.UIDNext
	known := map[imap.UID]bool{}
	for _, e := range j.ledger.Entries {
		if uid, ok := session.IMAPKeys(j.oldSel.UIDValidity).UID(e.Key); ok && uid >= next {
			known[uid] = true
		}
	}
	for known[next] {
		next++
	}
	return next
}

// tidy is for returns when everything has been sent. One that was not proved before, and is not on the new server
// any more or has another number there now, is not sent again, but may turn up; of those that were proved long ago no other copy
// will.
func (j *Job) tidy(ctx context.Context) error {
	var batch store.Batch
	for k, r := range j.returns {
		switch {
		case unproved(&r):
			r.State = store.ReturnProved
			batch.Returns = append(batch.Returns, r)
		case r.State == store.ReturnProved && time.Since(r.Written) > keepProved:
			batch.Returned = append(batch.Returned, k)
		}
	}
	if len(batch.Returns)+len(batch.Returned) == 0 {
		return nil
	}
	return j.commit(ctx, batch)
}

// keepProved is how long a return is kept that was sent more than once.
const keepProved = 30 * 24 * time.Hour

// commit writes a batch of the folder, with how far it is.
func (j *Job) commit(ctx context.Context, batch store.Batch) error {
	batch.Account, batch.Folder, batch.WayBack = j.Account, j.Folder.ID, &j.way
	if err := j.Store.Commit(ctx, batch); err != nil {
		return err
	}
	for _, k := range batch.Returned {
		delete(j.returns, k)
	}
	for _, r := range batch.Returns {
		j.returns[r.Key()] = r
	}
	return nil
}

func (j *Job) yielded() error {
	select {
	case <-j.Yield:
		return session.ErrYield
	default:
		return nil
	}
}

// refusal is what the old server said of a message.
func refusal(err error) string {
	if e, ok := errors.AsType[*link.Error](err); ok && e.Text != "" {
		return e.Text
	}
	return fmt.Sprint(err)
}
