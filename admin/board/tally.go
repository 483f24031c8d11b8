package board

import (
	"cmp"
	"time"

	"postferry/report"
	"postferry/store"
)

// AccountsOf returns those of a board's accounts that are named, for a page
// that shows them. Unknown ones are left out.
func (b *Board) AccountsOf(ids []store.AccountID) []report.Account {
	views := []report.Account{}
	for _, id := range ids {
		if i, ok := b.At(id); ok {
			views = append(views, b.View(i))
		}
	}
	return views
}

// LooksView says how often each account is looked at again by itself, and when one was last.
type LooksView struct {
	EverySeconds int64      `json:"every_seconds"` // 0 if none is, as the domain's schedule has ended
	Last         *time.Time `json:"last"`          // nil if none was yet
	Next         *time.Time `json:"next"`          // when the schedule's next run begins; nil without a schedule, and once it has ended
	Late         uint64     `json:"late"`          // messages that these passes brought after the MX had moved
}

// Looks says when the accounts were last looked at.
func (b *Board) Looks(every time.Duration) LooksView {
	v := LooksView{EverySeconds: int64(every.Seconds())}
	for i := range b.Rows {
		s := &b.Rows[i].Summary
		v.Late += s.Late.Messages
		if at := s.LastPass; !at.IsZero() && (v.Last == nil || at.After(*v.Last)) {
			v.Last = &at
		}
	}
	return v
}

// Tally counts a board's accounts.
type Tally struct {
	States   map[report.AccountState]int
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
	t := Tally{States: map[report.AccountState]int{}, Problems: map[Trouble]int{}}
	for i := range b.Rows {
		o := &b.Rows[i]
		t.States[report.StateOf(o, b.LiveOf(o.ID))]++
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
