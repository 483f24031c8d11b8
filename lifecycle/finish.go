package lifecycle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postferry/stage"
	"postferry/store"
)

// Engine is what this package asks of the engine.
type Engine interface {
	// Pass makes a pass over accounts that are active, and returns when all are through. What
	// kept one from being complete is in the store.
	Pass(ctx context.Context, ids []store.AccountID) error
	// Verify compares accounts on both servers. What was found is in the store.
	Verify(ctx context.Context, ids []store.AccountID, bodies bool) error
	// Finished tells that accounts are finished: nothing is begun for them any more.
	Finished(ctx context.Context, ids []store.AccountID) error
	// LetGo ends all work on accounts, and returns when nothing of them is under way.
	LetGo(ctx context.Context, ids []store.AccountID) error
}

// Step is what Prepare is at.
type Step string

// The steps of Prepare.
const (
	StepPass   Step = "pass"
	StepVerify Step = "verify"
)

// Fresh is how old the last pass over an account may be when it is finished.
const Fresh = time.Hour

var (
	// ErrNothing means that there is nothing to finish.
	ErrNothing = errors.New("there are no accounts to finish: all of them are finished already, or there are none")
	// ErrActive means that a domain can't be forgotten while its accounts are copied.
	ErrActive = errors.New("accounts of the domain are still being copied: finish or stop them first")
)

// Prepare makes the last pass over accounts of a domain and verifies them, over all that are not finished if
// there are none, and returns the draft. tell, which may be nil, is called before each step with the
// number of accounts. Nothing is finished by it.
func (g *Guide) Prepare(ctx context.Context, e Engine, domain string, ids []store.AccountID, bodies bool, tell func(Step, int)) (*Report, error) {
	draft, err := g.Draft(ctx, domain, ids)
	if err != nil {
		return nil, err
	}
	if len(draft.Accounts) == 0 {
		return nil, ErrNothing
	}
	if d, ok := g.Config.DomainNamed(draft.Domain); ok {
		if _, err := g.look(ctx, d); err != nil { // what the report says of DNS should be new
			return nil, err
		}
	}
	chosen := idsOf(draft.Accounts)
	for _, step := range []struct {
		name Step
		run  func() error
	}{
		{StepPass, func() error { return e.Pass(ctx, chosen) }},
		{StepVerify, func() error { return e.Verify(ctx, chosen, bodies) }},
	} {
		if tell != nil {
			tell(step.name, len(chosen))
		}
		if err := step.run(); err != nil {
			return nil, err
		}
	}
	return g.Draft(ctx, domain, chosen)
}

func idsOf(accounts []Account) []store.AccountID {
	ids := make([]store.AccountID, len(accounts))
	for i := range accounts {
		ids[i] = accounts[i].ID
	}
	return ids
}

// Finish finishes accounts of a domain that were prepared, all that are not finished if there
// are none, in the name of somebody. Those that need a look are left as they are, unless
// accept: then this somebody has approved them. It returns the report, in which those
// that were left are told apart; ErrNothing if there is nothing that could be finished.
func (g *Guide) Finish(ctx context.Context, e Engine, domain string, ids []store.AccountID, by string, accept bool) (*Report, error) {
	r, err := g.Draft(ctx, domain, ids)
	if err != nil {
		return nil, err
	}
	if len(r.Accounts) == 0 {
		return nil, ErrNothing
	}
	if err := g.sort(ctx, r, by, accept); err != nil {
		return nil, err
	}
	if len(r.Accounts) == 0 {
		return r, nil
	}
	r.By = by
	text, err := json.Marshal(r.kept())
	if err != nil {
		return nil, err
	}
	tell, err := g.parting(ctx, domain)
	if err != nil {
		return nil, err
	}
	kept, finished, err := g.Store.Finish(ctx, idsOf(r.Accounts), store.Report{Domain: r.Domain, Made: r.Made, By: by, Text: text})
	if len(finished) == 0 {
		return nil, errors.Join(err, ErrNothing)
	}
	r.Number = kept.Number
	g.logAudit(by, store.FinishAccounts, r.Domain, fmt.Sprintf("%d accounts, report %d", len(finished), r.Number)) // the store has noted it with the rest
	err = errors.Join(err, g.forgetSignIns(context.WithoutCancel(ctx), r.Domain))
	after := context.WithoutCancel(ctx) // they are finished, whoever has lost interest
	err = errors.Join(err, e.Finished(after, finished), g.tell(after, r.Domain, finished))
	tell(after) // last: providers may take their time
	return r, err
}

// parting readies what tells providers of agreements that end.
func (g *Guide) parting(ctx context.Context, domain string) (tell func(context.Context) int, err error) {
	d, known := g.Config.DomainNamed(domain)
	if g.Parting == nil || !known {
		return func(context.Context) int { return 0 }, nil
	}
	return g.Parting(ctx, *d)
}

// forgetSignIns makes it unknown how Postferry signs in for a domain, if the store has forgotten it.
func (g *Guide) forgetSignIns(ctx context.Context, domain string) error {
	all, err := g.Store.Overview(ctx, domain)
	if err != nil || slices.ContainsFunc(all, func(o store.Overview) bool { return o.State != store.Finished }) {
		return err
	}
	for _, side := range []store.Side{store.OldSide, store.NewSide} {
		if d, known := g.Config.DomainNamed(domain); known && d.Stored {
			g.Config.Directory.PutSignIn(domain, string(side), nil)
		}
	}
	return nil
}

// sort tells those accounts of a draft apart that can't be finished, and has the others approved
// that somebody accepts as they are.
func (g *Guide) sort(ctx context.Context, r *Report, by string, accept bool) error {
	var good []Account
	for _, a := range r.Accounts {
		looked, err := g.looked(ctx, &a, r.Made)
		if err != nil {
			return err
		}
		switch {
		case a.Grade != stage.NeedsLook && looked, a.Approved != nil && looked:
			good = append(good, a)
		case accept:
			approval := store.Approval{When: r.Made, By: by, What: codes(a.Why)}
			if err := g.Store.Approve(ctx, []store.AccountID{a.ID}, approval); err != nil {
				return err
			}
			a.Approved = &Approval{By: by, When: r.Made}
			good = append(good, a)
		default:
			r.Left = append(r.Left, a)
		}
	}
	r.Accounts = good
	return nil
}

// looked tells whether the last pass over an account is fresh; else that is one more reason
// against it.
func (g *Guide) looked(ctx context.Context, a *Account, now time.Time) (bool, error) {
	s, err := g.Store.Summary(ctx, a.ID)
	if err != nil || now.Sub(s.LastPass) <= Fresh {
		return err == nil, err
	}
	a.Grade, a.Why = stage.NeedsLook, append(slices.Clone(a.Why), stage.NotLooked(s.LastPass))
	return false, nil
}

// reasons are messages in one line.
func reasons(why []stage.Message) string {
	texts := make([]string, len(why))
	for i, m := range why {
		texts[i] = strings.TrimSuffix(m.Text, ".")
	}
	return strings.Join(texts, "; ")
}

// codes are those of messages.
func codes(why []stage.Message) string {
	all := make([]string, len(why))
	for i, m := range why {
		all[i] = m.Code
	}
	return strings.Join(all, " ")
}

// Forget removes a domain and all that is kept of it, but for its reports and the audit log.
func (g *Guide) Forget(ctx context.Context, e Engine, domain, by string) error {
	all, err := g.Store.Overview(ctx, domain)
	if err != nil {
		return err
	}
	ids := make([]store.AccountID, len(all))
	for i := range all {
		if ids[i] = all[i].ID; all[i].State == store.Active {
			return ErrActive
		}
	}
	if _, known := g.Config.DomainNamed(domain); !known && len(all) == 0 {
		return ErrNoDomain
	}
	if err := e.LetGo(ctx, ids); err != nil {
		return err
	}
	if err := g.note(ctx, by, "forget_domain", domain, fmt.Sprintf("%d accounts", len(all))); err != nil {
		return err
	}
	tell, err := g.parting(ctx, domain)
	if err != nil {
		return err
	}
	if err := g.Store.Forget(ctx, domain); err != nil {
		if errors.Is(err, store.ErrInvalid) {
			return ErrActive // somebody has begun one meanwhile
		}
		return err
	}
	defer tell(context.WithoutCancel(ctx)) // last: providers may take their time
	if err := g.forgetSignIns(context.WithoutCancel(ctx), domain); err != nil {
		return err
	}
	if d, known := g.Config.DomainNamed(domain); known && d.Stored {
		g.Config.Directory.Delete(domain)
	}
	g.mu.Lock()
	delete(g.last, domain)
	g.mu.Unlock()
	return g.tell(context.WithoutCancel(ctx), domain, ids)
}

// tell tells whoever wants to hear of it.
func (g *Guide) tell(ctx context.Context, domain string, ids []store.AccountID) error {
	if g.Told == nil {
		return nil
	}
	return g.Told(ctx, domain, ids)
}

// note writes to the audit log, and to the log, which is kept elsewhere.
func (g *Guide) note(ctx context.Context, by, action, domain, detail string) error {
	g.logAudit(by, action, domain, detail)
	return g.Store.AddAudit(ctx, store.AuditEntry{When: time.Now(), Who: by, Action: action, Domain: domain, Detail: detail})
}

// logAudit has the log say what the audit log does.
func (g *Guide) logAudit(by, action, domain, detail string) {
	g.Log.Info().Str("who", by).Str("action", action).Str("domain", domain).Str("detail", detail).Msg("audit")
}
