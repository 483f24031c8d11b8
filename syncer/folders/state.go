package folders

import (
	"slices"
	"strings"
	"time"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/recovery"
	"postferry/syncer/treesync"
)

// State is what is known of a person's mail on both servers.
type State struct {
	Rows    records
	Folders List
	Trees   Trees
	Resets  recovery.AllMailResets // may be used from anywhere
}

// New is one of which nothing is known yet.
func New(st Store, id store.AccountID) *State {
	return &State{Rows: records{store: st, id: id}, Trees: Trees{account: id}}
}

// Spelled is the name of a folder of the new server as its rows have it, if a client spells it otherwise: INBOX at its beginning may be
// in any case (servers take it so, and some mail programs have it from their users), and a delimiter may end it (Cyrus).
func (m *State) Spelled(name string) string {
	if slices.ContainsFunc(m.Folders, func(f *Folder) bool { return f.New == name }) {
		return name
	}
	if m.Trees.Delim != 0 {
		name = strings.TrimSuffix(name, string(rune(m.Trees.Delim)))
	}
	return foldertree.CanonicalInbox(name)
}

// AllSpelled is Spelled for several names.
func (m *State) AllSpelled(names []string) []string {
	spelled := make([]string, len(names))
	for i, name := range names {
		spelled[i] = m.Spelled(name)
	}
	return spelled
}

// Looked takes over what a look has found. What clients have done meanwhile is newer.
func (m *State) Looked(r *treesync.Result) {
	m.mendRows(r.Rows)
	rows, err := m.Rows.Put(r.Rows)
	if r.Err == nil {
		r.Err = err
	}
	m.Folders.Take(rows)
	if r.Lost {
		m.Folders.AllMailAnew()
	}
	m.CopyAgain(r.Again)
	t := &m.Trees
	if r.Delim != 0 {
		t.Delim = r.Delim
	}
	if r.Err == nil {
		t.At, t.Status, t.Newer, t.Empty, t.Room, t.Last = time.Now(), r.Status, r.Newer, r.Empty, r.Room, r.Seen
		t.Left, t.Listed, t.omitted, t.views, t.Labels, t.suspect = r.Left, r.Listed, r.Omitted, r.Views, r.Labels, r.Suspect
	}
}

// CopyAgain takes note of folders of which messages are to be copied again, as the store knows.
func (m *State) CopyAgain(ids []store.FolderID) {
	for _, id := range ids {
		if f := m.Folders.ByID(id); f != nil {
			m.Rows.CountAgain(f, true)
		}
	}
}

// mendRows puts right the rows of a look that was overtaken by clients: what
// they did is newer than what the look saw.
func (m *State) mendRows(rows []store.Folder) {
	for i := range rows {
		for _, c := range m.Trees.Changes {
			if f := m.Folders.ByID(rows[i].ID); f != nil {
				rows[i].New, rows[i].State, rows[i].Renaming = f.New, f.State, f.Renaming
				rows[i].NewUIDValidity, rows[i].Missing, rows[i].LeftOut = f.NewUIDValidity, f.Missing, f.LeftOut
			} else {
				m.follow(&rows[i], c)
			}
		}
	}
}
