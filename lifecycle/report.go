package lifecycle

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"postferry/stage"
	"postferry/store"
)

// Report is what a move came to.
type Report struct {
	Number   uint64    `json:"number"` // 0 of a draft
	Domain   string    `json:"domain"`
	Made     time.Time `json:"made"`
	By       string    `json:"by"`
	Old      string    `json:"old"` // the servers' hosts
	New      string    `json:"new"`
	Accounts []Account `json:"accounts"` // by login
	// Left are accounts that were to be finished and are not: they need a look.
	Left []Account `json:"left,omitempty"`
	// MXMoved is since when the MX leads to the new server, as DNS servers told; nil if it isn't known to.
	MXMoved *time.Time `json:"mx_moved"`
	// Verdict is what was said about the old server then.
	Verdict stage.Message `json:"verdict"`
}

// Account is how one account has come over.
type Account struct {
	ID          store.AccountID `json:"id"`
	Login       string          `json:"login"`
	Grade       stage.Grade     `json:"grade"`
	Why         []stage.Message `json:"why"` // what lowers the grade
	Messages    uint64          `json:"messages"`
	Copied      uint64          `json:"copied"`
	Octets      uint64          `json:"octets"`
	Quarantined uint64          `json:"quarantined"`
	LeftOut     uint64          `json:"left_out"`
	Late        uint64          `json:"late"` // messages that came after the MX had moved
	Verified    *time.Time      `json:"verified"`
	Bodies      bool            `json:"bodies"`   // the verification compared messages whole
	Approved    *Approval       `json:"approved"` // who wants it finished as it is; nil for nobody
	Active      bool            `json:"-"`        // it is still copied
}

// Approval is a person's word that an account may be finished as it is.
type Approval struct {
	By   string    `json:"by"`
	When time.Time `json:"when"`
}

// Count says how many accounts have a grade.
func (r *Report) Count(g stage.Grade) (n int) {
	for i := range r.Accounts {
		if r.Accounts[i].Grade == g {
			n++
		}
	}
	return n
}

// describe grades an account.
func describe(o *store.Overview, now time.Time) Account {
	s := &o.Summary
	grade, why := stage.GradeOf(o, now)
	a := Account{ID: o.ID, Login: o.Login, Grade: grade, Why: why, Messages: s.Messages, Copied: s.Copied, Octets: s.Bytes,
		Quarantined: s.Quarantined, LeftOut: s.LeftOut, Late: s.Late.Messages, Bodies: s.Verified.Bodies, Active: o.State == store.Active}
	if !s.Verified.When.IsZero() {
		a.Verified = &s.Verified.When
	}
	if !s.Approved.When.IsZero() {
		a.Approved = &Approval{By: s.Approved.By, When: s.Approved.When}
	}
	return a
}

// Draft is what a report about accounts of a domain would say now; about all of them if there are
// none. Logins that lead to another account's mailbox are part of that one.
func (g *Guide) Draft(ctx context.Context, domain string, ids []store.AccountID) (*Report, error) {
	f, err := g.facts(ctx, domain, false)
	if err != nil {
		return nil, err
	}
	all, err := g.Store.Overview(ctx, f.Domain)
	if err != nil {
		return nil, err
	}
	f.Gather(all)
	now := time.Now().UTC()
	r := &Report{Domain: f.Domain, Made: now, Old: f.OldHost, New: f.NewHost, Verdict: stage.Assess(f).Verdict, Accounts: []Account{}}
	if mx := f.Move.Names.MX; !mx.IsZero() {
		r.MXMoved = &mx
	}
	wanted := leading(all, ids)
	for i := range all {
		if o := &all[i]; o.Alias == 0 && o.State != store.Finished && (len(ids) == 0 || wanted[o.ID]) {
			r.Accounts = append(r.Accounts, describe(o, now))
		}
	}
	slices.SortFunc(r.Accounts, func(a, b Account) int { return cmp.Compare(a.Login, b.Login) })
	return r, nil
}

// leading are accounts, and those that the aliases among them lead to.
func leading(all []store.Overview, ids []store.AccountID) map[store.AccountID]bool {
	wanted := make(map[store.AccountID]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	for i := range all {
		if wanted[all[i].ID] && all[i].Alias != 0 {
			wanted[all[i].Alias] = true
		}
	}
	return wanted
}

// Reports are those that are kept of a domain, of all domains if it is "", newest first.
func (g *Guide) Reports(ctx context.Context, domain string) ([]Report, error) {
	kept, err := g.Store.Reports(ctx, domain)
	if err != nil {
		return nil, err
	}
	reports := make([]Report, len(kept))
	for i, k := range kept {
		if err := json.Unmarshal(k.Text, &reports[i]); err != nil {
			return nil, fmt.Errorf("report %d of the state can't be read: %w", k.Number, err)
		}
		reports[i].restore()
		reports[i].Number = k.Number
	}
	return reports, nil
}

// kept is the report as the store has it: with codes for sentences.
func (r *Report) kept() *Report {
	k := *r
	k.Verdict = r.Verdict.Kept()
	k.Accounts, k.Left = keptAccounts(r.Accounts), keptAccounts(r.Left)
	return &k
}

func keptAccounts(all []Account) []Account {
	kept := slices.Clone(all)
	for i := range kept {
		kept[i].Why = slices.Clone(kept[i].Why)
		for n := range kept[i].Why {
			kept[i].Why[n] = kept[i].Why[n].Kept()
		}
	}
	return kept
}

// restore is kept undone.
func (r *Report) restore() {
	r.Verdict = r.Verdict.Restored()
	for _, all := range [][]Account{r.Accounts, r.Left} {
		for i := range all {
			for n := range all[i].Why {
				all[i].Why[n] = all[i].Why[n].Restored()
			}
		}
	}
}
