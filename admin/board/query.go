package board

import (
	"cmp"
	"slices"
	"strings"

	"postferry/internal/asciifold"
	"postferry/report"
	"postferry/store"
)

// MaxPerPage bounds a page of a list.
const MaxPerPage = 200

// AccountQuery says which accounts of a domain are wanted, and in which order.
type AccountQuery struct {
	Search  string // part of a login, whatever the case
	State   report.AccountState
	Caused  Caused // what keeps them from being copied
	Sort    string // one of AccountOrders; "" is by login
	Desc    bool
	Page    int // from 1
	PerPage int
}

// AccountPage is a page of the accounts that were asked for.
type AccountPage struct {
	Accounts []report.Account `json:"accounts"`
	Total    int              `json:"total"` // accounts that were asked for, on all pages
	Page     int              `json:"page"`
	PerPage  int              `json:"per_page"`
}

// byLogin are all rows in the order of their logins, which is what pages show
// mostly: it is sorted once for each board.
func (b *Board) byLogin() []int {
	b.sort.Do(func() {
		b.sorted = make([]int, len(b.Rows))
		for i := range b.sorted {
			b.sorted[i] = i
		}
		slices.SortFunc(b.sorted, func(x, y int) int { return asciifold.Compare(b.Rows[x].Login, b.Rows[y].Login) })
	})
	return b.sorted
}

// AccountOrders are the ways to sort the rows of a board.
func AccountOrders() map[string]func(b *Board, x, y int) int {
	figure := func(of func(report.Progress) uint64) func(b *Board, x, y int) int {
		return func(b *Board, x, y int) int {
			r, s := &b.Rows[x], &b.Rows[y]
			return cmp.Compare(of(report.ProgressOf(r, b.LiveOf(r.ID))), of(report.ProgressOf(s, b.LiveOf(s.ID))))
		}
	}
	return map[string]func(b *Board, x, y int) int{
		"login": nil, // in which they are found
		"state": func(b *Board, x, y int) int {
			r, s := &b.Rows[x], &b.Rows[y]
			return slices.Index(report.AccountStates(), report.StateOf(r, b.LiveOf(r.ID))) - slices.Index(report.AccountStates(), report.StateOf(s, b.LiveOf(s.ID)))
		},
		"messages":    figure(func(v report.Progress) uint64 { return v.Messages }),
		"copied":      figure(func(v report.Progress) uint64 { return v.Copied }),
		"octets":      figure(func(v report.Progress) uint64 { return v.Octets }),
		"quarantined": figure(func(v report.Progress) uint64 { return v.Quarantined }),
		"added":       func(_ *Board, x, y int) int { return x - y },
	}
}

// Page returns a page of the accounts of a query, whose order must be known.
func (b *Board) Page(q AccountQuery) *AccountPage {
	found := b.find(q)
	if order, ok := AccountOrders()[q.Sort]; ok && q.Sort != "login" {
		slices.SortStableFunc(found, func(x, y int) int { return order(b, x, y) })
	}
	if q.Desc {
		slices.Reverse(found)
	}
	p := &AccountPage{Total: len(found), Page: max(q.Page, 1), PerPage: min(max(q.PerPage, 1), MaxPerPage), Accounts: []report.Account{}}
	for _, i := range PageFrom(found, p.Page, p.PerPage) {
		p.Accounts = append(p.Accounts, b.View(i))
	}
	return p
}

// find returns which of the board's rows a query is about, in the order of
// their logins.
func (b *Board) find(q AccountQuery) []int {
	search := strings.ToLower(strings.TrimSpace(q.Search))
	var found []int
	for _, i := range b.byLogin() {
		o := &b.Rows[i]
		if search != "" && !strings.Contains(strings.ToLower(o.Login), search) && !strings.Contains(strings.ToLower(o.New.Login), search) {
			continue
		}
		if !q.Caused.Has(o) {
			continue
		}
		if q.State != "" && report.StateOf(o, b.LiveOf(o.ID)) != q.State {
			continue
		}
		found = append(found, i)
	}
	return found
}

// At is where a board has an account.
func (b *Board) At(id store.AccountID) (i int, ok bool) {
	return slices.BinarySearchFunc(b.Rows, id, func(o store.Overview, id store.AccountID) int { return cmp.Compare(o.ID, id) })
}

// View is what lists show of a row. An alias shows what goes on with the account that it leads to.
func (b *Board) View(i int) report.Account {
	o := &b.Rows[i]
	if o.Alias == 0 {
		return report.AccountOf(o, b.LiveOf(o.ID))
	}
	v := report.AccountOf(o, b.LiveOf(o.Alias))
	of := ""
	if at, ok := b.At(o.Alias); ok {
		of = b.Rows[at].Login
	}
	v.AliasOf = &of
	return v
}

// PageFrom is one page of all; never nil.
func PageFrom[T any](all []T, page, perPage int) []T {
	from := min((page-1)*perPage, len(all))
	return append([]T{}, all[from:min(from+perPage, len(all))]...)
}
