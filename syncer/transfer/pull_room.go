package transfer

import (
	"context"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/quota"
)

// noRoomError says that what has just been listed does not fit.
type noRoomError struct{ problem *store.Problem }

func (e *noRoomError) Error() string { return e.problem.Cause }

func (e *noRoomError) Problem() *store.Problem { return e.problem }

// checkRoom asks for it where there are no folders: how much there is shows only when its
// inbox is opened, in the session in which it is to be copied.
func (p *pull) checkRoom(ctx context.Context) error {
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
