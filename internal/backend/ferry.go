package backend

import (
	"context"
	"errors"
	"io"

	"postferry/admin"
	"postferry/internal/control"
	"postferry/report"
	"postferry/store"
	"postferry/syncer/dryrun"
	"postferry/syncer/verify"
)

// adminFerry lets the import page reach the engine.
type adminFerry struct {
	*Local
}

var _ admin.Ferry = adminFerry{}

func (f adminFerry) Live(ctx context.Context) ([]report.Live, error) { return f.Engine.Live(ctx) }

func (f adminFerry) Folders(ctx context.Context, id store.AccountID) ([]report.Folder, error) {
	return f.Engine.Folders(ctx, id)
}

func (f adminFerry) Begin(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	return f.Engine.Begin(ctx, ids)
}

func (f adminFerry) Stop(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	return f.Engine.Stop(ctx, ids)
}

func (f adminFerry) Again(ctx context.Context, ids []store.AccountID) error {
	return f.Engine.Again(ctx, ids)
}

func (f adminFerry) Updated(ctx context.Context, ids []store.AccountID) error {
	return f.Engine.Updated(ctx, ids)
}

func (f adminFerry) DomainChanged(ctx context.Context, name string) error {
	return f.Engine.DomainChanged(ctx, name)
}

func (f adminFerry) Passes(ctx context.Context) <-chan report.PassEnded { return f.Engine.Passes(ctx) }

func (f adminFerry) Check(ctx context.Context, ids []store.AccountID, tell func(report.Check) error) error {
	if len(ids) == 0 {
		return nil
	}
	run := dryrun.DryRun{Config: f.Config, Store: f.Store, Log: f.Log, SignIns: f.Keeper, Check: true}
	pace, err := run.Pace(ctx)
	if err != nil {
		return err
	}
	seen := checkedAccounts{}
	run.Tell = func(p report.AccountPlan) error {
		c := report.Check{AccountPlan: p, Estimate: pace.Time(p.Copy, p.Bytes), AtOnce: pace.Accounts}
		seen.add(p.Account, !c.Ready())
		return tell(c)
	}
	if err := run.Run(ctx, ids); err != nil {
		return err
	}
	return seen.note(ctx, f.Store)
}

func (f adminFerry) Verify(ctx context.Context, ids []store.AccountID, bodies bool, tell func(report.VerifyEvent) error) error {
	if len(ids) == 0 {
		return nil
	}
	v := verify.Verification{Config: f.Config, Store: f.Store, Log: f.Log, SignIns: f.Keeper, Bodies: bodies, Tell: tell}
	return v.Run(ctx, ids)
}

func (f adminFerry) Quarantine(ctx context.Context, id store.AccountID) ([]report.QuarantineRecord, error) {
	a, err := f.Store.AccountByID(ctx, id)
	if err != nil {
		return nil, err
	}
	var found []report.QuarantineRecord
	err = f.Local.Quarantine(ctx, control.QuarantineQuery{Names: []string{a.Login}}, func(r report.QuarantineRecord) error {
		found = append(found, r)
		return nil
	})
	return found, err
}

func (f adminFerry) RetryQuarantined(ctx context.Context, messages []string) (int, error) {
	query, err := messagesOnly(messages)
	if err != nil {
		return 0, err
	}
	return f.Local.RetryQuarantined(ctx, query)
}

func (f adminFerry) DecideFolder(ctx context.Context, id store.AccountID, folder store.FolderID, v report.FolderVerdict) error {
	return f.Engine.DecideFolder(ctx, id, folder, v)
}

func (f adminFerry) DecideMailbox(ctx context.Context, id store.AccountID, v report.MailboxVerdict) error {
	return f.Engine.DecideMailbox(ctx, id, v)
}

// messagesOnly is a query for single messages. One without any would be for all of everybody.
func messagesOnly(ids []string) (control.QuarantineQuery, error) {
	if len(ids) == 0 {
		return control.QuarantineQuery{}, store.ErrNotFound
	}
	for _, id := range ids {
		if _, ok := ParseMessageID(id); !ok {
			return control.QuarantineQuery{}, store.ErrNotFound
		}
	}
	return control.QuarantineQuery{Names: ids}, nil
}

// maxQuarantinedHeader bounds the header that is shown of a message.
const maxQuarantinedHeader = 64 << 10

func (f adminFerry) QuarantinedHeader(ctx context.Context, message string) (header []byte, err error) {
	query, err := messagesOnly([]string{message})
	if err != nil {
		return nil, err
	}
	found := false
	err = f.QuarantinedMail(ctx, query, func(_ report.QuarantineRecord, body io.Reader, missing string) (err error) {
		found = true
		if body == nil {
			return errors.New(missing)
		}
		header, err = HeaderOf(body, maxQuarantinedHeader)
		return err
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return header, err
}
