package syncer

import (
	"context"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/upstream"
)

// aFewUIDs is how far back from a checkpoint a folder's newest copies are looked
// for in its ledger.
const aFewUIDs = 1000

// seekGone finds folders that are not where they were on the new server any more. That
// one is gone is believed only when the server says so twice: while a folder is
// renamed, a listing may have neither its former name nor its new one, and from one that
// counts as deleted its user would get no more mail.
func (a *account) seekGone(ctx context.Context, s newSession, new Side, known []store.Folder) (Side, []store.Folder, error) {
	rows, err := a.renamedElsewhere(ctx, s, new, known)
	if err != nil || !someGone(new, rows) {
		return new, rows, err
	}
	if err := pause(ctx, a.quiet/6); err != nil {
		return new, nil, err
	}
	if new, err = side(ctx, s, true); err != nil {
		return new, nil, err
	}
	rows, err = a.renamedElsewhere(ctx, s, new, known)
	return new, rows, err
}

// someGone tells whether there are rows whose folder is nowhere on the new server.
func someGone(new Side, known []store.Folder) bool {
	p := newPlanner(Side{}, new, known, wishes{})
	return p.trusted && slices.ContainsFunc(known, func(row store.Folder) bool {
		key := p.key(p.newName(&row))
		_, there := p.there[key]
		_, spelled := p.folded[strings.ToLower(key)]
		return !there && !spelled && (row.State == store.FolderPresent || isHalted(&row))
	})
}

// renamedElsewhere finds folders that were renamed on the new server without the
// relay, as in a webmail, and returns the rows with those names among the possible ones. A renamed
// folder keeps its UIDVALIDITY on many servers (RFC 9051 section 6.3.6 leaves it
// open); a folder of which it can't be told for sure is not taken for renamed.
func (a *account) renamedElsewhere(ctx context.Context, s newSession, new Side, known []store.Folder) ([]store.Folder, error) {
	gone, unknown := strayFolders(new, known)
	if len(gone) == 0 || len(unknown) == 0 {
		return known, nil
	}
	there, err := s.Status(ctx, unknown)
	if err != nil {
		return nil, err
	}
	found := map[string][]int{}
	for _, i := range gone {
		last, err := a.lastCopy(ctx, &known[i])
		if err != nil {
			return nil, err
		}
		if name := soleHolder(there, last); name != "" {
			found[name] = append(found[name], i)
		}
	}
	known = slices.Clone(known)
	for name, rows := range found {
		if len(rows) == 1 {
			known[rows[0]].Renaming = name
		}
	}
	return known, nil
}

// strayFolders are the rows whose folder is not on the new server any more, and the
// folders there that belong to no row.
func strayFolders(new Side, known []store.Folder) (gone []int, unknown []string) {
	p := newPlanner(Side{}, new, known, wishes{})
	if !p.trusted {
		return nil, nil
	}
	for i := range known {
		_, there := p.there[p.key(p.newName(&known[i]))]
		if row := &known[i]; !there && row.Copied > 0 && (row.State == store.FolderPresent || isHalted(row)) {
			gone = append(gone, i)
		}
	}
	for _, m := range new.Mailboxes {
		if selectable(m) && p.taken[p.key(m.Name)] == "" {
			unknown = append(unknown, m.Name)
		}
	}
	return gone, unknown
}

// lastCopy is one of the newest copies in a folder; its UID is 0 if none is known.
func (a *account) lastCopy(ctx context.Context, row *store.Folder) (store.Entry, error) {
	c := row.Checkpoint
	from := imap.UID(1)
	if c.UIDNext > aFewUIDs {
		from = c.UIDNext - aFewUIDs
	}
	tail, err := a.store.LedgerFrom(ctx, a.id, row.ID, imapKey(c.UIDValidity, from))
	if err != nil {
		return store.Entry{}, err
	}
	for _, e := range slices.Backward(tail.Entries) {
		if e.UID != 0 {
			return e, nil
		}
	}
	return store.Entry{}, nil
}

// soleHolder is the only folder that a copy can be in; "" if there is none or more than one.
func soleHolder(there map[string]upstream.Status, last store.Entry) (name string) {
	for n, st := range there {
		if last.UID == 0 || st.UIDValidity != last.UIDValidity || st.UIDNext <= last.UID {
			continue
		}
		if name != "" {
			return ""
		}
		name = n
	}
	return name
}
