// Package selection finds the accounts of a domain that something is to be done with: all, those in a state or with a
// problem, or some that are named. A chooser checks who asks; want says which accounts it can be done with at all.
//
// It must not know what is done with them.
package selection

import (
	"context"
	"slices"

	"postferry/admin/access"
	"postferry/admin/board"
	"postferry/config"
	"postferry/report"
	"postferry/store"
)

// Selection says which accounts of a domain something is to be done with:
// exactly one of its fields is given.
type Selection struct {
	All          bool                `json:"all"`
	State        report.AccountState `json:"state,omitempty"` // all that are in this state
	Accounts     []store.AccountID   `json:"accounts,omitempty"`
	board.Caused                     // all that a problem of a kind keeps from being copied
}

// Chooser finds the accounts that something is to be done with.
type Chooser struct {
	scopes scopes
	boards *board.Boards
	store  finder
}

// NewChooser makes one.
func NewChooser(scopes scopes, boards *board.Boards, store finder) *Chooser {
	return &Chooser{scopes, boards, store}
}

// scopes finds domains for who may see them.
type scopes interface {
	Domain(ctx context.Context, who access.Actor, name string) (*config.Domain, error)
}

// finder finds accounts.
type finder interface {
	AccountByID(ctx context.Context, id store.AccountID) (store.Account, error)
}

// Choose finds the accounts of a selection in the order of their IDs. Accounts
// named must all be there; of the others those are left out that want refuses.
func (a *Chooser) Choose(ctx context.Context, who access.Actor, domain string, sel Selection, want func(*store.Overview) bool) (*config.Domain, []store.AccountID, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, nil, err
	}
	if err := CheckKnown(sel.State, sel.Caused); err != nil {
		return nil, nil, err
	}
	given := 0
	for _, is := range []bool{sel.All, sel.State != "", len(sel.Accounts) > 0, sel.Kind != ""} {
		if is {
			given++
		}
	}
	if given != 1 || sel.Server != "" && sel.Kind == "" {
		return nil, nil, access.Invalid(access.WrongField("accounts", "selection_malformed", "Say which accounts are meant: all of them, those in a state, those with a problem, or some."))
	}
	b, err := a.boards.Fresh(ctx, d.Name)
	if err != nil {
		return nil, nil, err
	}
	named := make(map[store.AccountID]bool, len(sel.Accounts))
	for _, id := range sel.Accounts {
		named[id] = true
	}
	ids := []store.AccountID{}
	for i := range b.Rows {
		o := &b.Rows[i]
		switch {
		case named[o.ID]:
			delete(named, o.ID)
		case len(sel.Accounts) > 0, sel.Kind != "" && !(board.Troubled(o) && sel.Has(o)), sel.State != "" && report.StateOf(o, b.LiveOf(o.ID)) != sel.State:
			continue
		}
		if want(o) {
			ids = append(ids, o.ID)
		}
	}
	if len(named) > 0 {
		return nil, nil, access.NotFound("account")
	}
	return d, ids, nil
}

// CheckKnown refuses a state that no account can be in, and a server that is none: nothing would be found, without a word.
func CheckKnown(state report.AccountState, caused board.Caused) error {
	switch {
	case state != "" && !slices.Contains(report.AccountStates(), state):
		return access.Invalid(access.WrongField("state", "unknown_value", "This is no state of an account."))
	case !caused.Valid():
		return access.Invalid(access.WrongField("server", "unknown_value", "Expected %q or %q.", store.OldSide, store.NewSide))
	}
	return nil
}

// AnyState is for Choose: all accounts.
func AnyState(*store.Overview) bool { return true }

// Unfinished is for Choose: accounts whose servers are contacted.
func Unfinished(o *store.Overview) bool { return o.State != store.Finished }

// InState is for Choose: accounts that the store has in one of these states.
func InState(states ...store.State) func(*store.Overview) bool {
	return func(o *store.Overview) bool { return slices.Contains(states, o.State) }
}

// LoneLogin is the login of a selection's only account, for the audit log.
func (a *Chooser) LoneLogin(ctx context.Context, ids []store.AccountID) string {
	if len(ids) != 1 {
		return ""
	}
	x, err := a.store.AccountByID(ctx, ids[0])
	if err != nil {
		return ""
	}
	return x.Login
}
