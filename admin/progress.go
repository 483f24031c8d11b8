package admin

import (
	"cmp"
	"context"
	"time"

	"postferry/store"
)

// Status is how far domains are.
type Status struct {
	scopes        *Scopes
	boards        *boards
	store         runLister
	checks        *Checks
	verifications *Verifications
}

// runLister lists runs.
type runLister interface {
	Runs(ctx context.Context, domain string) ([]store.Run, error)
}

// Progress sums a domain up as it stands now.
func (a *Status) Progress(ctx context.Context, who Actor, domain string) (*Totals, error) {
	d, err := a.scopes.Domain(ctx, who, domain)
	if err != nil {
		return nil, err
	}
	b, err := a.boards.of(ctx, d.Name)
	if err != nil {
		return nil, err
	}
	return &b.Totals, nil
}

// Board is the newest of a domain's.
func (a *Status) Board(ctx context.Context, domain string) (*Board, error) {
	return a.boards.of(ctx, domain)
}

// Throughput is a domain's of the last minutes, in messages a second: a point every ChartEvery,
// oldest first.
func (a *Status) Throughput(domain string) []float64 { return a.boards.throughput(domain) }

// AccountsOf returns those of a board's accounts that are named, for a page
// that shows them. Unknown ones are left out.
func (b *Board) AccountsOf(ids []store.AccountID) []AccountView {
	views := []AccountView{}
	for _, id := range ids {
		if i, ok := b.at(id); ok {
			views = append(views, b.view(i))
		}
	}
	return views
}

// Extras are the states besides the totals that a stream tells: the newest
// run, check and verification, as far as there are any.
func (a *Status) Extras(ctx context.Context, domain string) map[string]any {
	states := map[string]any{}
	if runs, err := a.store.Runs(ctx, domain); err == nil && len(runs) > 0 {
		states["run"] = viewRun(runs[0])
	}
	if v := a.checks.View(domain); v != nil {
		states["check"] = v
	}
	if v := a.verifications.View(domain); v != nil {
		states["verify"] = v
	}
	return states
}

// Tally counts a board's accounts.
type Tally struct {
	States   map[AccountState]int
	Problems map[Trouble]int
	Passes   uint64 // over all accounts, so far
	Late     uint64 // messages that reached the old server after the MX had moved
	// Completed is when a pass last left nothing behind, and Oldest the same of the active
	// account for which it is longest ago. Never counts active ones of which none has.
	Completed, Oldest time.Time
	Never             int
}

// Trouble is what keeps accounts from being copied.
type Trouble struct {
	Kind   store.ProblemKind
	Server store.Side
}

// Tally counts the accounts by what goes on with them.
func (b *Board) Tally() Tally {
	t := Tally{States: map[AccountState]int{}, Problems: map[Trouble]int{}}
	for i := range b.rows {
		o := &b.rows[i]
		t.States[stateOf(o, b.liveOf(o.ID))]++
		t.Passes += o.Summary.Passes
		t.Late += o.Summary.Late.Messages
		t.completed(o)
		if p := o.Problem; p != nil {
			t.Problems[Trouble{cmp.Or(p.Kind, store.Unexpected), p.Server}]++
		}
	}
	return t
}

// completed notes when a pass over an account left nothing behind.
func (t *Tally) completed(o *store.Overview) {
	at := o.Summary.Completed
	if at.After(t.Completed) {
		t.Completed = at
	}
	switch {
	case o.State != store.Active || o.Alias != 0:
	case at.IsZero():
		t.Never++
	case t.Oldest.IsZero() || at.Before(t.Oldest):
		t.Oldest = at
	}
}
