package verify

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"

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

// Of a folder with all mail what lies in no other folder has to be on the new server once, in the
// archive or, if its user has moved it, in any folder.

// archives is what a verification keeps of folders until it comes to those with all mail.
type archives struct {
	rows  []store.Folder     // nil if there are none of those
	there leftout.Identities // messages of the new server's folders that were compared
	// spare are messages of new folders that are no copies of the old folder's that has it, by raw name.
	spare map[string]map[imap.UID]bool
}

// newArchives is nil if there are no folders with all mail. known are the rows of the store: those
// of folders that the old server has no more count, too.
func newArchives(folders []counterpart, known []store.Folder) *archives {
	if !slices.ContainsFunc(folders, func(f counterpart) bool { return leftout.ToArchive(&f.Folder) }) {
		return nil
	}
	a := &archives{there: leftout.Identities{}, spare: map[string]map[imap.UID]bool{}}
	for i := range folders {
		a.rows = append(a.rows, folders[i].Folder)
	}
	a.rows = foldertree.LatestRows(known, a.rows)
	return a
}

// shared tells whether the new folder of a row is the archive of all mail as well.
func (a *archives) shared(row *store.Folder) bool {
	return a != nil && slices.ContainsFunc(a.rows, func(all store.Folder) bool {
		with := foldertree.Sharer(a.rows, &all)
		return with != nil && with.Old == row.Old && leftout.ToArchive(&all)
	})
}

// saw takes in what the new server has in a folder that was compared.
func (a *archives) saw(p *folderPair) {
	if a == nil {
		return
	}
	for i := range p.new {
		if r := &p.new[i]; r.marked {
			a.there[message.Wanted{Fingerprint: r.mark, Size: int64(r.size)}] = struct{}{}
		}
	}
	if !a.shared(&p.Folder) {
		return
	}
	spare := map[imap.UID]bool{}
	p.verdicts = slices.DeleteFunc(p.verdicts, func(v verdict) bool {
		if v.kind == report.Extra {
			spare[p.new[v.new].uid] = true
		}
		return v.kind == report.Extra
	})
	p.spared, a.spare[p.newName] = len(spare), spare
}

// allMail verifies the folders with all mail.
func (c *accountCheck) allMail(ctx context.Context, folders []counterpart) error {
	for _, f := range folders {
		if !leftout.ToArchive(&f.Folder) || c.status[f.Old].Messages == 0 {
			continue
		}
		if err := c.pair.Open(ctx); err != nil {
			return err
		}
		if err := c.archive(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// archive verifies one of them.
func (c *accountCheck) archive(ctx context.Context, f counterpart) error {
	lone, err := c.lone(ctx, f)
	if err == nil && len(lone) == 0 {
		return nil
	}
	box, exists := c.lookUp(f.New)
	var p *folderPair
	switch {
	case err != nil:
	case !exists:
		return c.noArchive(ctx, f, lone)
	default:
		p, err = c.compareArchive(ctx, f, box.Name, lone)
	}
	if err != nil {
		return c.notCompared(ctx, f, err)
	}
	p.verdicts = slices.DeleteFunc(p.verdicts, func(v verdict) bool {
		_, elsewhere := c.archives.there[p.identity(v)]
		return v.kind == report.Missing && elsewhere
	})
	return c.report(ctx, p)
}

// identity is that of a verdict's message of the old server.
func (p *folderPair) identity(v verdict) message.Wanted {
	if v.old == nobody {
		return message.Wanted{}
	}
	return message.Wanted{Fingerprint: p.old[v.old].mark, Size: int64(p.old[v.old].size)}
}

// lone are the messages that lie in no other folder.
func (c *accountCheck) lone(ctx context.Context, f counterpart) (lone map[imap.UID]bool, err error) {
	for range vainTries {
		if err = c.pair.Open(ctx); err != nil {
			return nil, err
		}
		judge := &leftout.ArchiveJudge{Store: c.run.Store, Account: c.row.ID, Folder: f.ID, Old: f.Old, Session: c.pair.Old, Rows: c.archives.rows}
		var list []upstream.Message
		list, err = judge.Lone(ctx, 1)
		if err == nil {
			lone = map[imap.UID]bool{}
			for _, m := range list {
				lone[m.UID] = true
			}
			return lone, nil
		}
		if ctx.Err() != nil || link.ClassOf(err) != link.Lost {
			return nil, err
		}
		c.pair.Drop()
	}
	return nil, err
}

// compareArchive compares them with what the new folder has beside the copies of another old one.
func (c *accountCheck) compareArchive(ctx context.Context, f counterpart, newName string, lone map[imap.UID]bool) (*folderPair, error) {
	p := c.newPair(f, newName)
	p.oldSide.keep = func(uid imap.UID) bool { return lone[uid] }
	spare, compared := c.archives.spare[newName]
	if compared {
		p.newSide.keep = func(uid imap.UID) bool { return spare[uid] }
	}
	err := c.complete(ctx, p)
	if err == nil && !compared && foldertree.Sharer(c.archives.rows, &f.Folder) != nil { // what is of that one nobody knows
		p.verdicts = slices.DeleteFunc(p.verdicts, func(v verdict) bool { return v.old == nobody })
	}
	return p, err
}

// noArchive tells that the new server has no archive.
func (c *accountCheck) noArchive(ctx context.Context, f counterpart, lone map[imap.UID]bool) error {
	missing := len(lone)
	if f.ID != 0 {
		l, err := c.run.Store.Ledger(ctx, c.row.ID, f.ID)
		if err != nil {
			return err
		}
		for i := range l.Entries {
			if _, uid, ok := message.SplitKey(l.Entries[i].Key); ok && lone[uid] {
				missing--
			}
		}
	}
	if missing <= 0 {
		return c.aboutFolder(report.FolderAbsent, f, reason.Of(reason.AllCopied))
	}
	return c.aboutFolder(report.FolderMissing, f, reason.Of(reason.SomeLeft, missing))
}

// notCompared tells why a folder could not be compared, if that says nothing of the others.
func (c *accountCheck) notCompared(ctx context.Context, f counterpart, err error) error {
	broken, _ := errors.AsType[*link.Error](err)
	switch {
	case ctx.Err() != nil:
		return err
	case isUnlisted(err), leftout.IsCountsError(err):
		return c.aboutFolder(report.FolderUnread, f, unlisted(f.Title, err))
	case aboutFolder(err):
		c.log.Warn().Err(err).Str("folder", f.Title).Msg("the folder could not be compared")
		return c.found(report.Finding{Folder: f.Title, NewFolder: foldertree.DecodeName(f.New), Kind: report.FolderUnread, Reason: broken.Summary(), Trouble: problem.Of(err, f.Title, 1)})
	}
	return err
}
