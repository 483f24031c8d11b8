package reorder

import (
	"context"
	"maps"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/pause"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
)

// settleAfter is how long after a MOVE was sent the new server may still be at it.
const settleAfter = time.Minute

// Settle finds out what became of a MOVE that was interrupted, if one was: lines of the ledger
// whose copies were moved follow them, and a message that is in both places is taken away from
// the former one. It has to be called before anything else is done with the folder.
func (j *Job) Settle(ctx context.Context) error {
	if j.Folder.Order.Moving == "" {
		return nil
	}
	j.Log.Info().Msg("checking what an interrupted move of messages within the folder left behind")
	for _, ended := range j.Hung.Of(j.Folder.ID) {
		select {
		case <-ended:
		case <-j.Yield:
			return session.ErrYield
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := j.open(ctx); err != nil {
		return err
	}
	if err := j.rest(ctx); err != nil {
		return err
	}
	return j.settle(ctx)
}

// rest waits until the folder has stopped changing.
func (j *Job) rest(ctx context.Context) error {
	if time.Since(j.Folder.Order.Written) > settleAfter {
		return nil
	}
	var last upstream.Status
	for quiet := time.Now(); time.Since(quiet) < session.SettleQuiet; {
		all, err := j.new.Status(ctx, []string{j.Folder.New})
		if err != nil {
			return err
		}
		if now := all[j.Folder.New]; now.UIDNext != last.UIDNext || now.Messages != last.Messages {
			last, quiet = now, time.Now()
		}
		if err := pause.For(ctx, session.SettleQuiet/3); err != nil {
			return err
		}
	}
	_, err := j.new.Select(ctx, j.Folder.New) // a server may show a session what others did only then
	return err
}

// found is what an interrupted MOVE has left behind.
type found struct {
	gone  []store.Entry       // lines whose copies are not where they were
	stay  []message.Candidate // messages that are where they were
	fresh []message.Candidate // messages that came since and that no line stands for
	lines map[imap.UID]store.Key
}

// settle is Settle in the open folder.
func (j *Job) settle(ctx context.Context) error {
	was := j.Folder.Order
	after := store.Order{State: was.State}
	if j.sel.UIDValidity != was.UIDValidity {
		return j.commit(ctx, nil, after) // all copies are recognised anew in that case
	}
	f, err := j.look(ctx, was)
	if err != nil {
		return err
	}
	fresh := message.NewCandidates(f.fresh)
	to := map[store.Key]imap.UID{}
	for i, c := range fresh.TakeAll(wantedOf(f.gone)) {
		if c.UID != 0 {
			to[f.gone[i].Key] = c.UID
		}
	}
	twice, err := j.sameDates(ctx, f.twice(fresh))
	if err != nil {
		return err
	}
	if err := j.removeFormer(ctx, twice); err != nil {
		return err
	}
	for from, uid := range twice {
		if key, ok := f.lines[from]; ok {
			to[key] = uid
		}
	}
	j.Log.Info().Int("moved", len(to)).Int("in_both_places", len(twice)).Msg("interrupted move settled")
	return j.renumber(ctx, to, after)
}

// look reads what is there of the messages that were to be moved, and what has come since.
func (j *Job) look(ctx context.Context, was store.Order) (*found, error) {
	l, err := j.Store.Ledger(ctx, j.Account, j.Folder.ID)
	if err != nil {
		return nil, err
	}
	there, err := j.present(ctx)
	if err != nil {
		return nil, err
	}
	moving := was.MovingUIDs()
	f := &found{lines: map[imap.UID]store.Key{}}
	for _, e := range l.Entries {
		if e.UIDValidity != was.UIDValidity || e.UID == 0 {
			continue
		}
		f.lines[e.UID] = e.Key
		if moving.Contains(e.UID) && !there[e.UID] {
			f.gone = append(f.gone, e)
		}
	}
	var set imap.UIDSet
	for uid := range there {
		if _, known := f.lines[uid]; moving.Contains(uid) || uid >= was.UIDNext && !known {
			set.AddNum(uid)
		}
	}
	for _, part := range session.Chunks(set, partSize) {
		if err := j.new.Headers(ctx, part, func(m upstream.Message, header []byte) error {
			f.take(m, header, moving)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return f, nil
}

func (f *found) take(m upstream.Message, header []byte, moving imap.UIDSet) {
	if c := message.CandidateOf(m, header); moving.Contains(m.UID) {
		f.stay = append(f.stay, c)
	} else {
		f.fresh = append(f.fresh, c)
	}
}

// twice are messages that are in both places, as their headers and sizes say: the UID that they
// had, and the new one. That is where a server was at when it broke off.
func (f *found) twice(fresh *message.Candidates) map[imap.UID]imap.UID {
	want := make([]message.Wanted, len(f.stay))
	for i, c := range f.stay {
		want[i] = message.Wanted{Fingerprint: c.Fingerprint, Size: c.Size}
	}
	twice := map[imap.UID]imap.UID{}
	for i, c := range fresh.TakeExact(want) {
		if c.UID != 0 {
			twice[f.stay[i].UID] = c.UID
		}
	}
	return twice
}

// sameDates leaves those that have the same INTERNALDATE as well, which a MOVE keeps.
func (j *Job) sameDates(ctx context.Context, twice map[imap.UID]imap.UID) (map[imap.UID]imap.UID, error) {
	if len(twice) == 0 {
		return nil, nil
	}
	var set imap.UIDSet
	for from, to := range twice {
		set.AddNum(from, to)
	}
	call, err := j.new.SendReadBack(ctx, j.Folder.New, j.sel.UIDValidity, set, nil)
	if err != nil {
		return nil, err
	}
	all, err := call.Wait(ctx)
	if err != nil {
		return nil, err
	}
	dates := make(map[imap.UID]time.Time, len(all))
	for _, m := range all {
		dates[m.UID] = m.Date
	}
	maps.DeleteFunc(twice, func(from, to imap.UID) bool { return dates[from].IsZero() || !dates[from].Equal(dates[to]) })
	_, err = j.new.Select(ctx, j.Folder.New)
	return twice, err
}

// removeFormer ends MOVEs that broke off: it removes messages from where they were.
func (j *Job) removeFormer(ctx context.Context, twice map[imap.UID]imap.UID) error {
	if len(twice) == 0 {
		return nil
	}
	var set imap.UIDSet
	var marks []upstream.FlagChange
	for from := range twice {
		set.AddNum(from)
		marks = append(marks, upstream.FlagChange{UID: from, Add: []imap.Flag{imap.FlagDeleted}})
	}
	if err := j.new.StoreFlags(ctx, marks); err != nil {
		return err
	}
	for _, part := range session.Chunks(set, partSize) {
		if err := j.new.ExpungeUIDs(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func wantedOf(lines []store.Entry) []message.Wanted {
	want := make([]message.Wanted, len(lines))
	for i, e := range lines {
		want[i] = message.Wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}
	}
	return want
}
