package verify

import (
	"context"
	"errors"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/syncer/message"
	"postferry/syncer/problem"
	"postferry/upstream"
	"postferry/upstream/link"
)

// viewsIn are viewsOf among the folders that are verified.
func viewsIn(old foldertree.Tree, folders []counterpart) map[string]bool {
	rows := make([]store.Folder, len(folders))
	for i := range folders {
		rows[i] = folders[i].Folder
	}
	return leftout.Views(old, rows)
}

// saw takes in what a folder has that was compared. Nobody needs it where there are no views.
func (c *accountCheck) saw(p *folderPair) {
	if len(c.views) == 0 {
		return
	}
	for i := range p.oldSide.records {
		if r := &p.oldSide.records[i]; r.marked {
			c.seen[message.Wanted{Fingerprint: r.mark, Size: int64(r.size)}] = struct{}{}
		}
	}
}

// leftAlone tells of a folder that is deliberately not compared, and how many messages that leaves out.
func (c *accountCheck) leftAlone(kind report.FindingKind, f counterpart, why reason.Reason, messages uint64) error {
	about := report.Finding{Folder: f.Title, NewFolder: foldertree.DecodeName(f.New), Kind: kind, Reason: why}
	if messages > 0 {
		about.Old = reason.Of(reason.LeftOut, messages)
	}
	return c.found(about)
}

// deletedByUser tells of a folder that nothing comes to any more.
func (c *accountCheck) deletedByUser(f counterpart, messages uint64) error {
	return c.leftAlone(report.FolderRemoved, f, reason.Of(reason.DeletedThere), messages)
}

// lookThrough tells which messages lie in views only. What was copied once, and has left its folder
// on the old server since, counts as copied.
func (c *accountCheck) lookThrough(ctx context.Context, folders []counterpart, rows []store.Folder) error {
	var known bool
	for _, f := range folders {
		if !c.views[f.Old] || leftout.ToArchive(&f.Folder) || c.status[f.Old].Messages == 0 {
			continue
		}
		if !known {
			ledgers, err := leftout.LedgerIdentities(ctx, c.run.Store, c.row.ID, rows)
			if err != nil {
				return err
			}
			known = true
			for id := range ledgers {
				c.seen[id] = struct{}{}
			}
		}
		if err := c.view(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// view tells which messages lie in a view only.
func (c *accountCheck) view(ctx context.Context, f counterpart) error {
	lone, err := c.onlyThere(ctx, f.Old)
	broken, _ := errors.AsType[*link.Error](err)
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return err
	case leftout.IsCountsError(err):
		return c.aboutFolder(report.FolderUnread, f, unlisted(f.Title, err))
	case aboutFolder(err):
		return c.found(report.Finding{Folder: f.Title, Kind: report.FolderUnread, Reason: broken.Summary(), Trouble: problem.Of(err, f.Title, 1)})
	default:
		return err
	}
	if f.State == store.FolderDeleted {
		err = c.deletedByUser(f, uint64(len(lone)))
	} else {
		err = c.leftAlone(report.FolderSkipped, f, f.Note, uint64(len(lone)))
	}
	if err != nil {
		return err
	}
	for _, m := range lone {
		if err := c.found(report.Finding{Folder: f.Title, Kind: report.LeftOut, OldUID: m.UID, Size: m.Size, Reason: reason.Of(reason.OnlyInView)}); err != nil {
			return err
		}
	}
	return nil
}

// onlyThere goes on after connections that break.
func (c *accountCheck) onlyThere(ctx context.Context, folder string) (lone []upstream.Message, err error) {
	for range vainTries {
		if err = c.pair.Open(ctx); err != nil {
			return nil, err
		}
		lone, err = leftout.OnlyThere(ctx, c.pair.Old, folder, c.seen)
		if ctx.Err() != nil || link.ClassOf(err) != link.Lost || !aboutFolder(err) {
			return lone, err
		}
		c.pair.Drop()
	}
	return nil, err
}
