package syncer

import (
	"context"
)

// leaveHung gives the pull's session with the new server, if it hung, to those that are waited for.
func (p *pull) leaveHung(ctx context.Context) {
	if seat := &p.lane.new; seat.there && seat.session.Hung() {
		session, release := seat.giveAway()
		p.hung.keep(ctx, p.folder.ID, session, hungStalls*p.lane.stall, release, p.log)
	}
}

// awaitHung waits until no session of the folder may store anything more. A visit does not
// wait: what is there is shown.
func (p *pull) awaitHung(ctx context.Context) error {
	for _, ended := range p.hung.of(p.folder.ID) {
		if p.visit {
			return errHung
		}
		select {
		case <-ended:
		case <-p.yield:
			return errYield
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
