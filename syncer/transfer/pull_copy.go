package transfer

import (
	"context"

	"postferry/syncer/transfer/job"
	"postferry/syncer/transfer/reader"
	"postferry/syncer/transfer/writer"
)

// copyMissing brings over everything missing, reading and writing at the same time.
func (p *pull) copyMissing(ctx context.Context) error {
	handed := job.NewHandover(&p.Resources)
	rctx, cancel := p.UntilCut(ctx) // what has been read is written to the end
	defer cancel()
	read := make(chan error, 1)
	r := reader.New(reader.With{Work: &p.Work, Adoption: p.adopt, Moves: p.moves, Troubles: &p.oldTroubles, Doubted: p.doubted, Prepares: p.mayPrepare()}, handed)
	go func() {
		err := r.Run(rctx)
		handed.Close()
		read <- err
	}()
	w := writer.New(writer.With{Work: &p.Work, Checks: &p.checks, Bare: p.bare, Told: p.told, Troubles: &p.newTroubles, Adoption: p.adopt, Before: p.outstanding})
	left, werr := w.Run(ctx, handed.Coming())
	if werr != nil {
		cancel()
	}
	for e := range handed.Coming() {
		p.Discard(e, werr)
	}
	rerr := <-read
	p.Base, p.Rekeyed, p.blind = r.Reached()
	if left && rerr == nil {
		p.writer = w
		p.outstanding.add(ctx, p)
		return nil
	}
	if left {
		werr = w.TakeBack(ctx)
	}
	p.RateLimits.New.Budget.GiveBack(uint64(max(p.Aside.Swap(0), 0)))
	if werr != nil {
		return werr
	}
	return rerr
}
