package syncer

import (
	"context"
	"postferry/config"
	"postferry/store"
	"postferry/upstream"
	"time"

	"github.com/rs/zerolog"
)

// verifyAccounts is how many accounts are verified at the same time, each with
// one connection to either server beside those of the engine.
const verifyAccounts = 4

// chooseAccounts returns the accounts of ids, or all that are not finished. For an alias it
// is the account that it leads to.
func chooseAccounts(ctx context.Context, st store.Store, ids []store.AccountID) ([]store.Account, error) {
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

// readOnlyPair is a session with each server on which nothing can be written.
type readOnlyPair struct {
	stall   time.Duration
	log     zerolog.Logger
	account store.Account
	domain  *config.Domain
	old     oldSession        // nil if there is none
	new     *upstream.Session // likewise
	// What sessions have learnt of the servers holds for those after them.
	oldQuirks, newQuirks upstream.Quirks
}

// open opens the sessions that are not open yet.
func (p *readOnlyPair) open(ctx context.Context) error {
	if err := p.openOld(ctx); err != nil {
		return err
	}
	return p.openNew(ctx)
}

func (p *readOnlyPair) openOld(ctx context.Context) (err error) {
	if p.old == nil {
		p.old, err = patiently(dialOld, inUsePause)(ctx, p.domain.Old, p.account.Old, p.options(p.domain.Old, upstream.RoleOld, &p.oldQuirks))
	}
	return err
}

func (p *readOnlyPair) openNew(ctx context.Context) (err error) {
	if p.new == nil {
		p.new, err = dialIMAP(ctx, p.domain.New, p.account.New, p.options(p.domain.New, upstream.RoleNew, &p.newQuirks))
	}
	return err
}

func (p *readOnlyPair) options(server config.Server, role string, quirks *upstream.Quirks) upstream.Options {
	return upstream.Options{Stall: p.stall, ReadOnly: true, Role: role, Quirks: quirks, Log: p.log.With().Str("server", server.Address()).Logger()}
}

// sessions are those that are open.
func (p *readOnlyPair) sessions() []session {
	var open []session
	if p.old != nil {
		open = append(open, p.old)
	}
	if p.new != nil {
		open = append(open, p.new)
	}
	return open
}

// close says goodbye on both sides, if ctx still allows it.
func (p *readOnlyPair) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, logoutWait)
	defer cancel()
	for _, s := range p.sessions() {
		if ctx.Err() != nil || s.Logout(ctx) != nil {
			s.Close()
		}
	}
	p.old, p.new = nil, nil
}

// drop closes both sessions at once: after an error their state is unknown.
func (p *readOnlyPair) drop() {
	for _, s := range p.sessions() {
		s.Close()
	}
	p.old, p.new = nil, nil
}

// plannedRows are the rows of the old server's folders as they would be after
// the plan of the tree.
func plannedRows(ctx context.Context, old, new Side, known []store.Folder, wish wishes) ([]store.Folder, TreePlan, error) {
	tree, err := planFolders(ctx, old, new, known, wish)
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
		name := canonicalName(m.Name)
		row, ok := rows[name]
		if !ok {
			name = knownAs(name)
			row, ok = rows[name]
		}
		if !selectable(m) || seen[name] {
			continue
		}
		seen[name] = true
		switch why := tree.Rowless[name]; {
		case ok:
		case leftWhole[why] != "" && why != noteShared:
			continue // the plan counts them
		default:
			row = store.Folder{Old: name, Title: shownAs(name), State: store.FolderSkipped, Note: why}
		}
		all = append(all, row)
	}
	return all, tree, nil
}
