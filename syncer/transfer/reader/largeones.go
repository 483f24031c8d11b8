package reader

import (
	"context"
	"fmt"

	"postferry/internal/humanize"
	"postferry/report/reason"
	"postferry/syncer/transfer/job"
	"postferry/upstream"
)

// largeOnes parts messages that the new server takes from those that are larger
// than it says it takes (RFC 7889): those go to quarantine without being
// transferred.
func (r *Reader) largeOnes(ctx context.Context, missing []upstream.Message) ([]upstream.Message, error) {
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
		q := job.NewQuarantined(r.Selected.Keys.Key(m.UID),
			reason.Of(reason.TooLarge, humanize.RoundSize(uint64(m.Size)), humanize.RoundSize(uint64(limit))),
			fmt.Sprintf("RFC822.SIZE %d, APPENDLIMIT %d", m.Size, limit))
		if err := r.out.Hand(ctx, job.Quarantined{Quarantined: q}); err != nil {
			return nil, err
		}
	}
	return fit, nil
}
