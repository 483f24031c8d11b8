package reader

import (
	"context"
	"errors"
	"slices"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/transfer/job"
	"postferry/upstream"
	"postferry/upstream/link"
)

// searchMost is how many messages are brought first for one search: the newest it finds.
const searchMost = 100

// serveSearches brings what is searched for first.
func (r *Reader) serveSearches(ctx context.Context) error {
	for _, w := range r.Searches.Take() {
		if err := r.serveSearch(ctx, w); err != nil {
			w.End()
			return err
		}
	}
	return nil
}

// serveSearch brings what one search finds. If the old server refuses that, there is nothing.
func (r *Reader) serveSearch(ctx context.Context, w *job.ClientSearch) error {
	if w.Opens() {
		return r.newest(ctx, r.next, w)
	}
	found, err := r.Old.Find(ctx, w.Criteria)
	if err != nil && link.ClassOf(err) != link.Refused {
		return err
	}
	late, set := r.newestFound(found)
	told, err := r.listSet(ctx, set)
	if err != nil {
		return err
	}
	was := r.undisturbed
	r.undisturbed = true
	defer func() { r.undisturbed = was }()
	for _, group := range groups(told) {
		if err := r.deal(ctx, group); err != nil {
			return err
		}
	}
	if err := r.bring(ctx, late); err != nil {
		return err
	}
	return r.out.Hand(ctx, job.Shown{Search: w})
}

// newestFound are the newest messages of a set that have not come: those that have been listed and put
// off, which it takes out, and those that have not.
func (r *Reader) newestFound(found imap.UIDSet) (late []upstream.Message, unlisted imap.UIDSet) {
	put := map[imap.UID]upstream.Message{}
	for _, m := range r.postponed {
		put[m.UID] = m
	}
	count := 0
	for _, span := range slices.Backward(found) {
		for uid := span.Stop; uid >= span.Start && uid > 0 && count < searchMost; uid-- {
			m, postponed := put[uid]
			switch {
			case postponed:
				late = append(late, m)
				delete(put, uid)
			case r.Known.Has(uid):
				continue
			default:
				unlisted.AddNum(uid)
			}
			count++
		}
	}
	r.postponed = slices.DeleteFunc(r.postponed, func(m upstream.Message) bool { _, still := put[m.UID]; return !still })
	return sortByUID(late), unlisted
}

// listSet lists messages by their UIDs.
func (r *Reader) listSet(ctx context.Context, set imap.UIDSet) (told []upstream.Message, err error) {
	if len(set) == 0 {
		return nil, nil
	}
	err = r.Old.ListMessages(ctx, set, 0, func(m upstream.Message) error {
		if set.Contains(m.UID) && !r.Known.Has(m.UID) {
			told = append(told, m)
		}
		return nil
	})
	return sortByUID(told), err
}

// resume goes on after a window that was interrupted for something more urgent, or not. What
// lies below a UID is not missing any more then.
func (r *Reader) resume(ctx context.Context, err error, from imap.UID) error {
	for {
		switch {
		case errors.Is(err, errSlow):
			err = r.newest(ctx, from, nil)
		case errors.Is(err, errSearched):
			err = r.serveSearches(ctx)
		case err == nil && r.Searches.Any():
			err = r.serveSearches(ctx)
		case err == nil && len(r.postponed) > 0:
			err = r.bringPostponed(ctx)
		default:
			return err
		}
	}
}
