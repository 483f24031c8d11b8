package main

import (
	"context"
	"errors"
	"io"
	"time"

	"postferry/admin"
	"postferry/internal/control"
	"postferry/report"
	"postferry/store"
	"postferry/syncer"
	"postferry/syncer/dryrun"
	"postferry/syncer/verify"
	"postferry/wire"
)

// adminFerry lets the import page reach the engine.
type adminFerry struct {
	*local
}

var _ admin.Ferry = adminFerry{}

func (f adminFerry) Live(ctx context.Context) ([]admin.Live, error) {
	all, err := f.engine.Live(ctx)
	if err != nil {
		return nil, err
	}
	live := make([]admin.Live, len(all))
	for i, l := range all {
		live[i] = admin.Live{
			Account: l.Account, Running: l.Running, Folder: l.Folder, Done: l.Done, Total: l.Total,
			OctetsDone: l.OctetsDone, OctetsTotal: l.OctetsTotal, Copied: l.Copied, Bytes: l.Bytes, Started: l.Started,
			MessagesPerSecond: l.Rate.Messages, OctetsPerSecond: l.Rate.Octets, Remaining: l.Remaining,
		}
	}
	return live, nil
}

func (f adminFerry) Folders(ctx context.Context, id store.AccountID) ([]admin.Folder, error) {
	rows, err := f.store.Folders(ctx, id)
	if err != nil {
		return nil, err
	}
	live, err := f.engine.LiveFolders(ctx, id)
	if err != nil {
		return nil, err
	}
	at := make(map[store.FolderID]syncer.LiveFolder, len(live))
	for _, l := range live {
		at[l.ID] = l
	}
	folders := make([]admin.Folder, len(rows))
	for i, row := range rows {
		folders[i] = describeAdminFolder(row, at[row.ID])
	}
	return folders, nil
}

// describeAdminFolder is a folder with what goes on with it; live is zero if nothing does.
func describeAdminFolder(row store.Folder, live syncer.LiveFolder) admin.Folder {
	f := admin.Folder{
		ID: row.ID, Title: row.Title, State: row.State, Running: live.Running, Complete: !row.Checkpoint.Checked.IsZero(),
		Messages: max(uint64(row.Checkpoint.Messages), live.Total), Copied: row.Copied, Quarantined: row.Quarantined, LeftOut: row.LeftOut,
		Octets: live.OctetsDone, OctetsTotal: live.OctetsTotal, Checked: row.Checkpoint.Checked,
	}
	switch row.State {
	case store.FolderPresent:
		f.NewTitle = wire.DecodeMailbox(row.New)
	case store.FolderMissing:
		f.NewTitle, f.Missing = wire.DecodeMailbox(row.New), row.Missing.Since
	case store.FolderSkipped:
		f.Left = row.Note
	}
	return f
}

func (f adminFerry) Begin(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	begun, err := f.engine.Begin(ctx, ids)
	return begun, stopping(err)
}

func (f adminFerry) Stop(ctx context.Context, ids []store.AccountID) ([]store.AccountID, error) {
	stopped, err := f.engine.Stop(ctx, ids)
	return stopped, stopping(err)
}

func (f adminFerry) Again(ctx context.Context, ids []store.AccountID) error {
	return stopping(f.engine.Again(ctx, ids))
}

func (f adminFerry) Updated(ctx context.Context, ids []store.AccountID) error {
	return stopping(f.engine.Updated(ctx, ids))
}

func (f adminFerry) DomainChanged(ctx context.Context, name string) error {
	return stopping(f.engine.DomainChanged(ctx, name))
}

// stopping is the page's word for an engine that has ended.
func stopping(err error) error {
	if errors.Is(err, syncer.ErrStopping) {
		return admin.ErrStopping
	}
	return err
}

// Passes hands the engine's events on until ctx ends.
func (f adminFerry) Passes(ctx context.Context) <-chan admin.PassEnded {
	from := f.engine.Passes(ctx)
	to := make(chan admin.PassEnded)
	go func() {
		defer close(to)
		for e := range from {
			select {
			case to <- admin.PassEnded{Account: e.Account, Pass: e.Pass, Problem: e.Problem, Missed: e.Missed}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return to
}

func (f adminFerry) Check(ctx context.Context, ids []store.AccountID, tell func(admin.CheckResult) error) error {
	if len(ids) == 0 {
		return nil
	}
	run := dryrun.DryRun{Config: f.cfg, Store: f.store, Log: f.log, SignIns: f.signIns, Check: true}
	pace, err := run.Pace(ctx)
	if err != nil {
		return err
	}
	seen := checkedAccounts{}
	run.Tell = func(p dryrun.AccountPlan) error {
		r := checkResult(p, pace)
		seen.add(p.Account, !r.Fits())
		return tell(r)
	}
	if err := run.Run(ctx, ids); err != nil {
		return err
	}
	return seen.note(ctx, f.store)
}

// checkResult is a plan as the page shows it.
func checkResult(p dryrun.AccountPlan, pace dryrun.Pace) admin.CheckResult {
	r := admin.CheckResult{
		Account: p.Account, Login: p.Login, OldProblem: p.Trouble[store.OldSide], NewProblem: p.Trouble[store.NewSide],
		Tried: p.Problem == "", Messages: p.Copy, Octets: p.Bytes, TooLarge: p.TooLarge, Limit: p.Limit,
		Notes: p.Notes, Lacks: p.Lacks, Estimate: pace.Time(p.Copy, p.Bytes), AtOnce: pace.Accounts,
	}
	if p.Problem != "" {
		r.OldProblem = &store.Problem{Kind: store.NoDomain, Summary: p.Problem.String(), Advice: store.NeedsFix, Since: time.Now()}
	}
	if l := p.Lack; l != nil {
		r.Lack = &admin.CheckedLack{Resource: l.Resource, Need: l.Need, Room: l.Room}
	}
	for _, q := range p.Quotas {
		r.Quotas = append(r.Quotas, admin.CheckedQuota{Resource: string(q.Resource), Used: q.Usage, Limit: q.Limit})
	}
	actions := map[dryrun.FolderAction]admin.FolderAction{
		dryrun.FolderCreated: admin.FolderCreate, dryrun.FolderFilled: admin.FolderFill,
		dryrun.FolderLeft: admin.FolderSkip, dryrun.FolderGone: admin.FolderGone, dryrun.FolderAway: admin.FolderAway,
	}
	for _, x := range p.Folders {
		r.Folders = append(r.Folders, admin.CheckedFolder{
			Title: x.Folder, NewTitle: x.NewFolder, Action: actions[x.Action], Messages: x.Messages,
			Copy: x.Copy, Octets: x.Bytes, TooLarge: x.TooLarge, LeftOut: x.LeftOut, Problem: x.Trouble, Left: x.Reason,
		})
	}
	return r
}

func (f adminFerry) Verify(ctx context.Context, ids []store.AccountID, bodies bool, tell func(report.VerifyEvent) error) error {
	if len(ids) == 0 {
		return nil
	}
	v := verify.Verification{Config: f.cfg, Store: f.store, Log: f.log, SignIns: f.signIns, Bodies: bodies, Tell: tell}
	return v.Run(ctx, ids)
}

func (f adminFerry) Quarantine(ctx context.Context, id store.AccountID) ([]admin.Quarantined, error) {
	a, err := f.store.AccountByID(ctx, id)
	if err != nil {
		return nil, err
	}
	var rows []admin.Quarantined
	err = f.local.Quarantine(ctx, control.QuarantineQuery{Names: []string{a.Login}}, func(r control.QuarantineRecord) error {
		rows = append(rows, admin.Quarantined{
			ID: r.ID, Folder: r.Folder, Key: r.Key, Reason: r.Reason, Cause: r.Cause, Attempts: r.Attempts, Since: r.Since, Last: r.Last,
		})
		return nil
	})
	return rows, err
}

func (f adminFerry) RetryQuarantined(ctx context.Context, messages []string) (int, error) {
	query, err := messagesOnly(messages)
	if err != nil {
		return 0, err
	}
	return f.local.RetryQuarantined(ctx, query)
}

func (f adminFerry) DecideFolder(ctx context.Context, id store.AccountID, folder store.FolderID, v admin.FolderVerdict) error {
	err := f.engine.DecideFolder(ctx, id, folder, syncer.Verdict(v))
	switch {
	case errors.Is(err, syncer.ErrNoFolder):
		return store.ErrNotFound
	case errors.Is(err, syncer.ErrNotMissing):
		return admin.ErrNotMissing
	}
	return stopping(err)
}

func (f adminFerry) DecideMailbox(ctx context.Context, id store.AccountID, v admin.MailboxVerdict) error {
	err := f.engine.DecideMailbox(ctx, id, syncer.MailboxVerdict(v))
	if errors.Is(err, syncer.ErrSameMailbox) {
		return admin.ErrMailboxKnown
	}
	return stopping(err)
}

// messagesOnly is a query for single messages. One without any would be for all of everybody.
func messagesOnly(ids []string) (control.QuarantineQuery, error) {
	if len(ids) == 0 {
		return control.QuarantineQuery{}, store.ErrNotFound
	}
	for _, id := range ids {
		if _, ok := parseMessageID(id); !ok {
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
	err = f.QuarantinedMail(ctx, query, func(_ control.QuarantineRecord, body io.Reader, missing string) (err error) {
		found = true
		if body == nil {
			return errors.New(missing)
		}
		header, err = headerOf(body, maxQuarantinedHeader)
		return err
	})
	if err == nil && !found {
		err = store.ErrNotFound
	}
	return header, err
}
