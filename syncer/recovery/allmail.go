package recovery

import (
	"context"
	"sync"

	"postferry/store"
)

// AllMailAnew has all mail looked through from its beginning. What lay in another folder, and has been archived at
// the old server since, lies only there: it was passed over, and is to be copied from there if its copy is lost, or if it was never copied.
func AllMailAnew(account store.AccountID, rows []store.Folder) (batches []store.Batch) {
	for i := range rows {
		if cp := rows[i].Checkpoint; rows[i].AllMail && cp.UIDNext > 1 {
			cp.UIDNext = 1
			batches = append(batches, store.Batch{Account: account, Folder: rows[i].ID, Checkpoint: &cp})
		}
	}
	return batches
}

// AllMailResets count how often that was to be done in an account, where it may turn out while all mail is being pulled: what
// that pull has passed over before is not to be left out of the next one.
type AllMailResets struct {
	mu    sync.Mutex
	times uint64
}

// Commit commits what has all mail looked through again.
func (r *AllMailResets) Commit(commit func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.times++
	return commit()
}

// Times is how many there have been.
func (r *AllMailResets) Times() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.times
}

// Store is the store of a pull of all mail that has begun after so many of them: once there has been another, its checkpoints have all mail
// looked through from its beginning as well.
func (r *AllMailResets) Store(st Store, after uint64) Store {
	return &allMailStore{Store: st, resets: r, after: after}
}

type allMailStore struct {
	Store
	resets *AllMailResets
	after  uint64
}

func (s *allMailStore) Commit(ctx context.Context, b store.Batch) error {
	s.resets.mu.Lock()
	defer s.resets.mu.Unlock()
	s.reset(&b)
	return s.Store.Commit(ctx, b)
}

func (s *allMailStore) CommitAll(ctx context.Context, batches []store.Batch) error {
	s.resets.mu.Lock()
	defer s.resets.mu.Unlock()
	for i := range batches {
		s.reset(&batches[i])
	}
	return s.Store.CommitAll(ctx, batches)
}

// reset changes the checkpoint itself: the pull goes on from the one that it has committed.
func (s *allMailStore) reset(b *store.Batch) {
	if b.Checkpoint != nil && s.resets.times != s.after {
		b.Checkpoint.UIDNext = min(b.Checkpoint.UIDNext, 1)
	}
}
