package transfer

import (
	"context"

	"postferry/syncer/session"
	"postferry/syncer/transfer/adopt"
)

// prepareAdoption gathers them. There is nothing to adopt in a folder that
// has been pulled to its end before: what came to the new server since, came
// by itself. Only keys that aren't stable may change at any time; see recovery's CheckIDs.
func (p *pull) prepareAdoption(ctx context.Context) error {
	p.adopt = nil
	changed := !p.Selected.Traits.StableKeys && len(p.Known.Stale) > 0 && p.Known.Count() < int(p.Selected.Messages)
	if !p.First() && !changed && len(p.Recovery.Numbers.Beyond)+len(p.Recovery.Numbers.Below) == 0 || p.Selected.Messages == 0 {
		return nil
	}
	found := append(p.Recovery.Numbers.Beyond, p.Recovery.Numbers.Below...)
	if p.First() && p.Target.Messages > 0 {
		var err error
		if found, err = p.Recovery.Copies.Newcomers(ctx, 1); err != nil {
			return err
		}
		p.Known = session.NewKnown(p.Ledger, p.Selected.Keys)
	}
	stale := p.StaleCandidates()
	if !p.First() && !changed { // what the ledger has of former keys was looked at then
		stale = nil
	}
	if len(found) == 0 && len(stale) == 0 {
		return nil
	}
	p.Log.Info().Int("new", len(found)).Int("ledger", len(stale)).Msg("looking for messages that are already there")
	p.adopt = adopt.New(p.Known.Stale[:len(stale)], stale, found, p.Target.UIDValidity, !p.Slack())
	return nil
}
