package transfer

import (
	"context"

	"postferry/syncer/session"
)

// leaveHung gives the pull's session with the new server, if it hung, to those that are waited for.
func (p *pull) leaveHung(ctx context.Context) {
	if slot := &p.Pair.New; slot.There && slot.Session.Hung() {
		opened, release := slot.GiveAway()
		p.Hung.Keep(ctx, append(p.outstanding.takeLost(), p.Row.ID), opened, session.HungStalls*p.Pair.Stall, release, p.Log)
	}
}

// awaitHung waits until no session of the folder may store anything more. A visit does not
// wait: what is there is shown.
func (p *pull) awaitHung(ctx context.Context) error {
	for _, ended := range p.Hung.Of(p.Row.ID) {
		if p.Visit {
			return session.ErrHung
		}
		select {
		case <-ended:
		case <-p.Yield:
			return session.ErrYield
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
