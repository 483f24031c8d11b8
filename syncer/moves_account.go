package syncer

import "postferry/syncer/recovery"

// thinned are the folders that may be thin, but for one.
func (a *account) thinned(but *tracked) (all []recovery.Thin) {
	if !a.front.Traits().StableUIDs {
		return nil
	}
	for _, f := range a.folders {
		if f != but && a.mayBeThin(f) {
			_, listed := a.tree.status[f.Old]
			all = append(all, recovery.Thin{ID: f.ID, Old: f.Old, Listed: listed || a.tree.status == nil, Validity: f.Checkpoint.UIDValidity, AllMail: f.AllMail})
		}
	}
	return all
}

func (a *account) mayBeThin(f *tracked) bool {
	cp := f.Checkpoint
	if f.AllMail {
		return f.Copied > 0 || cp.Messages > 0
	}
	if f.Copied == 0 && cp.Messages == 0 && !f.thin {
		return false // the ledger has nothing of it
	}
	st, there := a.tree.status[f.Old]
	switch {
	case f.thin || !there || st.UIDValidity != cp.UIDValidity:
		return true
	case f.Copied+f.Quarantined > uint64(cp.Messages) && f.complete():
		return true
	}
	return st.UIDNext >= cp.UIDNext && uint64(st.Messages) < uint64(cp.Messages)+uint64(st.UIDNext-cp.UIDNext)
}
