package leftout

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// Gmail tells of each message in which folders it is: they are its labels (X-GM-LABELS). A message
// without the label of a folder that is listed is archived, and nothing has to be compared. Whether
// it was copied when it had one its header tells; of two messages that look the same
// the ids tell which is which (X-GM-MSGID).

// gmailLabels are what Gmail calls the folders with a special use, in lower case.
var gmailLabels = map[imap.MailboxAttr][]string{
	imap.MailboxAttrSent: {`\sent`}, imap.MailboxAttrDrafts: {`\draft`, `\drafts`},
	imap.MailboxAttrTrash: {`\trash`}, imap.MailboxAttrJunk: {`\spam`, `\junk`},
}

// byLabels finds out by labels. Messages whose labels are not told are compared.
func (j *ArchiveJudge) byLabels(ctx context.Context, s session.LabelSession, msgs []upstream.Message) ([]upstream.Message, error) {
	if err := j.askLabels(ctx); err != nil {
		return nil, err
	}
	told := map[imap.UID]upstream.Labelled{}
	for _, part := range session.Chunks(session.SetOfMessages(msgs), session.ListWindow) {
		if err := labelsIn(ctx, s, part, told, j.isFolder); err != nil {
			return nil, err
		}
	}
	var archived, others, coming []upstream.Message
	for _, m := range msgs {
		l, ok := told[m.UID]
		switch {
		case !ok:
			others = append(others, m)
		case len(l.Labels) == 0:
			archived = append(archived, m)
		case slices.ContainsFunc(l.Labels, func(label string) bool { return j.labels[LabelKey(label)] }):
			coming = append(coming, m)
		}
	}
	if err := j.awaitLabelled(ctx, coming); err != nil {
		return nil, err
	}
	lone, err := j.notCopied(ctx, s, archived, told)
	if err != nil || len(others) == 0 {
		return lone, err
	}
	if j.Left {
		if _, err := j.Session.Open(ctx, j.Old, session.OpenWith{}); err != nil {
			return nil, err
		}
	}
	more, err := j.byIdentity(ctx, others)
	return inUIDOrder(append(lone, more...)), err
}

// awaitLabelled notes which of the messages that are in folders with mail to be copied have not been copied yet.
func (j *ArchiveJudge) awaitLabelled(ctx context.Context, msgs []upstream.Message) error {
	if len(msgs) == 0 {
		return nil
	}
	want, err := identify(ctx, j.Session, msgs)
	if err != nil {
		return err
	}
	for _, m := range j.unknown(msgs, want) {
		if j.Waiting == 0 || m.UID < j.Waiting {
			j.Waiting = m.UID
		}
	}
	j.await(msgs, want)
	return nil
}

// labelsIn adds what is told of a set, with the labels that count.
func labelsIn(ctx context.Context, s session.LabelSession, set imap.UIDSet, told map[imap.UID]upstream.Labelled, counts func(string) bool) error {
	return s.Labels(ctx, set, func(l upstream.Labelled) error {
		l.Labels = slices.DeleteFunc(l.Labels, func(label string) bool { return !counts(label) })
		told[l.UID] = l
		return nil
	})
}

func inUIDOrder(msgs []upstream.Message) []upstream.Message {
	slices.SortFunc(msgs, func(a, b upstream.Message) int { return cmp.Compare(a.UID, b.UID) })
	return msgs
}

// isFolder tells whether a label is a folder that is listed.
func (j *ArchiveJudge) isFolder(label string) bool {
	_, is := j.labels[LabelKey(label)]
	return is
}

// LabelledFolders are the raw names of the folders of an old server by their labels, as LabelKey has them.
func LabelledFolders(tree foldertree.Tree) map[string]string {
	all := map[string]string{}
	for _, m := range tree.Mailboxes {
		if !foldertree.Selectable(m) {
			continue
		}
		name := foldertree.CanonicalName(m.Name)
		all[name] = m.Name
		for _, label := range gmailLabels[foldertree.AttrUse(m)] {
			all[label] = m.Name
		}
		if name == foldertree.InboxName {
			all[`\inbox`] = m.Name
		}
	}
	return all
}

// LabelKey is what labels are compared by.
func LabelKey(label string) string {
	if strings.HasPrefix(label, `\`) {
		label = strings.ToLower(label)
	}
	return foldertree.CanonicalName(label)
}

// askLabels learns which labels are folders.
func (j *ArchiveJudge) askLabels(ctx context.Context) error {
	if j.labels != nil {
		return nil
	}
	old, status, err := j.Session.Tree(ctx, true, j.Rows)
	if err != nil {
		return err
	}
	comes := map[string]bool{}
	for _, part := range j.beyondLedgers(old, status) {
		comes[part.name] = part.comes
	}
	j.labels = map[string]bool{`\inbox`: comes[foldertree.InboxName]}
	for _, m := range old.Mailboxes {
		m.Name = foldertree.CanonicalName(m.Name)
		if !j.isOther(m, foldertree.RowNamed(j.Rows, m.Name), old.Namespace) {
			continue
		}
		j.labels[m.Name] = comes[m.Name]
		for _, label := range gmailLabels[foldertree.AttrUse(m)] {
			j.labels[label] = comes[m.Name]
		}
	}
	return nil
}

// notCopied are those of archived messages that were not copied while they were in a folder.
func (j *ArchiveJudge) notCopied(ctx context.Context, s session.LabelSession, msgs []upstream.Message, told map[imap.UID]upstream.Labelled) ([]upstream.Message, error) {
	if len(msgs) == 0 {
		return nil, nil
	}
	want, err := identify(ctx, j.Session, msgs)
	if err != nil {
		return nil, err
	}
	lone := j.unknown(msgs, want)
	if len(lone) == len(msgs) {
		return lone, nil
	}
	isLone := map[imap.UID]bool{}
	for _, m := range lone {
		isLone[m.UID] = true
	}
	alike := map[message.Wanted][]upstream.Message{}
	for _, m := range msgs {
		if !isLone[m.UID] {
			alike[want[m.UID]] = append(alike[want[m.UID]], m)
		}
	}
	others, err := j.copiesOf(ctx, s, alike)
	if err != nil {
		return nil, err
	}
	for id, same := range alike {
		for _, m := range same {
			if others[id].without(told[m.UID].ID) {
				lone = append(lone, m)
			}
		}
	}
	return inUIDOrder(lone), nil
}

// copied are messages that were copied from other folders and look the same: their ids, and whether
// there are some of which nobody knows the id any more.
type copied struct {
	ids  []uint64
	gone bool
}

// without tells whether a message is surely none of them.
func (c *copied) without(id uint64) bool {
	return c != nil && id != 0 && !c.gone && len(c.ids) > 0 && !slices.Contains(c.ids, id)
}

// copiesOf asks for the ids of the messages in other folders that look like some.
func (j *ArchiveJudge) copiesOf(ctx context.Context, s session.LabelSession, alike map[message.Wanted][]upstream.Message) (map[message.Wanted]*copied, error) {
	all := map[message.Wanted]*copied{}
	for id := range alike {
		all[id] = &copied{}
	}
	for i := range j.Rows {
		f := &j.Rows[i]
		if f.ID == 0 || f.ID == j.Folder {
			continue
		}
		l, err := j.Store.Ledger(ctx, j.Account, f.ID)
		if err != nil {
			return nil, err
		}
		at := placesOf(l, alike)
		if len(at) == 0 {
			continue
		}
		if err := j.askIDs(ctx, s, f.Old, at, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// placesOf are the keys under which a ledger knows messages.
func placesOf(l store.Ledger, alike map[message.Wanted][]upstream.Message) map[store.Key]message.Wanted {
	at := map[store.Key]message.Wanted{}
	for i := range l.Entries {
		e := &l.Entries[i]
		if id := (message.Wanted{Fingerprint: e.Fingerprint, Size: int64(e.Size)}); len(alike[id]) > 0 {
			at[e.Key] = id
		}
	}
	for _, r := range l.Repaired {
		if id := (message.Wanted{Fingerprint: r.Fingerprint, Size: int64(r.Size)}); len(alike[id]) > 0 {
			at[r.Key] = id
		}
	}
	return at
}

// askIDs asks an old folder for the ids of messages.
func (j *ArchiveJudge) askIDs(ctx context.Context, s session.LabelSession, folder string, at map[store.Key]message.Wanted, all map[message.Wanted]*copied) error {
	j.Left = true
	ids := map[imap.UID]upstream.Labelled{}
	f, err := j.Session.Open(ctx, folder, session.OpenWith{})
	switch {
	case link.ClassOf(err) == link.Refused:
		f = &session.SourceFolder{Keys: session.IMAPKeys(0)}
	case err != nil:
		return err
	default:
		var set imap.UIDSet
		for k := range at {
			if uid, ok := f.Keys.UID(k); ok {
				set.AddNum(uid)
			}
		}
		if len(set) == 0 {
			break
		}
		if err := labelsIn(ctx, s, set, ids, func(string) bool { return false }); err != nil {
			return err
		}
	}
	for k, id := range at {
		uid, present := f.Keys.UID(k)
		l, told := ids[uid]
		if !present || !told || l.ID == 0 {
			all[id].gone = true
			continue
		}
		all[id].ids = append(all[id].ids, l.ID)
	}
	return nil
}
