package compare

import (
	"context"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/session"
	"postferry/upstream/link"
)

// AtOnce is how many accounts are verified at the same time, each with
// one connection to either server beside those of the engine.
const AtOnce = 4

// Accounts is what is read of the state.
type Accounts interface {
	Accounts(ctx context.Context) ([]store.Account, error)
}

// ChooseAccounts returns the accounts of ids, or all that are not finished. For an alias it
// is the account that it leads to.
func ChooseAccounts(ctx context.Context, st Accounts, ids []store.AccountID) ([]store.Account, error) {
	all, err := st.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	wanted := make(map[store.AccountID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	for _, a := range all {
		if wanted[a.ID] && a.Alias != 0 {
			wanted[a.Alias] = true // which has the ledger
		}
	}
	var chosen []store.Account
	for _, a := range all {
		if a.Alias != 0 {
			continue
		}
		if wanted[a.ID] || len(ids) == 0 && a.State != store.Finished {
			chosen = append(chosen, a)
		}
	}
	return chosen, nil
}

// Pair is a session with each server on which nothing can be written.
type Pair struct {
	Stall   time.Duration
	Log     zerolog.Logger
	Account store.Account
	Domain  *config.Domain
	SignIns session.SignIns       // for domains that have a way to sign in
	Old     session.Source        // nil if there is none
	New     *session.TargetReader // likewise
	// What sessions have learnt of the servers holds for those after them.
	oldQuirks, newQuirks link.Quirks
}

// Open opens the sessions that are not open yet.
func (p *Pair) Open(ctx context.Context) error {
	if err := p.OpenOld(ctx); err != nil {
		return err
	}
	return p.OpenNew(ctx)
}

func (p *Pair) OpenOld(ctx context.Context) (err error) {
	if p.Old == nil {
		p.Old, err = session.Patiently(session.SigningIn(session.DialOld, p.SignIns), session.InUsePause)(ctx, p.Domain.Old, p.Account.Old, p.options(p.Domain.Old, link.RoleOld, &p.oldQuirks))
	}
	return err
}

func (p *Pair) OpenNew(ctx context.Context) (err error) {
	if p.New == nil {
		p.New, err = session.SigningIn(session.DialTargetReader, p.SignIns)(ctx, p.Domain.New, p.Account.New, p.options(p.Domain.New, link.RoleNew, &p.newQuirks))
	}
	return err
}

func (p *Pair) options(server config.Server, role string, quirks *link.Quirks) link.Options {
	return link.Options{Stall: p.Stall, ReadOnly: true, Role: role, Quirks: quirks, Log: p.Log.With().Str("server", server.Address()).Logger()}
}

// sessions are those that are open.
func (p *Pair) sessions() []session.Session {
	var open []session.Session
	if p.Old != nil {
		open = append(open, p.Old)
	}
	if p.New != nil {
		open = append(open, p.New)
	}
	return open
}

// Close says goodbye on both sides, if ctx still allows it.
func (p *Pair) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, session.LogoutWait)
	defer cancel()
	for _, s := range p.sessions() {
		if ctx.Err() != nil || s.Logout(ctx) != nil {
			s.Close()
		}
	}
	p.Old, p.New = nil, nil
}

// Drop closes both sessions at once: after an error their state is unknown.
func (p *Pair) Drop() {
	for _, s := range p.sessions() {
		s.Close()
	}
	p.Old, p.New = nil, nil
}

// PlannedRows are the rows of the old server's folders as they would be after
// the plan of the tree.
func PlannedRows(ctx context.Context, old, new foldertree.Tree, known []store.Folder, wish foldertree.Wishes) ([]store.Folder, foldertree.TreePlan, error) {
	tree, err := foldertree.Plan(ctx, old, new, known, wish)
	if err != nil {
		return nil, tree, err
	}
	rows := make(map[string]store.Folder, len(known))
	for _, f := range known {
		rows[f.Old] = f
	}
	for _, f := range tree.Folders {
		rows[f.Old] = f
	}
	var all []store.Folder
	seen := make(map[string]bool, len(old.Mailboxes))
	for _, m := range old.Mailboxes {
		name := foldertree.CanonicalName(m.Name)
		row, ok := rows[name]
		if !ok {
			name = foldertree.KnownAs(name)
			row, ok = rows[name]
		}
		if !foldertree.Selectable(m) || seen[name] {
			continue
		}
		seen[name] = true
		switch why := tree.Rowless[name]; {
		case ok:
		case slices.Contains([]reason.Code{reason.LeftLong, reason.LeftDeep, reason.LeftOmitted}, why.Code()):
			continue // the plan counts them
		default:
			row = store.Folder{Old: name, Title: foldertree.ShownAs(name), State: store.FolderSkipped, Note: why}
		}
		all = append(all, row)
	}
	return all, tree, nil
}
