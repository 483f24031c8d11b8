package syncer

import (
	"postferry/syncer/recovery"
	"postferry/upstream"
)

// thinned are the folders that a message of one may have been moved from.
func (a *account) thinned(but *tracked) []recovery.Thin {
	if !a.front.Traits().StableUIDs {
		return nil
	}
	return a.folders.thinned(but, a.tree.status)
}

// thinned are the folders that may be thin, but for one.
func (all folderList) thinned(but *tracked, status map[string]upstream.Status) (thin []recovery.Thin) {
	for _, f := range all {
		if f != but && f.mayBeThin(status) {
			_, listed := status[f.Old]
			thin = append(thin, recovery.Thin{ID: f.ID, Old: f.Old, Listed: listed || status == nil, Validity: f.Checkpoint.UIDValidity, AllMail: f.AllMail})
		}
	}
	return thin
}

func (f *tracked) mayBeThin(status map[string]upstream.Status) bool {
	cp := f.Checkpoint
	if f.AllMail {
		return f.Copied > 0 || cp.Messages > 0
	}
	if f.Copied == 0 && cp.Messages == 0 && !f.thin {
		return false // the ledger has nothing of it
	}
	st, there := status[f.Old]
	switch {
	case f.thin || !there || st.UIDValidity != cp.UIDValidity:
		return true
	case f.Copied+f.Quarantined > uint64(cp.Messages) && f.complete():
		return true
	}
	return st.UIDNext >= cp.UIDNext && uint64(st.Messages) < uint64(cp.Messages)+uint64(st.UIDNext-cp.UIDNext)
}
