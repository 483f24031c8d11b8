package transfer

import (
	"context"
	"fmt"

	"postferry/internal/humanize"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/quota"
	"postferry/upstream"
)

// noRoomError says that what has just been listed does not fit.
type noRoomError struct{ problem *store.Problem }

func (e *noRoomError) Error() string { return e.problem.Cause }

func (e *noRoomError) Problem() *store.Problem { return e.problem }

// checkRoom asks for it where there are no folders: how much there is shows only when its
// inbox is opened, in the session in which it is to be copied.
func (p *Pull) checkRoom(ctx context.Context) error {
	if p.Selected.Traits.Folders || p.Row.Copied > 0 {
		return nil
	}
	quotas, err := p.New.Quotas(ctx, foldertree.InboxName)
	if err != nil {
		return err
	}
	for _, q := range quotas {
		if problem := quota.TooMuch(p.Pair.New.End.Server.Host, q, uint64(p.Selected.Messages), p.Selected.Octets); problem != nil {
			return &noRoomError{problem}
		}
	}
	return nil
}

// largeOnes parts messages that the new server takes from those that are larger
// than it says it takes (RFC 7889): those go to quarantine without being
// transferred.
func (r *reader) largeOnes(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
	limit := r.New.AppendLimit()
	if r.Target.AppendLimit > 0 {
		limit = r.Target.AppendLimit // the folder's own
	}
	if limit <= 0 {
		return missing, nil
	}
	fit := missing[:0]
	for _, m := range missing {
		if m.Size <= limit {
			fit = append(fit, m)
			continue
		}
		q := newQuarantined(r.Selected.Keys.Key(m.UID),
			reason.Of(reason.TooLarge, humanize.RoundSize(uint64(m.Size)), humanize.RoundSize(uint64(limit))),
			fmt.Sprintf("RFC822.SIZE %d, APPENDLIMIT %d", m.Size, limit))
		if err := r.hand(ctx, quarantined{q}); err != nil {
			return nil, err
		}
	}
	return fit, nil
}
