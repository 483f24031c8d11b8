package syncer

import (
	"context"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// A folder that the new server does not know any more, without our having seen it deleted,
// is missing: its user may have deleted it, but it may also be one that is renamed, hidden
// for a while or lost. It is not made again by itself, it is looked for at each look at the
// trees, and as long as mail stays behind because of it no pass is complete. A person can
// say that it was deleted, or have it made again.

// lookEvery is how far apart looks for a missing folder are to count as several.
const lookEvery = time.Hour

// leftCount is how many messages of a folder's old side are not on the new server, when
// the old server told such a status.
type leftCount struct {
	status   upstream.Status
	messages uint64
}

// judge completes rows after a look: how long the missing ones have been looked for and
// what stays behind because of them. It returns those that differ from how they were before.
func (k *treeLook) judge(ctx context.Context, before, rows []store.Folder) (changed []store.Folder, err error) {
	for _, row := range rows {
		was := rowNamed(before, row.Old)
		switch {
		case row.State == store.FolderMissing:
			k.lookedFor(&row, was)
			if row.LeftOut, err = k.leftOut(ctx, row); err != nil {
				return nil, err
			}
		case row.Missing.Looks > 0 && row.State != store.FolderPlanned:
			row.Missing, row.LeftOut = store.Missing{}, 0
		}
		if st, told := k.newStatus(row.New); told && was == nil && row.NewUIDValidity == 0 {
			row.NewUIDValidity = st.UIDValidity
		}
		if was == nil || row != *was {
			changed = append(changed, row)
		}
	}
	return changed, nil
}

// rowNamed is the row of an old folder, nil if there is none.
func rowNamed(rows []store.Folder, old string) *store.Folder {
	for i := range rows {
		if rows[i].Old == old {
			return &rows[i]
		}
	}
	return nil
}

// lookedFor counts a look that did not find a folder.
func (k *treeLook) lookedFor(row *store.Folder, was *store.Folder) {
	now := k.now.UTC()
	switch {
	case was == nil || was.State != store.FolderMissing || row.Missing.Looks == 0:
		row.Missing = store.Missing{Since: now, Looks: 1, Last: now}
	case now.Sub(row.Missing.Last) >= lookEvery:
		row.Missing.Looks++
		row.Missing.Last = now
	}
}

// leftOut counts what does not come because a folder is missing. What is not on the old
// server either stays as it was counted last.
func (k *treeLook) leftOut(ctx context.Context, row store.Folder) (uint64, error) {
	st, there := k.status[row.Old]
	if !there {
		return row.LeftOut, nil
	}
	cp := row.Checkpoint
	same := !cp.Checked.IsZero() && cp.UIDValidity == st.UIDValidity && st.UIDNext != 0
	if st.Messages == 0 && st.UIDNext != 0 || same && st.UIDNext <= cp.UIDNext && row.Again == 0 {
		return 0, nil
	}
	if c, ok := k.counted[row.ID]; ok && c.status == st && st != (upstream.Status{}) {
		return c.messages, nil
	}
	n, err := k.countLeft(ctx, row)
	if upstream.ClassOf(err) == upstream.Refused {
		return uint64(st.Messages) - min(uint64(st.Messages), row.Copied), nil
	}
	if err == nil {
		k.counted[row.ID] = leftCount{st, n}
	}
	return n, err
}

// countLeft compares a folder of the old server with its ledger.
func (k *treeLook) countLeft(ctx context.Context, row store.Folder) (n uint64, err error) {
	old, err := k.lane.oldSession(ctx)
	if err != nil {
		return 0, err
	}
	return countUnknown(ctx, old, k.account.store, k.account.id, row)
}

// countUnknown is how many messages of a folder of the old server its ledger does not have.
func countUnknown(ctx context.Context, old oldSession, st store.Store, id store.AccountID, row store.Folder) (n uint64, err error) {
	sel, err := old.Open(ctx, row.Old, ahead{})
	if err != nil || sel.Messages == 0 {
		return 0, err
	}
	ledger, err := st.Ledger(ctx, id, row.ID)
	if err != nil {
		return 0, err
	}
	known := newKnown(ledger, sel.keys)
	seen := map[imap.UID]bool{}
	err = old.ListFlags(ctx, imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, func(m upstream.Message) error {
		if _, again := known.again[m.UID]; !seen[m.UID] && (again || !known.has(m.UID)) {
			n++
		}
		seen[m.UID] = true
		return nil
	})
	return n - min(n, uint64(len(known.stale))), err // numbered anew there, they can't be told apart
}

// missingProblem is what a pass ends with that had no other problem, if mail stays behind
// because folders are missing; nil if none does.
func (a *account) missingProblem() *store.Problem {
	folders, messages := 0, uint64(0)
	var first *tracked
	for _, f := range a.folders {
		if f.State == store.FolderMissing && f.LeftOut > 0 {
			folders, messages = folders+1, messages+f.LeftOut
			if first == nil {
				first = f
			}
		}
	}
	if first == nil {
		return nil
	}
	what := "The folder is"
	if folders > 1 {
		what = fmt.Sprintf("%d folders are", folders)
	}
	return &store.Problem{
		Kind: store.MissingFolder, Server: store.NewSide, Host: a.domain.New.Host, Folder: first.Title, Advice: store.RetryLater,
		Summary: fmt.Sprintf("%s not on the new server any more, and %s not come because of that. What is found again, under whatever name, goes on by itself; otherwise say whether it was deleted or is to be made again.",
			what, messagesDo(messages)),
		Cause: fmt.Sprintf("looked for in vain since %s", first.Missing.Since.UTC().Format(time.RFC3339)),
		Since: first.Missing.Since, Retry: time.Now().Add(a.cfg.Sync.Interval),
	}
}

// messagesDo is a number of messages with its verb.
func messagesDo(n uint64) string {
	if n == 1 {
		return "1 message does"
	}
	return fmt.Sprintf("%d messages do", n)
}

// renumberedMost is how often a folder's UIDVALIDITY may change before it stops meaning anything:
// some servers have another one whenever a folder is opened.
const renumberedMost = 2

// noteNumbers keeps the UIDVALIDITY of a new folder that a pull has found.
func (a *account) noteNumbers(f *tracked, p *pull, err error) {
	v := p.target.UIDValidity
	if err != nil || v == 0 || p.fleeting || f.NewUIDValidity == v || f.State != store.FolderPresent || f.New != p.folder.New {
		return
	}
	was := f.NewUIDValidity
	if was != 0 {
		f.renumbered++
	}
	f.NewUIDValidity = v
	if _, err := a.putFolders([]store.Folder{f.Folder}); err != nil {
		f.NewUIDValidity = was
		a.log.Error().Err(err).Str("folder", f.Title).Msg("the folder's UIDVALIDITY could not be recorded")
	}
}
