package backend

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/discover"
	"postferry/internal/control"
	"postferry/lifecycle"
	"postferry/report"
	"postferry/stage"
	"postferry/store"
	"postferry/syncer/verify"
	"postferry/tenant"
)

// NewGuide is what leads domains to their end. It asks resolvers, or those of the configuration
// if there are none.
func NewGuide(cfg *config.Config, st store.Store, log zerolog.Logger, resolvers []string) *lifecycle.Guide {
	finder := discover.ForConfig(cfg)
	if resolvers != nil {
		finder.Resolvers, finder.Watched = resolvers, resolvers
	}
	return &lifecycle.Guide{Config: cfg, Store: st, Finder: finder, Log: log, Parting: func(ctx context.Context, d config.Domain) (func(context.Context) int, error) {
		return (&tenant.Connector{Consents: st, Log: log}).Parting(ctx, st, d)
	}}
}

// Advise implements control.Backend.
func (l *Local) Advise(ctx context.Context, domain string) (stage.Assessment, error) {
	a, err := l.Guide.Assess(ctx, domain, true)
	return a, unknownDomain(err)
}

// next says of domains what to do next, without asking DNS. One that is not set up any more is left out.
func (l *Local) next(ctx context.Context, domains []string) (all []control.DomainNext, err error) {
	for _, name := range domains {
		a, err := l.Guide.Assess(ctx, name, false)
		if errors.Is(err, lifecycle.ErrNoDomain) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, control.DomainNext{Domain: a.Domain, Stage: a.Stage, Safe: a.Safe, Next: a.Next, WayBack: a.WayBack})
	}
	return all, nil
}

// unknownDomain makes that a domain is unknown a mistake on the command line.
func unknownDomain(err error) error {
	if errors.Is(err, lifecycle.ErrNoDomain) {
		return control.UsageError(err)
	}
	return err
}

// Prepare implements control.Backend.
func (l *Local) Prepare(ctx context.Context, q control.FinishQuery, tell func(lifecycle.Step, int)) (*lifecycle.Report, error) {
	domain, ids, err := l.toFinish(ctx, q)
	if err != nil {
		return nil, err
	}
	r, err := l.Guide.Prepare(ctx, finisher{l}, domain, ids, q.Bodies, tell)
	return r, unknownDomain(err)
}

// Finish implements control.Backend.
func (l *Local) Finish(ctx context.Context, q control.FinishQuery) (*lifecycle.Report, error) {
	domain, ids, err := l.toFinish(ctx, q)
	if err != nil {
		return nil, err
	}
	r, err := l.Guide.Finish(ctx, finisher{l}, domain, ids, commandLineName, q.Accept)
	return r, unknownDomain(err)
}

// commandLineName is who works at the machine itself, in the audit log and in reports.
const commandLineName = "command line"

// toFinish is the domain of a query, and which of its accounts are meant; none for all.
func (l *Local) toFinish(ctx context.Context, q control.FinishQuery) (domain string, ids []store.AccountID, err error) {
	if len(q.Logins) == 0 {
		return q.Domain, nil, nil
	}
	accounts, err := accountsOf(ctx, l.Store, q.Logins)
	if err != nil {
		return "", nil, err
	}
	for _, a := range accounts {
		if domain != "" && a.Domain != domain {
			return "", nil, control.UsageError(errors.New("the accounts are of several domains; finish those of each domain for themselves"))
		}
		domain, ids = a.Domain, append(ids, a.ID)
	}
	return domain, ids, nil
}

// Forget implements control.Backend.
func (l *Local) Forget(ctx context.Context, domain string) error {
	return unknownDomain(l.Guide.Forget(ctx, finisher{l}, domain, commandLineName))
}

// Reports implements control.Backend.
func (l *Local) Reports(ctx context.Context, domain string) ([]lifecycle.Report, error) {
	return l.Guide.Reports(ctx, domain)
}

// finisher is the engine as lifecycle needs it.
type finisher struct{ *Local }

var _ lifecycle.Engine = finisher{}

func (f finisher) Pass(ctx context.Context, ids []store.AccountID) error {
	if f.Engine == nil {
		return nil
	}
	_, err := f.Engine.Sync(ctx, ids, nil)
	return err
}

func (f finisher) Verify(ctx context.Context, ids []store.AccountID, bodies bool) error {
	v := verify.Verification{Config: f.Config, Store: f.Store, Log: f.Log, Bodies: bodies, Tell: func(report.VerifyEvent) error { return nil }}
	return v.Run(ctx, ids)
}

func (f finisher) Finished(ctx context.Context, ids []store.AccountID) error {
	if f.Engine == nil {
		return nil
	}
	return f.Engine.Finished(ctx, ids)
}

func (f finisher) LetGo(ctx context.Context, ids []store.AccountID) error {
	if f.Engine == nil {
		return nil
	}
	return f.Engine.LetGo(ctx, ids)
}

// checkedAccounts are the accounts that a check has tried, and whether it found trouble with them.
type checkedAccounts map[store.AccountID]bool

func (c checkedAccounts) add(id store.AccountID, trouble bool) { c[id] = trouble }

// note keeps what a check came to, for each domain.
func (c checkedAccounts) note(ctx context.Context, st store.Store) error {
	accounts, err := st.Accounts(ctx)
	if err != nil {
		return err
	}
	domains := map[string]*store.Checked{}
	for i := range accounts {
		trouble, tried := c[accounts[i].ID]
		if !tried {
			continue
		}
		d := domains[accounts[i].Domain]
		if d == nil {
			d = &store.Checked{When: time.Now().UTC()}
			domains[accounts[i].Domain] = d
		}
		if d.Accounts++; trouble {
			d.Trouble++
		}
	}
	for name, checked := range domains {
		if err := st.NoteChecked(ctx, name, *checked); err != nil {
			return err
		}
	}
	return nil
}
