package verify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/compare"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// accountCheck is the verification of one account.
type accountCheck struct {
	run      *verifying
	row      store.Account
	log      zerolog.Logger
	pair     compare.Pair
	old, new foldertree.Tree
	there    map[string]upstream.Mailbox // of the new server, by key
	result   report.VerifiedAccount
	status   map[string]upstream.Status // of the old folders
	views    map[string]bool            // left alone, by raw old name
	seen     leftout.Identities         // messages of the folders that are compared
	archives *archives                  // nil where no folder shows all mail
}

func (c *accountCheck) check(ctx context.Context) error {
	domain, ok := c.run.Config.DomainNamed(c.row.Domain)
	switch {
	case !ok:
		c.result.Problem = reason.Of(reason.NoDomain, c.row.Domain)
		c.result.Trouble = &store.Problem{Kind: store.NoDomain, Summary: c.result.Problem, Advice: store.NeedsFix, Since: time.Now()}
		return nil
	case c.row.State == store.Finished:
		c.result.Problem = reason.Of(reason.Finished)
		return nil
	}
	c.pair = compare.Pair{Stall: c.run.Config.Sync.Stall, Log: c.log, Account: c.row, Domain: domain, SignIns: c.run.SignIns}
	known, err := c.run.Store.Folders(ctx, c.row.ID)
	if err != nil {
		return err
	}
	if err := c.trees(ctx, known); err != nil {
		return err
	}
	if n := c.oldEmptied(known, domain.Old); n > 0 {
		c.result.Problem = reason.Of(reason.OldEmptied, n)
		c.result.Trouble = &store.Problem{Kind: store.EmptiedMailbox, Server: store.OldSide, Host: domain.Old.Host, Summary: c.result.Problem, Advice: store.RetryLater, Since: time.Now()}
		return nil
	}
	folders, tree, err := counterparts(ctx, c.old, c.new, known, foldertree.Wishes{Folders: domain.Folders, MaxFolders: c.run.Config.Sync.MaxFolders})
	if err != nil {
		return err
	}
	c.seen, c.views, c.archives = leftout.Identities{}, viewsIn(c.old, folders), newArchives(folders, known)
	if tree.Omitted > 0 {
		first := counterpart{Folder: store.Folder{Title: tree.FirstOmitted}}
		if err := c.aboutFolder(report.FolderMissing, first, reason.Of(reason.Omitted, tree.Omitted)); err != nil {
			return err
		}
	}
	used := map[string]bool{}
	for _, f := range folders {
		box, exists := c.lookUp(f.New)
		exists = exists && !(f.State == store.FolderMissing && nameTaken(folders, f))
		if exists {
			used[box.Name] = true
		}
		if err := c.folder(ctx, f, box, exists); err != nil {
			return err
		}
	}
	if err := c.allMail(ctx, folders); err != nil {
		return err
	}
	if err := c.lookThrough(ctx, folders, known); err != nil {
		return err
	}
	if err := c.leftOld(known); err != nil {
		return err
	}
	return c.extraFolders(used)
}

// oldEmptied is how many messages were copied from the old mailbox if that is empty now and INBOX is not
// the one that it was: what had not been copied may be lost. An old mailbox that its user has emptied is the one
// it was, and one that is read by POP3 is emptied by mail programs.
func (c *accountCheck) oldEmptied(known []store.Folder, server config.Server) (copied uint64) {
	inbox := slices.IndexFunc(known, func(f store.Folder) bool { return foldertree.IsInbox(&f) })
	if inbox < 0 || !session.TraitsOf(server).Folders {
		return 0
	}
	was, now := known[inbox].Checkpoint.UIDValidity, c.status[known[inbox].Old].UIDValidity
	if was == 0 || now == 0 || was == now {
		return 0
	}
	for _, m := range c.old.Mailboxes {
		if at, told := c.status[m.Name]; foldertree.Selectable(m) && (!told || at.Messages > 0) {
			return 0
		}
	}
	for i := range known {
		copied += known[i].Copied
	}
	return copied
}

// nameTaken tells whether a missing folder's name on the new server is another's by now.
func nameTaken(all []counterpart, f counterpart) bool {
	return slices.ContainsFunc(all, func(other counterpart) bool {
		return other.Old != f.Old && foldertree.HoldsName(&other.Folder) && foldertree.CanonicalInbox(foldertree.DecodeName(other.New)) == foldertree.CanonicalInbox(foldertree.DecodeName(f.New))
	})
}

// leftOld tells of folders that went from the old server before all of their mail was copied.
func (c *accountCheck) leftOld(known []store.Folder) error {
	for _, f := range known {
		wanted := f.State == store.FolderPlanned || f.State == store.FolderPresent || f.State == store.FolderMissing
		there := slices.ContainsFunc(c.old.Mailboxes, func(m upstream.Mailbox) bool {
			return foldertree.CanonicalName(m.Name) == f.Old && foldertree.Selectable(m)
		})
		if !wanted || there || !f.Checkpoint.Checked.IsZero() {
			continue
		}
		if err := c.aboutFolder(report.FolderUnread, counterpart{Folder: f}, reason.Of(reason.LeftOld)); err != nil {
			return err
		}
	}
	return nil
}

func (c *accountCheck) trees(ctx context.Context, known []store.Folder) (err error) {
	t, err := c.pair.Trees(ctx, known)
	if err != nil {
		return err
	}
	c.old, c.status, c.new = t.Old, t.Status, t.New
	if err := c.oddList(); err != nil {
		return err
	}
	c.there = make(map[string]upstream.Mailbox)
	for _, m := range c.new.Mailboxes {
		if foldertree.Selectable(m) {
			key := foldertree.CanonicalInbox(foldertree.DecodeName(m.Name))
			c.there[strings.ToLower(key)] = m
		}
	}
	for _, m := range c.new.Mailboxes { // exact names go before those that differ in case
		if foldertree.Selectable(m) {
			c.there[foldertree.CanonicalInbox(foldertree.DecodeName(m.Name))] = m
		}
	}
	if _, listed := c.there[foldertree.InboxName]; !listed { // it is there all the same (RFC 9051 section 5.1)
		c.there[foldertree.InboxName] = upstream.Mailbox{Name: foldertree.InboxName, Subscribed: true}
	}
	return nil
}

// oddList tells of folders that the old server has and does not list as it should.
func (c *accountCheck) oddList() error {
	about := counterpart{Folder: store.Folder{Title: foldertree.DecodeName(c.old.Last)}}
	switch {
	case c.old.Partial:
		return c.aboutFolder(report.FolderUnread, about, reason.Of(reason.ListBreaks))
	case c.old.Unread > 0:
		return c.aboutFolder(report.FolderUnread, about, reason.Of(reason.ListUnread))
	}
	return nil
}

// lookUp finds a folder of the new server, in another case if need be.
func (c *accountCheck) lookUp(name string) (upstream.Mailbox, bool) {
	key := foldertree.CanonicalInbox(foldertree.DecodeName(name))
	if m, ok := c.there[key]; ok {
		return m, true
	}
	m, ok := c.there[strings.ToLower(key)]
	return m, ok
}

// counterpart is a folder of the old server and its row, stored or planned.
type counterpart struct {
	store.Folder
	subscribed bool
}

// counterparts are the folders that the old server has now, with the rows of
// the store, and where it knows nothing of them with what a pass would make of
// them. What the configuration leaves alone now is skipped, also if it was
// copied before. The plan has those that are left out as there are too many.
func counterparts(ctx context.Context, old, new foldertree.Tree, known []store.Folder, wish foldertree.Wishes) ([]counterpart, foldertree.TreePlan, error) {
	stored := make(map[string]store.Folder, len(known))
	for _, f := range known {
		stored[f.Old] = f
	}
	subscribed := make(map[string]bool, len(old.Mailboxes))
	for _, m := range old.Mailboxes {
		subscribed[foldertree.CanonicalName(m.Name)] = m.Subscribed
	}
	rows, tree, err := compare.PlannedRows(ctx, old, new, known, wish)
	all := make([]counterpart, 0, len(rows))
	for _, row := range rows {
		// A stored row is the truth: only the user's own deletions are known there.
		if f, ok := stored[row.Old]; ok && f.State != store.FolderSkipped && row.State != store.FolderSkipped {
			row = f
		}
		all = append(all, counterpart{row, subscribed[row.Old]})
	}
	return all, tree, err
}

// folder verifies a folder of the old server.
func (c *accountCheck) folder(ctx context.Context, f counterpart, box upstream.Mailbox, exists bool) error {
	switch {
	case leftout.ToArchive(&f.Folder):
		return nil // see allMail
	case c.views[f.Old] && c.status[f.Old].Messages > 0:
		return nil // once it is known what lies in the others: lookThrough
	case f.State == store.FolderSkipped:
		return c.leftAlone(report.FolderSkipped, f, f.Note, leftout.Of(&f.Folder, c.status[f.Old]))
	case f.State == store.FolderDeleted:
		return c.deletedByUser(f, leftout.Of(&f.Folder, c.status[f.Old]))
	case !exists:
		return c.absent(ctx, f)
	}
	if f.subscribed && !box.Subscribed {
		if err := c.aboutFolder(report.Unsubscribed, f, ""); err != nil {
			return err
		}
	}
	p, err := c.compare(ctx, f, box.Name)
	if err == nil {
		c.saw(p)
		c.archives.saw(p)
		return c.report(ctx, p)
	}
	return c.notCompared(ctx, f, err)
}

// absent tells of a folder that is not on the new server. Of one that passes have missed it is
// known whether mail stays behind because of that, or all of it had been copied there once.
func (c *accountCheck) absent(ctx context.Context, f counterpart) error {
	if f.State != store.FolderMissing {
		return c.aboutFolder(report.FolderMissing, f, "")
	}
	if err := c.pair.Open(ctx); err != nil {
		return err
	}
	n, err := leftout.CountUnknown(ctx, c.pair.Old, c.run.Store, c.row.ID, f.Folder)
	switch {
	case err != nil && ctx.Err() == nil && aboutFolder(err):
		if !link.Answered(err) {
			c.pair.Drop()
		}
		return c.aboutFolder(report.FolderMissing, f, "")
	case err != nil:
		return err
	case n == 0:
		return c.aboutFolder(report.FolderAbsent, f, reason.Of(reason.AllCopied))
	}
	return c.aboutFolder(report.FolderMissing, f, reason.Of(reason.SomeLeft, n))
}

// aboutFolder tells whether what went wrong with a folder says nothing of the others: the
// server could be reached and let us in.
func aboutFolder(err error) bool {
	e, ok := errors.AsType[*link.Error](err)
	return ok && e.Class != link.Fix && e.Op != "connect" && !strings.EqualFold(e.Op, "login")
}

// aboutFolder tells something about a folder as a whole.
func (c *accountCheck) aboutFolder(kind report.FindingKind, f counterpart, why reason.Reason) error {
	return c.found(report.Finding{Folder: f.Title, NewFolder: foldertree.DecodeName(f.New), Kind: kind, Reason: why})
}

// found counts and tells a finding.
func (c *accountCheck) found(f report.Finding) error {
	f.Login, f.Severity = c.row.Login, f.Kind.Severity()
	c.result.Found[f.Kind]++
	return c.run.tell(report.VerifyEvent{Finding: &f})
}

// extraFolders tells which of the new server's folders are no counterpart of
// an old one.
func (c *accountCheck) extraFolders(used map[string]bool) error {
	for _, m := range c.new.Mailboxes {
		_, _, personal := foldertree.Locate(m.Name, m.Delim, c.new.Namespace)
		if !foldertree.Selectable(m) || used[m.Name] || !personal {
			continue
		}
		f := report.Finding{Folder: foldertree.DecodeName(m.Name), NewFolder: foldertree.DecodeName(m.Name), Kind: report.FolderExtra}
		if m.Status != nil {
			f.New = reason.Of(reason.Messages, m.Status.Messages)
		}
		if err := c.found(f); err != nil {
			return err
		}
	}
	return nil
}
