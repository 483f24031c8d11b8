package dryrun

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"postferry/config"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/compare"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/syncer/problem"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// DryRun says what a pass would do, and does nothing of it: both servers are
// only read, on sessions that can't write, and so is the store.
type DryRun struct {
	Config *config.Config
	Store  Store
	Log    zerolog.Logger
	// SignIns is what to sign in with where a domain has a way to; nil for none.
	SignIns session.SignIns
	// Check is for accounts in any state, and tries the logins on both servers even
	// if one of them fails: Trouble says how that went.
	Check bool
	// Tell is called with each account's plan, one call at a time. An error
	// ends the run.
	Tell func(report.AccountPlan) error
}

// Run plans for the accounts given, or for all active ones if none are. An
// account that can't be planned for is told as such.
func (d DryRun) Run(ctx context.Context, ids []store.AccountID) error {
	accounts, err := compare.ChooseAccounts(ctx, d.Store, ids)
	if err != nil {
		return err
	}
	plans := make(chan report.AccountPlan)
	down := &downServers{}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.tellAll(gctx, plans) })
	g.Go(func() error {
		defer close(plans)
		each, ectx := errgroup.WithContext(gctx)
		each.SetLimit(max(1, min(compare.AtOnce, d.Config.Sync.OldConnections, d.Config.Sync.NewConnections)))
		for _, a := range accounts {
			if a.State != store.Active && len(ids) == 0 {
				continue
			}
			each.Go(func() error {
				p, err := d.account(ectx, a.ID, down)
				if err != nil {
					return err
				}
				select {
				case plans <- p:
					return nil
				case <-ectx.Done():
					return ectx.Err()
				}
			})
		}
		return each.Wait()
	})
	return g.Wait()
}

func (d DryRun) tellAll(ctx context.Context, plans <-chan report.AccountPlan) error {
	for {
		select {
		case p, more := <-plans:
			if !more {
				return nil
			}
			if err := d.Tell(p); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// account plans for one account. Its error is ctx's or the store's.
func (d DryRun) account(ctx context.Context, id store.AccountID, down *downServers) (report.AccountPlan, error) {
	row, err := d.Store.AccountByID(ctx, id)
	if err != nil {
		return report.AccountPlan{}, err
	}
	p := &accountPlanner{
		store: d.Store, id: id, plan: report.AccountPlan{Account: id, Login: row.Login}, maxFolders: d.Config.Sync.MaxFolders,
		pair: compare.Pair{Stall: d.Config.Sync.Stall, Log: d.Log.With().Str("account", row.Login).Logger(), Account: row, SignIns: d.SignIns},
	}
	var known bool
	switch p.pair.Domain, known = d.Config.DomainNamed(row.Domain); {
	case !known:
		p.plan.Problem = reason.Of(reason.NoDomain, row.Domain)
		p.plan.Trouble = map[store.Side]*store.Problem{store.OldSide: {Kind: store.NoDomain, Summary: p.plan.Problem, Advice: store.NeedsFix, Since: time.Now()}}
		return p.plan, nil
	case d.Check:
		return p.check(ctx, down)
	case row.State != store.Active:
		p.plan.Problem = reason.Of(reason.NotActive, row.State)
		return p.plan, nil
	}
	err = p.all(ctx)
	p.pair.Close(ctx)
	if _, ok := errors.AsType[*link.Error](err); ok && ctx.Err() == nil {
		p.plan.Problem, p.plan.Cause = problem.Of(err, "", 1).Summary, err.Error()
		err = nil
	}
	return p.plan, err
}

// accountPlanner makes an account's plan.
type accountPlanner struct {
	store Store
	id    store.AccountID
	pair  compare.Pair
	plan  report.AccountPlan

	maxFolders int
	coming     map[string]imap.UIDSet // what would be copied, by raw old name
	known      []store.Folder         // as the store has them
}

func (p *accountPlanner) all(ctx context.Context) error {
	known, err := p.store.Folders(ctx, p.id)
	if err != nil {
		return err
	}
	p.known = known
	trees, err := p.pair.Trees(ctx, known)
	if err != nil {
		return err
	}
	old, status, new := trees.Old, trees.Status, trees.New
	p.plan.Limit = max(p.pair.New.AppendLimit(), 0)
	rows, tree, err := compare.PlannedRows(ctx, old, new, known, foldertree.Wishes{Folders: p.pair.Domain.Folders, MaxFolders: p.maxFolders})
	if err != nil {
		return err
	}
	p.plan.Notes = append([]reason.Reason{}, tree.Notes...)
	if !session.TraitsOf(p.pair.Domain.Old).Folders {
		p.tell(reason.NotePOP3)
	}
	for _, name := range tree.Subscribe {
		p.plan.Subscribe = append(p.plan.Subscribe, foldertree.DecodeName(name))
	}
	there := make(map[string]uint64)
	for _, m := range new.Mailboxes {
		if m.Status != nil {
			there[m.Name] = uint64(m.Status.Messages)
		}
	}
	for _, row := range rows {
		f, err := p.folder(ctx, row, status[row.Old], there)
		if err != nil {
			return err
		}
		p.plan.Folders = append(p.plan.Folders, f)
	}
	if err := p.lookThrough(ctx, leftout.Views(old, rows), rows); err != nil {
		return err
	}
	for _, f := range p.plan.Folders {
		p.plan.Copy += f.Copy
		p.plan.Bytes += f.Bytes
		p.plan.TooLarge += f.TooLarge
		p.plan.Left += f.Left
		p.plan.LeftOut += f.LeftOut
	}
	return p.quota(ctx)
}

// tell adds to what people should know.
func (p *accountPlanner) tell(code reason.Code, values ...any) {
	p.plan.Notes = append(p.plan.Notes, reason.Of(code, values...))
}

// folder plans for one folder.
func (p *accountPlanner) folder(ctx context.Context, row store.Folder, st upstream.Status, there map[string]uint64) (report.FolderPlan, error) {
	f := report.FolderPlan{Folder: row.Title, NewFolder: foldertree.DecodeName(row.New), Messages: uint64(st.Messages)}
	switch row.State {
	case store.FolderSkipped:
		f.Action, f.Reason, f.LeftOut = report.FolderLeft, row.Note, leftout.Of(&row, st)
		return f, nil
	case store.FolderDeleted:
		f.Action, f.LeftOut = report.FolderGone, leftout.Of(&row, st)
		return f, nil
	case store.FolderMissing:
		f.Action = report.FolderAway
	case store.FolderPlanned:
		f.Action = report.FolderCreated
	default:
		f.Action = report.FolderFilled
		f.Unknown = there[row.New] - min(there[row.New], max(row.Copied, p.copiedTo(row.New)))
	}
	c := row.Checkpoint
	if row.AllMail {
		return f, nil // see allMail
	}
	if c.UIDNext != 0 && c.UIDNext == st.UIDNext && c.UIDValidity == st.UIDValidity {
		return f, nil // all of it is dealt with
	}
	err := p.count(ctx, row, &f)
	if f.Action == report.FolderAway {
		f.Left, f.Copy, f.Bytes, f.TooLarge = f.Copy, 0, 0, 0
	}
	if e, ok := errors.AsType[*link.Error](err); ok && e.Class == link.Refused {
		f.Problem, f.Trouble = e.Summary(), problem.Of(err, f.Folder, 1)
		p.tell(reason.NoteUnreadable, f.Folder, f.Problem)
		err = nil
	}
	return f, err
}

// copiedTo is how many messages were copied to a folder of the new server, from all that go there.
func (p *accountPlanner) copiedTo(name string) (n uint64) {
	for i := range p.known {
		if p.known[i].New == name {
			n += p.known[i].Copied
		}
	}
	return n
}

// count lists what the ledger does not know of a folder.
func (p *accountPlanner) count(ctx context.Context, row store.Folder, f *report.FolderPlan) error {
	sel, err := p.pair.Old.Open(ctx, row.Old, session.OpenWith{})
	if err != nil {
		return err
	}
	f.Messages = uint64(sel.Messages)
	if sel.Messages == 0 {
		return nil
	}
	var ledger store.Ledger
	if row.ID != 0 {
		if ledger, err = p.store.Ledger(ctx, p.id, row.ID); err != nil {
			return err
		}
	}
	known := session.NewKnown(ledger, sel.Keys)
	from := imap.UID(1)
	if row.Checkpoint.UIDValidity == sel.UIDValidity {
		from = max(from, row.Checkpoint.UIDNext)
	}
	counted := imap.UID(0)
	return p.pair.Old.ListMessages(ctx, imap.UIDSet{{Start: from}}, 0, func(m upstream.Message) error {
		if m.UID < from || m.UID == counted || known.Has(m.UID) { // "n:*" gives the last one in any case
			return nil
		}
		counted = m.UID
		p.comes(row.Old, m.UID)
		size := max(m.Size, 0)
		f.Copy++
		f.Bytes += uint64(size)
		if p.plan.Limit > 0 && size > p.plan.Limit {
			f.TooLarge++
		}
		return nil
	})
}

// quota compares the plan with the room on the new server.
func (p *accountPlanner) quota(ctx context.Context) error {
	quotas, err := p.pair.New.Quotas(ctx, foldertree.InboxName)
	if err != nil {
		return err
	}
	for _, q := range quotas {
		p.plan.Quotas = append(p.plan.Quotas, report.Quota{Resource: string(q.Resource), Used: q.Usage, Limit: q.Limit})
	}
	for _, q := range quotas {
		if p.plan.Lack = lack(q, p.plan.Copy, p.plan.Bytes); p.plan.Lack != nil {
			p.plan.Lacks = p.plan.Lack.String()
			break
		}
	}
	return nil
}

// lack is what a quota lacks for so many messages and octets, nil if nothing.
func lack(q upstream.Quota, messages, octets uint64) *report.Lack {
	l := &report.Lack{Resource: q.Resource, Need: messages, Room: q.Limit - min(q.Limit, q.Usage)}
	switch q.Resource {
	case "STORAGE": // in units of 1024 octets (RFC 9208 section 5.1)
		l.Need, l.Room = octets, min(l.Room, math.MaxUint64/1024)*1024
	case "MESSAGE":
	default:
		return nil
	}
	if l.Need <= l.Room {
		return nil
	}
	return l
}
