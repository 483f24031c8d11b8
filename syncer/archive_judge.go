package syncer

import (
	"context"
	"maps"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// archiveJudge finds out which messages of the opened folder, which shows all mail, lie in no other.
type archiveJudge struct {
	store   store.Store
	account store.AccountID
	folder  store.FolderID // its row; 0 if it has none
	old     string         // its raw name
	session archiveSession

	rows    []store.Folder
	known   identities             // of the other folders' messages; nil if nothing has been read yet
	refused map[string][]store.Key // by raw old name: quarantined messages
	labels  map[string]bool        // that are folders, in lower case if they are Gmail's own; nil where there are none
	read    bool                   // what the ledgers lack has been read
	left    bool                   // another folder has been opened
}

// archiveSession is the part of a session with an old server that is needed for that.
type archiveSession interface {
	headerSession
	labelSession
	ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error
	Tree(ctx context.Context, withStatus bool, known []store.Folder) (Side, map[string]upstream.Status, error)
}

// only are the messages that lie in no other folder.
func (j *archiveJudge) only(ctx context.Context, msgs []upstream.Message) ([]upstream.Message, error) {
	if err := j.prepare(ctx); err != nil {
		return nil, err
	}
	if j.session.HasLabels() {
		return j.byLabels(ctx, j.session, msgs)
	}
	return j.byIdentity(ctx, msgs)
}

// byIdentity finds out by comparison with the messages of the other folders.
func (j *archiveJudge) byIdentity(ctx context.Context, msgs []upstream.Message) ([]upstream.Message, error) {
	want, err := identify(ctx, j.session, msgs)
	if err != nil {
		return nil, err
	}
	lone := j.unknown(msgs, want)
	if len(lone) == 0 || j.read {
		return lone, nil
	}
	j.read = true
	if err := j.readOthers(ctx); err != nil {
		return nil, err
	}
	return j.unknown(msgs, want), nil
}

// unknown are the messages that nothing is known of.
func (j *archiveJudge) unknown(msgs []upstream.Message, want map[imap.UID]wanted) (lone []upstream.Message) {
	for _, m := range msgs {
		id, told := want[m.UID]
		if _, known := j.known[id]; !told || !known {
			lone = append(lone, m)
		}
	}
	return lone
}

// identify reads what messages can be recognised by.
func identify(ctx context.Context, s headerSession, msgs []upstream.Message) (map[imap.UID]wanted, error) {
	want := make(map[imap.UID]wanted, len(msgs))
	for _, part := range chunks(setOfMessages(msgs), listWindow) {
		err := s.Headers(ctx, part, func(m upstream.Message, header []byte) error {
			want[m.UID] = wanted{fingerprintOf(header, m.Size), m.Size}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return want, nil
}

// prepare reads the ledgers of the other folders.
func (j *archiveJudge) prepare(ctx context.Context) (err error) {
	if j.known != nil {
		return nil
	}
	if j.rows == nil {
		if j.rows, err = j.store.Folders(ctx, j.account); err != nil {
			return err
		}
	}
	known := identities{}
	j.refused = map[string][]store.Key{}
	for i := range j.rows {
		f := &j.rows[i]
		if f.ID == 0 || f.ID == j.folder {
			continue
		}
		l, err := j.store.Ledger(ctx, j.account, f.ID)
		if err != nil {
			return err
		}
		known.add(l)
		for _, q := range l.Quarantine {
			j.refused[f.Old] = append(j.refused[f.Old], q.Key)
		}
	}
	j.known = known
	return nil
}

// readOthers reads what the old folders have that the ledgers don't know.
func (j *archiveJudge) readOthers(ctx context.Context) error {
	old, status, err := j.session.Tree(ctx, true, j.rows)
	if err != nil {
		return err
	}
	for _, part := range j.beyondLedgers(old, status) {
		j.left = true
		err := readIdentities(ctx, j.session, part.name, part.set, j.known)
		if err != nil && upstream.ClassOf(err) != upstream.Refused { // what can't be read there may come from here
			return err
		}
	}
	return nil
}

// folderPart are messages of an old folder.
type folderPart struct {
	name string // raw
	set  imap.UIDSet
}

// beyondLedgers are the messages of the other folders that no ledger tells of: those behind the
// checkpoints, and quarantined ones.
func (j *archiveJudge) beyondLedgers(old Side, status map[string]upstream.Status) (parts []folderPart) {
	for _, m := range old.Mailboxes {
		m.Name = canonicalName(m.Name)
		row, st := rowNamed(j.rows, m.Name), status[m.Name]
		if !j.isOther(m, row, old.Namespace) || st != (upstream.Status{}) && st.Messages == 0 {
			continue
		}
		part := folderPart{name: m.Name, set: imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}}
		if row != nil && row.Checkpoint.UIDNext != 0 && row.Checkpoint.UIDValidity == st.UIDValidity {
			part.set = behind(row.Checkpoint, st, j.refused[m.Name])
		}
		if len(part.set) > 0 {
			parts = append(parts, part)
		}
	}
	return parts
}

// isOther tells whether a folder of the old server has mail of its own, of which all mail is made.
func (j *archiveJudge) isOther(m upstream.Mailbox, row *store.Folder, ns upstream.Namespace) bool {
	if row != nil && (row.AllMail || row.ID != 0 && row.ID == j.folder) || !selectable(m) || viewAttr(m) != "" {
		return false
	}
	_, _, personal := locate(m.Name, m.Delim, ns)
	return personal
}

// behind are the messages of a folder from its checkpoint on, and those that were refused.
func behind(cp store.Checkpoint, st upstream.Status, refused []store.Key) (set imap.UIDSet) {
	keys := imapKeys(cp.UIDValidity)
	for _, k := range refused {
		if uid, ok := keys.uid(k); ok {
			set.AddNum(uid)
		}
	}
	if st.UIDNext == 0 || st.UIDNext > cp.UIDNext {
		set.AddRange(cp.UIDNext, 0)
	}
	return set
}

// readIdentities adds those of messages of an old folder.
func readIdentities(ctx context.Context, s headerSession, folder string, set imap.UIDSet, known identities) error {
	if _, err := s.Open(ctx, folder, ahead{}); err != nil {
		return err
	}
	return s.Headers(ctx, set, func(m upstream.Message, header []byte) error {
		known[wanted{fingerprintOf(header, m.Size), m.Size}] = struct{}{}
		return nil
	})
}

// lone are the folder's messages from a UID on that lie in no other. The session has
// another folder open afterwards, perhaps.
func (j *archiveJudge) lone(ctx context.Context, from imap.UID) ([]upstream.Message, error) {
	f, err := j.session.Open(ctx, j.old, ahead{})
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
	err = j.session.ListMessages(ctx, imap.UIDSet{all}, 0, func(m upstream.Message) error {
		if m.UID >= from {
			listed[m.UID] = m
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if from == 1 && len(listed) < int(f.Messages) {
		return nil, &countsError{listed: len(listed), messages: int(f.Messages), side: store.OldSide}
	}
	msgs := make([]upstream.Message, 0, len(listed))
	for _, uid := range slices.Sorted(maps.Keys(listed)) {
		msgs = append(msgs, listed[uid])
	}
	return j.only(ctx, msgs)
}
