package folders

import (
	"cmp"

	"postferry/store"
	"postferry/syncer/recovery"
	"postferry/upstream"
)

// Thinned are the folders that may be thin, but for one.
func (all List) Thinned(but *Folder, status map[string]upstream.Status) (thin []recovery.Thin) {
	for _, f := range all {
		if f != but && f.mayBeThin(status) {
			_, listed := status[f.Old]
			thin = append(thin, recovery.Thin{ID: f.ID, Old: f.Old, Listed: listed || status == nil, Validity: f.Checkpoint.UIDValidity, Next: f.Checkpoint.UIDNext, AllMail: f.AllMail, Pulled: f.State == store.FolderPresent})
		}
	}
	return thin
}

// othersMost is of how many folders the others are looked through.
const othersMost = 500

// Others are the folders that a message of one may have been moved from while a pass goes on; none if there are too many to look through.
func (all List) Others(but *Folder, status map[string]upstream.Status) (others []recovery.Thin) {
	if len(all) > othersMost {
		return nil
	}
	for _, f := range all {
		if f != but && f.State == store.FolderPresent && !f.AllMail {
			others = append(others, recovery.Thin{ID: f.ID, Old: f.Old, Listed: true, Pulled: true, Validity: cmp.Or(f.Checkpoint.UIDValidity, status[f.Old].UIDValidity), Next: cmp.Or(f.Checkpoint.UIDNext, status[f.Old].UIDNext)})
		}
	}
	return others
}

func (f *Folder) mayBeThin(status map[string]upstream.Status) bool {
	cp := f.Checkpoint
	if f.AllMail {
		return f.Copied > 0 || cp.Messages > 0
	}
	if f.Copied == 0 && cp.Messages == 0 && !f.Thin {
		return false // the ledger has nothing of it
	}
	st, there := status[f.Old]
	switch {
	case f.Thin || !there || st.UIDValidity != cp.UIDValidity:
		return true
	case f.Copied+f.Quarantined > uint64(cp.Messages) && f.Complete():
		return true
	}
	return st.UIDNext >= cp.UIDNext && uint64(st.Messages) < uint64(cp.Messages)+uint64(st.UIDNext-cp.UIDNext)
}
