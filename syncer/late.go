package syncer

import "context"

// lookWhetherMXMoved learns since when mail that reaches the old server is late. If that can't be
// read, what was known goes on counting.
func (a *account) lookWhetherMXMoved(ctx context.Context) {
	if a.domain == nil {
		return
	}
	m, err := a.store.Move(ctx, a.domain.Name)
	if err == nil {
		a.movedMX = m.Names.MX
	} else if ctx.Err() == nil {
		a.log.Error().Err(err).Msg("it could not be read whether the MX has moved")
	}
}
