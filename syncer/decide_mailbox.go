package syncer

import (
	"context"
	"fmt"
	"slices"

	"postferry/report"
	"postferry/store"
	"postferry/syncer/foldertree"
)

// DecideMailbox does with an account whose login leads to another mailbox than it did what a person says.
func (e *Engine) DecideMailbox(ctx context.Context, id store.AccountID, v report.MailboxVerdict) error {
	if v != report.MailboxAccept && v != report.MailboxAgain {
		return fmt.Errorf("syncer: no verdict: %q", v)
	}
	row, err := e.shared.store.AccountByID(ctx, id)
	if err != nil {
		return err
	}
	p := row.Problem
	if p == nil || !slices.Contains(report.MailboxVerdicts(p.Kind, p.Server), v) {
		return report.ErrSameMailbox
	}
	if err := e.registry.follow(ctx, id, func(a *account) error { return a.decideMailbox(p.Server, v) }); err != nil {
		return err
	}
	if row.State != store.Active {
		return nil
	}
	return e.Again(ctx, []store.AccountID{id})
}

// decideMailbox runs on the account's goroutine. Nothing is pulled while the question is open.
func (m *mailboxState) decideMailbox(side store.Side, v report.MailboxVerdict) error {
	m.rows.log.Warn().Str("server", string(side)).Str("verdict", string(v)).Msg("a person decided about the mailbox that isn't the one it was")
	if v == report.MailboxAgain {
		return m.copyAgain()
	}
	for _, f := range m.folders {
		if side == store.OldSide && !foldertree.IsInbox(&f.Folder) {
			continue // each shows by itself whether it is another one
		}
		if err := m.acceptFolder(f, side); err != nil {
			return err
		}
	}
	return nil
}

// acceptFolder forgets how a folder was numbered, so that there is nothing to compare with: what the
// ledger has of it is recognised by what it is.
func (m *mailboxState) acceptFolder(f *tracked, side store.Side) error {
	cp, row := f.Checkpoint, f.Folder
	if side == store.OldSide {
		cp = store.Checkpoint{NewUIDValidity: cp.NewUIDValidity, NewUIDNext: cp.NewUIDNext, NewHighestModSeq: cp.NewHighestModSeq}
	} else {
		cp.NewUIDValidity, cp.NewUIDNext, cp.NewHighestModSeq = 0, 0, 0
		cp.HighestModSeq = 0 // so that it is opened although nothing has come, and how it is numbered is known again
		row.NewUIDValidity = 0
	}
	if err := m.rows.commit(store.Batch{Account: m.rows.id, Folder: f.ID, Checkpoint: &cp}); err != nil {
		return err
	}
	f.Checkpoint = cp
	rows, err := m.rows.put([]store.Folder{row})
	m.folders.take(rows)
	return err
}

// copyAgain forgets all that was copied into folders that are copied.
func (m *mailboxState) copyAgain() error {
	for _, f := range m.folders {
		switch f.State {
		case store.FolderSkipped, store.FolderDeleted:
			continue
		}
		if err := m.rows.forget(f); err != nil {
			return err
		}
		row := f.Folder
		row.Missing, row.LeftOut, row.Renaming, row.NewUIDValidity = store.Missing{}, 0, "", 0
		if !foldertree.IsInbox(&row) {
			row.State = store.FolderPlanned
		}
		rows, err := m.rows.put([]store.Folder{row})
		if err != nil {
			return err
		}
		m.folders.take(rows)
	}
	return nil
}
