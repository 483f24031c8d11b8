package treesync

import (
	"context"
	"maps"
	"slices"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/mailbox"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
)

// ownMailboxes sees to it that both logins still lead to the account's mailboxes, before anything is
// made or copied there. INBOX, which exists always, shows by its numbers and its newest messages
// whether there is reason to doubt it.
func (k *treeLook) ownMailboxes(ctx context.Context, s session.Target) error {
	inbox := mailbox.InboxOf(k.known)
	if inbox == nil {
		return nil
	}
	if k.pair.Traits().Folders && k.otherOldInbox(inbox) {
		same := k.status[inbox.Old].UIDValidity == inbox.Checkpoint.UIDValidity
		if err := k.of.Claims.OwnOld(ctx, k.pair, mailbox.Shown{Inbox: inbox.Old, Status: k.status, Same: same}); err != nil {
			return err
		}
	}
	inboxThere, err := k.newInbox(ctx, s, inbox)
	if err != nil {
		return err
	}
	other := k.otherNewInbox(inbox, inboxThere)
	if k.putBack = other || k.someWentBack(); !other {
		return nil
	}
	status, err := k.newStatuses(ctx, s)
	if err != nil {
		return err
	}
	return k.of.Claims.OwnNew(ctx, k.pair, s, mailbox.Shown{Inbox: inbox.New, Status: status, Same: inboxThere.UIDValidity == newInboxWas(inbox)})
}

// otherOldInbox tells whether INBOX of the old server may be another one than it was.
func (k *treeLook) otherOldInbox(inbox *store.Folder) bool {
	cp := inbox.Checkpoint
	st, there := k.status[inbox.Old]
	if !there || st == (upstream.Status{}) {
		return false
	}
	if recovery.Differ(cp.UIDValidity, st.UIDValidity) || st.UIDNext != 0 && st.UIDNext < cp.UIDNext {
		return true
	}
	check := k.checkOf(inbox)
	return check != nil && check.otherOnOld()
}

// newInboxWas is the UIDVALIDITY that INBOX of the new server had; 0 if that isn't known, or doesn't last.
func newInboxWas(inbox *store.Folder) uint32 {
	if cp := inbox.Checkpoint; cp.NewUIDValidity != 0 || !cp.Checked.IsZero() {
		return cp.NewUIDValidity
	}
	return inbox.NewUIDValidity
}

// newInbox is how INBOX of the new server is numbered, if there is something to compare that with.
func (k *treeLook) newInbox(ctx context.Context, s session.Target, inbox *store.Folder) (upstream.Status, error) {
	if newInboxWas(inbox) == 0 {
		return upstream.Status{}, nil
	}
	if st, told := k.newStatus(inbox.New); told {
		return st, nil
	}
	if check := k.checkOf(inbox); check != nil && check.sample != nil && check.sample.Sel != nil {
		return upstream.Status{UIDValidity: check.sample.Sel.UIDValidity, UIDNext: check.sample.Sel.UIDNext}, nil
	}
	all, err := s.Status(ctx, []string{inbox.New})
	return all[inbox.New], err
}

// otherNewInbox is otherOldInbox for the new server.
func (k *treeLook) otherNewInbox(inbox *store.Folder, st upstream.Status) bool {
	cp := inbox.Checkpoint
	if recovery.Differ(newInboxWas(inbox), st.UIDValidity) || st.UIDValidity == cp.NewUIDValidity && st.UIDNext != 0 && st.UIDNext < cp.NewUIDNext {
		return true
	}
	check := k.checkOf(inbox)
	return check != nil && check.otherOnNew()
}

// someWentBack tells whether a folder of the new server is not as it was, but as it had been before.
func (k *treeLook) someWentBack() bool {
	return slices.ContainsFunc(k.known, func(row store.Folder) bool {
		st, told := k.newStatus(row.New)
		return told && row.State == store.FolderPresent && wentBack(row.Checkpoint, st)
	})
}

// checkOf is the spot check of a folder; nil if there was none.
func (k *treeLook) checkOf(row *store.Folder) *spotCheck {
	for _, c := range k.checks {
		if c.row.ID == row.ID {
			return c
		}
	}
	return nil
}

// newStatuses are those of all folders of the new server that hold mail of their own.
func (k *treeLook) newStatuses(ctx context.Context, s session.Target) (map[string]upstream.Status, error) {
	all := map[string]upstream.Status{}
	var ask []string
	for _, m := range k.new.Mailboxes {
		switch {
		case !foldertree.Selectable(m) || foldertree.ViewAttr(m) != "":
		case m.Status != nil:
			all[m.Name] = *m.Status
		default:
			ask = append(ask, m.Name)
		}
	}
	if len(ask) == 0 {
		return all, nil
	}
	more, err := s.Status(ctx, ask)
	maps.Copy(all, more)
	return all, err
}
