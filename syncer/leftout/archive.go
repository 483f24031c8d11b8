package leftout

import (
	"context"
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// ArchiveJudge finds out which messages of the opened folder, which shows all mail, lie in no other.
type ArchiveJudge struct {
	Store   Store
	Account store.AccountID
	Folder  store.FolderID // its row; 0 if it has none
	Old     string         // its raw name
	Session archiveSession

	Rows    []store.Folder
	known   Identities             // of the other folders' messages; nil if nothing has been read yet
	coming  Identities             // of those of them that are to be copied from there, or may be
	refused map[string][]store.Key // by raw old name: quarantined messages, and those with an intent
	again   map[string][]store.Key // those of them that are tried again, or may be
	labels  map[string]bool        // that are folders, in lower case if they are Gmail's own, and whether there is mail to be copied; nil where there are none
	read    bool                   // what the ledgers lack has been read
	Left    bool                   // another folder has been opened

	// Waiting is the lowest UID of a message that lies in another folder and was not copied from there yet; 0 for none. If it leaves that
	// folder before, it has to be judged once more.
	Waiting imap.UID
}

// archiveSession is the part of a session with an old server that is needed for that.
type archiveSession interface {
	headerSession
	session.LabelSession
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	Tree(ctx context.Context, withStatus bool, known []store.Folder) (foldertree.Tree, map[string]upstream.Status, error)
}

// Only are the messages that lie in no other folder.
func (j *ArchiveJudge) Only(ctx context.Context, msgs []upstream.Message) ([]upstream.Message, error) {
	if err := j.prepare(ctx); err != nil {
		return nil, err
	}
	if j.Session.HasLabels() {
		return j.byLabels(ctx, j.Session, msgs)
	}
	return j.byIdentity(ctx, msgs)
}

// byIdentity finds out by comparison with the messages of the other folders.
func (j *ArchiveJudge) byIdentity(ctx context.Context, msgs []upstream.Message) ([]upstream.Message, error) {
	want, err := identify(ctx, j.Session, msgs)
	if err != nil {
		return nil, err
	}
	lone := j.unknown(msgs, want)
	if len(lone) == 0 || j.read {
		j.await(msgs, want)
		return lone, nil
	}
	j.read = true
	if err := j.readOthers(ctx); err != nil {
		return nil, err
	}
	j.await(msgs, want)
	return j.unknown(msgs, want), nil
}

// await notes which of the messages are still to be copied from other folders.
func (j *ArchiveJudge) await(msgs []upstream.Message, want map[imap.UID]message.Wanted) {
	for _, m := range msgs {
		if _, comes := j.coming[want[m.UID]]; comes && (j.Waiting == 0 || m.UID < j.Waiting) {
			j.Waiting = m.UID
		}
	}
}

// unknown are the messages that nothing is known of.
func (j *ArchiveJudge) unknown(msgs []upstream.Message, want map[imap.UID]message.Wanted) (lone []upstream.Message) {
	for _, m := range msgs {
		id, told := want[m.UID]
		if _, known := j.known[id]; !told || !known {
			lone = append(lone, m)
		}
	}
	return lone
}

// identify reads what messages can be recognised by.
func identify(ctx context.Context, s headerSession, msgs []upstream.Message) (map[imap.UID]message.Wanted, error) {
	want := make(map[imap.UID]message.Wanted, len(msgs))
	for _, part := range session.Chunks(session.SetOfMessages(msgs), session.ListWindow) {
		err := headersOf(ctx, s, part, func(uid imap.UID, id message.Wanted) { want[uid] = id })
		if err != nil {
			return nil, err
		}
	}
	return want, nil
}

// headersOf tells what the messages of a bounded set can be recognised by. What an answer lacks is asked for once more: otherwise a message would
// count as one that lies in no other folder.
func headersOf(ctx context.Context, s headerSession, set imap.UIDSet, take func(imap.UID, message.Wanted)) error {
	var told []imap.UID
	ask := func(set imap.UIDSet) error {
		return s.Headers(ctx, set, func(m upstream.Message, header []byte) error {
			told = append(told, m.UID)
			take(m.UID, message.Wanted{Fingerprint: message.Fingerprint(header, m.Size), Size: m.Size})
			return nil
		})
	}
	if err := ask(set); err != nil {
		return err
	}
	if rest := session.Without(set, told); len(rest) > 0 {
		return ask(rest)
	}
	return nil
}

// prepare reads the ledgers of the other folders.
func (j *ArchiveJudge) prepare(ctx context.Context) (err error) {
	if j.known != nil {
		return nil
	}
	if j.Rows == nil {
		if j.Rows, err = j.Store.Folders(ctx, j.Account); err != nil {
			return err
		}
	}
	known := Identities{}
	j.coming = Identities{}
	j.refused, j.again = map[string][]store.Key{}, map[string][]store.Key{}
	for i := range j.Rows {
		f := &j.Rows[i]
		if f.ID == 0 || f.ID == j.Folder {
			continue
		}
		l, err := j.Store.Ledger(ctx, j.Account, f.ID)
		if err != nil {
			return err
		}
		known.add(l)
		j.noteOpen(f.Old, l)
	}
	j.known = known
	return nil
}

// noteOpen notes the messages below a folder's checkpoint that its ledger has no entry of: those that were refused, and those of which
// it is not known yet whether the new server has them.
func (j *ArchiveJudge) noteOpen(old string, l store.Ledger) {
	for _, q := range l.Quarantine {
		j.refused[old] = append(j.refused[old], q.Key)
		if q.Again {
			j.again[old] = append(j.again[old], q.Key)
		}
	}
	for _, in := range l.Intents {
		j.coming[message.Wanted{Fingerprint: in.Fingerprint, Size: int64(in.Size)}] = struct{}{}
		j.refused[old] = append(j.refused[old], in.Key)
		j.again[old] = append(j.again[old], in.Key)
	}
}

// readOthers reads what the old folders have that the ledgers don't know.
func (j *ArchiveJudge) readOthers(ctx context.Context) error {
	old, status, err := j.Session.Tree(ctx, true, j.Rows)
	if err != nil {
		return err
	}
	for _, part := range j.beyondLedgers(old, status) {
		j.Left = true
		if err := j.readPart(ctx, part); err != nil && link.ClassOf(err) != link.Refused { // what can't be read there may come from here
			return err
		}
	}
	return nil
}

// readPart reads messages of an old folder.
func (j *ArchiveJudge) readPart(ctx context.Context, part folderPart) error {
	return readIdentities(ctx, j.Session, part.name, part.set, func(uid imap.UID, id message.Wanted) {
		if _, copied := j.known[id]; !copied && part.comes && (uid >= part.from || part.again.Contains(uid)) {
			j.coming[id] = struct{}{}
		}
		j.known[id] = struct{}{}
	})
}

// folderPart are messages of an old folder.
type folderPart struct {
	name  string // raw
	set   imap.UIDSet
	from  imap.UID    // below it are those that were refused
	again imap.UIDSet // those of them that are tried again
	comes bool        // there are some to be copied
}

// beyondLedgers are the messages of the other folders that no ledger tells of: those behind the
// checkpoints, and quarantined ones.
func (j *ArchiveJudge) beyondLedgers(old foldertree.Tree, status map[string]upstream.Status) (parts []folderPart) {
	for _, m := range old.Mailboxes {
		m.Name = foldertree.CanonicalName(m.Name)
		row, st := foldertree.RowNamed(j.Rows, m.Name), status[m.Name]
		if !j.isOther(m, row, old.Namespace) || st != (upstream.Status{}) && st.Messages == 0 {
			continue
		}
		part := folderPart{name: m.Name, set: imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, comes: isCopied(row)}
		if row != nil && row.Checkpoint.UIDNext != 0 && row.Checkpoint.UIDValidity == st.UIDValidity {
			part.set, part.from = behind(row.Checkpoint, st, j.refused[m.Name]), row.Checkpoint.UIDNext
			part.again = uidsOf(row.Checkpoint, j.again[m.Name])
			part.comes = part.comes && (st.UIDNext == 0 || st.UIDNext > part.from || len(part.again) > 0)
		}
		if len(part.set) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// isCopied tells whether what is in a folder comes to the new server sooner or later. One that has no row yet gets one.
func isCopied(row *store.Folder) bool {
	return row == nil || row.State != store.FolderSkipped && row.State != store.FolderDeleted
}

// isOther tells whether a folder of the old server has mail of its own, of which all mail is made.
func (j *ArchiveJudge) isOther(m upstream.Mailbox, row *store.Folder, ns upstream.Namespace) bool {
	if row != nil && (row.AllMail || row.ID != 0 && row.ID == j.Folder) || !foldertree.Selectable(m) || foldertree.ViewAttr(m) != "" {
		return false
	}
	_, _, personal := foldertree.Locate(m.Name, m.Delim, ns)
	return personal
}

// behind are the messages of a folder from its checkpoint on, and those that were refused.
func behind(cp store.Checkpoint, st upstream.Status, refused []store.Key) imap.UIDSet {
	set := uidsOf(cp, refused)
	if st.UIDNext == 0 || st.UIDNext > cp.UIDNext {
		set.AddRange(cp.UIDNext, 0)
	}
	return set
}

// uidsOf are the UIDs of messages of a folder.
func uidsOf(cp store.Checkpoint, keys []store.Key) (set imap.UIDSet) {
	ring := session.IMAPKeys(cp.UIDValidity)
	for _, k := range keys {
		if uid, ok := ring.UID(k); ok {
			set.AddNum(uid)
		}
	}
	return set
}

// readIdentities tells those of messages of an old folder.
func readIdentities(ctx context.Context, s headerSession, folder string, set imap.UIDSet, take func(imap.UID, message.Wanted)) error {
	f, err := s.Open(ctx, folder, session.OpenWith{})
	if err != nil {
		return err
	}
	if f.UIDNext > 1 {
		return headersOf(ctx, s, below(set, f.UIDNext), take)
	}
	return s.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		take(m.UID, message.Wanted{Fingerprint: message.Fingerprint(header, m.Size), Size: m.Size})
		return nil
	})
}

// below is what a set has of the UIDs below UIDNEXT.
func below(set imap.UIDSet, next imap.UID) (bounded imap.UIDSet) {
	for _, r := range set {
		if r.Stop == 0 || r.Stop >= next {
			r.Stop = next - 1
		}
		if r.Start <= r.Stop {
			bounded.AddRange(r.Start, r.Stop)
		}
	}
	return bounded
}

// Lone are the folder's messages from a UID on that lie in no other. The session has
// another folder open afterwards, perhaps.
func (j *ArchiveJudge) Lone(ctx context.Context, from imap.UID) ([]upstream.Message, error) {
	f, err := j.Session.Open(ctx, j.Old, session.OpenWith{})
	if err != nil || f.Messages == 0 {
		return nil, err
	}
	all := imap.UIDRange{Start: from}
	if f.UIDNext > 1 {
		all.Stop = f.UIDNext - 1
	}
	if f.UIDNext != 0 && from >= f.UIDNext {
		return nil, nil
	}
	listed := map[imap.UID]upstream.Message{}
	err = j.Session.ListMessages(ctx, imap.UIDSet{all}, 0, func(m upstream.Message) error {
		if m.UID >= from {
			listed[m.UID] = m
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if from == 1 && len(listed) < int(f.Messages) {
		return nil, &session.CountsError{Listed: len(listed), Messages: int(f.Messages), Side: store.OldSide}
	}
	msgs := make([]upstream.Message, 0, len(listed))
	for _, uid := range slices.Sorted(maps.Keys(listed)) {
		msgs = append(msgs, listed[uid])
	}
	return j.Only(ctx, msgs)
}

// ToArchive tells whether of a folder what lies in no other goes to the archive.
func ToArchive(f *store.Folder) bool {
	return f.AllMail && f.State != store.FolderSkipped && f.State != store.FolderDeleted
}
