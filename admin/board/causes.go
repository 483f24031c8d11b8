package board

import (
	"cmp"

	"postferry/cause"
	"postferry/store"
)

// Troubled reports an account that something keeps from being copied. One that is tried again
// right now still is.
func Troubled(o *store.Overview) bool {
	return o.State == store.Active && o.Alias == 0 && o.Problem != nil && !(o.Problem.Kind == store.WrongDates && o.Summary.Complete)
}

// causesOf gathers what keeps accounts from being copied.
func causesOf(rows []store.Overview) []cause.Cause {
	var g cause.Gathering
	for i := range rows {
		if Troubled(&rows[i]) {
			g.Add(rows[i].Login, rows[i].Problem)
		}
	}
	return g.Causes()
}

// Caused says which accounts are meant by what keeps them from being copied; the zero value means any.
type Caused struct {
	Kind   store.ProblemKind `json:"problem,omitempty"`
	Server store.Side        `json:"server,omitempty"` // "" for any
}

// Valid tells whether the server, if there is one, is one of the two.
func (c Caused) Valid() bool {
	return c.Server == "" || c.Server == store.OldSide || c.Server == store.NewSide
}

// Has reports whether an account is meant.
func (c Caused) Has(o *store.Overview) bool {
	return c.Kind == "" || o.Problem != nil && cmp.Or(o.Problem.Kind, store.Unexpected) == c.Kind && (c.Server == "" || o.Problem.Server == c.Server)
}
