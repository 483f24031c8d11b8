package dryrun

import (
	"context"

	"github.com/emersion/go-imap/v2"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/syncer/message"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// comes notes a message that would be copied.
func (p *accountPlanner) comes(folder string, uid imap.UID) {
	if p.coming == nil {
		p.coming = map[string]imap.UIDSet{}
	}
	set := p.coming[folder]
	if last := len(set) - 1; last >= 0 && set[last].Stop+1 == uid {
		set[last].Stop = uid
		return
	}
	p.coming[folder] = append(set, imap.UIDRange{Start: uid, Stop: uid})
}

// lookThrough plans for all mail, and counts what lies in other views only. It takes the headers of all that is not copied yet,
// which only accounts with views pay for.
func (p *accountPlanner) lookThrough(ctx context.Context, views map[string]bool, rows []store.Folder) error {
	if err := p.allMail(ctx, rows); err != nil {
		return err
	}
	var left []int // the views' places in rows, and in the plan
	for i := range rows {
		if views[rows[i].Old] && !leftout.ToArchive(&rows[i]) && p.plan.Folders[i].Messages > 0 {
			left = append(left, i)
		}
	}
	if len(left) == 0 {
		return nil
	}
	known, err := leftout.LedgerIdentities(ctx, p.store, p.id, rows)
	if err != nil {
		return err
	}
	for folder, set := range p.coming {
		if err := p.identify(ctx, folder, set, known); err != nil {
			return err
		}
	}
	for _, i := range left {
		lone, err := leftout.OnlyThere(ctx, p.pair.Old, rows[i].Old, known)
		f := &p.plan.Folders[i]
		switch {
		case link.ClassOf(err) == link.Refused || leftout.IsCountsError(err):
			f.Problem, f.Trouble = reason.Of(reason.FolderUnread), problem.Of(err, f.Folder, 1)
			f.LeftOut = 0
		case err != nil:
			return err
		default:
			f.LeftOut = uint64(len(lone))
		}
	}
	return nil
}

// allMail plans for folders with all mail. What lies in no other folder is found out by reading
// the headers of all that is not copied yet.
func (p *accountPlanner) allMail(ctx context.Context, rows []store.Folder) error {
	for i := range rows {
		row, f := &rows[i], &p.plan.Folders[i]
		if !leftout.ToArchive(row) || f.Messages == 0 {
			continue
		}
		judge := &leftout.ArchiveJudge{Store: p.store, Account: p.id, Folder: row.ID, Old: row.Old, Session: p.pair.Old, Rows: foldertree.LatestRows(p.known, rows)}
		lone, err := judge.Lone(ctx, max(row.Checkpoint.UIDNext, 1))
		switch {
		case link.ClassOf(err) == link.Refused || leftout.IsCountsError(err):
			f.Problem, f.Trouble = reason.Of(reason.FolderUnread), problem.Of(err, f.Folder, 1)
			continue
		case err != nil:
			return err
		}
		if err := p.archive(ctx, row, f, lone); err != nil {
			return err
		}
	}
	return nil
}

// archive plans for what lies in no other folder.
func (p *accountPlanner) archive(ctx context.Context, row *store.Folder, f *report.FolderPlan, lone []upstream.Message) error {
	known := map[imap.UID]bool{}
	if row.ID != 0 {
		l, err := p.store.Ledger(ctx, p.id, row.ID)
		if err != nil {
			return err
		}
		for i := range l.Entries {
			if validity, uid, ok := message.SplitKey(l.Entries[i].Key); ok && validity == row.Checkpoint.UIDValidity {
				known[uid] = true
			}
		}
	}
	for _, m := range lone {
		if known[m.UID] {
			continue
		}
		if row.State == store.FolderMissing {
			f.Left++
			continue
		}
		p.comes(row.Old, m.UID)
		size := max(m.Size, 0)
		f.Copy++
		f.Bytes += uint64(size)
		if p.plan.Limit > 0 && size > p.plan.Limit {
			f.TooLarge++
		}
	}
	return nil
}

// identify adds the messages that would be copied to those that are known.
func (p *accountPlanner) identify(ctx context.Context, folder string, set imap.UIDSet, known leftout.Identities) error {
	if _, err := p.pair.Old.Open(ctx, folder, session.OpenWith{}); err != nil {
		return err
	}
	for _, part := range session.Chunks(set, session.ListWindow) {
		err := p.pair.Old.Headers(ctx, part, func(m upstream.Message, header []byte) error {
			known[message.Wanted{Fingerprint: message.Fingerprint(header, m.Size), Size: m.Size}] = struct{}{}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
