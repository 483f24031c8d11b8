package treesync

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/leftout"
	"postferry/syncer/mailbox"
	"postferry/syncer/quota"
	"postferry/syncer/recovery"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

// Result is what a tree job brings back.
type Result struct {
	Rows   []store.Folder
	Status map[string]upstream.Status
	Newer  map[string]upstream.Status
	Empty  map[string]bool
	Views  map[string]bool
	Labels map[string]string // raw names of the old folders by their labels; nil if its messages have none, or nothing comes of them
	Delim  byte
	Room   *store.Problem // the account's mail can't fit
	Seen   LastLook
	Left   map[string]error // raw names on the new server of folders that could not be made for now, and why
	// Listed is what is wrong with how the old server lists its folders.
	Listed foldertree.ListingTrouble
	// Suspect are folders whose messages must be compared with the ledger.
	Suspect map[store.FolderID]bool
	unseen  []*spotCheck // whose answers were lost with the connection with the old server
	// Omitted are folders of the old server that are more than are made.
	Omitted int
	// Lost: the new server has lost copies, and all mail is to be looked through again, as the store knows.
	Lost bool
	// Again are folders of which messages are to be copied again, as the store knows.
	Again []store.FolderID
	Err   error
}

// treeLook is a look at an account's trees while it runs on a pair.
type treeLook struct {
	of       Account
	pair     *session.Pair
	known    []store.Folder
	last     LastLook
	now      time.Time
	old      foldertree.Tree
	status   map[string]upstream.Status // of the old folders
	new      foldertree.Tree
	counted  map[store.FolderID]leftCount
	checks   []*spotCheck
	again    bool // it is the second try
	oldBroke bool // the connection with the old server broke
	putBack  bool // the new server was put back to an earlier state, as the numbers of INBOX or another folder show
}

// Account is what a look at the trees needs to know of the account.
type Account struct {
	ID         store.AccountID
	Store      Store
	Domain     *config.Domain
	MaxFolders int
	Resets     *recovery.AllMailResets
	Claims     *mailbox.ClaimRequest // of its mailbox
	Log        zerolog.Logger
}

// Look runs on a pair, with spot checks besides or without. Its rows are not stored yet.
func Look(ctx context.Context, of Account, l *session.Pair, known []store.Folder, last LastLook, spot bool) (r Result) {
	k := &treeLook{of: of, pair: l, known: known, last: last, now: time.Now(), counted: maps.Clone(last.counted), again: !spot}
	if spot {
		if k.checks, r.Err = k.chooseSpotChecks(ctx); r.Err != nil {
			return r
		}
	}
	if k.counted == nil {
		k.counted = map[store.FolderID]leftCount{}
	}
	if r.Err = k.run(ctx, &r); k.oldBroke {
		r.unseen = k.checks
	}
	return r
}

// Suspecting are folders of which an earlier look should have shown the newest messages, and did not, as the connection with the old
// server broke: they are to be opened.
func (r *Result) Suspecting(earlier Result) {
	for _, p := range earlier.unseen {
		if r.Err == nil {
			r.Suspect[p.row.ID] = true
		}
	}
}

func (k *treeLook) run(ctx context.Context, r *Result) (err error) {
	l := k.pair
	first, err := k.lookAtBoth(ctx)
	if err != nil {
		return err
	}
	newS := session.NewResilientTarget(l, first)
	r.Delim, r.Suspect = k.new.Namespace.Delim, suspects(k.checks)
	if err := k.ownMailboxes(ctx, first); err != nil {
		return err
	}
	if err := k.of.Claims.Claim(ctx, l, first, k.status, k.known); err != nil {
		return err
	}
	var rows []store.Folder
	if k.new, rows, err = k.seekGone(ctx, newS, k.new, k.known, k.last); err != nil {
		return err
	}
	if rows, err = k.followOldRenames(ctx, rows); err != nil {
		return err
	}
	plan, err := k.plan(ctx, newS, &rows)
	if err != nil {
		return err
	}
	for _, note := range plan.Notes {
		k.of.Log.Info().Str("folder", note.Value("Folder")).Msg(note.String())
	}
	m := newMaker(newS, k.new, rows, &plan, k.of.Log)
	m.now = k.now
	made, err := m.apply(ctx)
	if err != nil {
		return err
	}
	r.Left, r.Listed = newS.Left, k.old.ListingTrouble
	r.Empty, r.Newer, r.Omitted = emptyFolders(k.new, m.made), toldStatus(k.new), plan.Omitted
	rows = foldertree.LatestRows(rows, made)
	r.Status = statusOf(k.status, rows)
	if r.Rows, err = k.judge(ctx, k.known, rows); err != nil {
		return err
	}
	latest := foldertree.LatestRows(rows, r.Rows)
	lost, err := k.forgetLost(ctx, newS, latest)
	if r.Lost, r.Again = lost.any, lost.again; err != nil {
		return err
	}
	r.Views = leftout.Views(k.old, latest)
	if l.Old.There && l.Old.Session.HasLabels() && newS.UIDPlus() { // else nothing is copied from folder to folder
		r.Labels = leftout.LabelledFolders(k.old)
	}
	r.Rows = leftout.WithLeftOut(latest, r.Rows, r.Status, r.Views)
	r.Seen = LastLook{strays: straysOf(k.new, rows), counted: k.counted}
	if l.Traits().Folders && !foldertree.Begun(k.known) {
		r.Room, err = k.checkRoom(ctx, newS, rows, r.Status)
	}
	return err
}

// plan plans what is to become of the folders. Rows join those that are known if their folders turn
// out to be on the new server already.
func (k *treeLook) plan(ctx context.Context, newS session.Target, rows *[]store.Folder) (foldertree.TreePlan, error) {
	wish := foldertree.Wishes{Folders: k.of.Domain.Folders, MaxFolders: k.of.MaxFolders}
	plan, err := foldertree.Plan(ctx, k.old, k.new, *rows, wish)
	if err != nil {
		return plan, err
	}
	more, found, err := k.seekUnknown(ctx, newS, *rows, &plan)
	if err != nil || !found {
		return plan, err
	}
	*rows = more
	return foldertree.Plan(ctx, k.old, k.new, more, wish)
}

// lookAtBoth looks at both servers at the same time, as each may be far away.
func (k *treeLook) lookAtBoth(ctx context.Context) (newS session.Target, err error) {
	l := k.pair
	reserve := l.Reserve
	if !l.Traits().Folders {
		reserve = func(ctx context.Context) error { return l.New.Sit(ctx, l) }
	}
	if err := reserve(ctx); err != nil {
		return nil, err
	}
	var oldErr, newErr error
	var g sync.WaitGroup
	g.Go(func() {
		k.old, k.status, oldErr = oldTree(ctx, l, k.known, k.checks)
		if k.again && session.BreaksConnection(oldErr) && ctx.Err() == nil {
			k.old, k.status, oldErr = k.oldSteadily(ctx)
		}
	})
	g.Go(func() {
		newS, k.new, newErr = newTree(ctx, l, k.checks)
		if k.again && session.BreaksConnection(newErr) && ctx.Err() == nil {
			newS, k.new, newErr = k.newSteadily(ctx)
		}
	})
	g.Wait()
	k.oldBroke = session.BreaksConnection(oldErr)
	return newS, graver(oldErr, newErr)
}

// oldSteadily is oldTree for a server that breaks the connection at a folder.
func (k *treeLook) oldSteadily(ctx context.Context) (foldertree.Tree, map[string]upstream.Status, error) {
	l := k.pair
	l.Old.HangUp()
	s := session.NewResilientReader(func(ctx context.Context) (session.TreeReader, error) { return l.Source(ctx) }, l.Old.HangUp)
	return s.OldFolders(ctx, k.known)
}

// newSteadily is newTree for a server that breaks the connection at a folder.
func (k *treeLook) newSteadily(ctx context.Context) (session.Target, foldertree.Tree, error) {
	l := k.pair
	l.New.HangUp()
	s := session.NewResilientReader(func(ctx context.Context) (session.TreeReader, error) { return l.Target(ctx) }, l.New.HangUp)
	tree, err := s.List(ctx)
	if err != nil {
		return nil, tree, err
	}
	again, err := l.Target(ctx)
	return again, tree, err
}

// newStatus is what was told of a folder of the new server along with its name.
func (k *treeLook) newStatus(name string) (st upstream.Status, told bool) {
	for _, m := range k.new.Mailboxes {
		if m.Name == name && m.Status != nil {
			return *m.Status, true
		}
	}
	return st, false
}

// graver is the first error, or the one that people have to do something about:
// a password that was refused is not tried again because the other server is away.
func graver(one, other error) error {
	if one == nil || link.ClassOf(one) != link.Fix && link.ClassOf(other) == link.Fix {
		return other
	}
	return one
}

// checkRoom is roomProblem with the old session that has just told the tree.
func (k *treeLook) checkRoom(ctx context.Context, newS session.Target, rows []store.Folder, status map[string]upstream.Status) (*store.Problem, error) {
	old, err := k.pair.Source(ctx)
	if err != nil {
		return nil, err
	}
	return quota.Problem(ctx, k.of.Domain.New.Host, old, newS, rows, status)
}

// statusOf is what is kept of a look at the old server: only of folders that have rows.
func statusOf(all map[string]upstream.Status, rows []store.Folder) map[string]upstream.Status {
	kept := make(map[string]upstream.Status, len(rows))
	for i := range rows {
		if st, ok := all[rows[i].Old]; ok {
			kept[rows[i].Old] = st
		}
	}
	return kept
}

func oldTree(ctx context.Context, l *session.Pair, known []store.Folder, checks []*spotCheck) (tree foldertree.Tree, status map[string]upstream.Status, err error) {
	if !l.Traits().Folders {
		tree, status := session.InboxOnly()
		return tree, status, nil
	}
	s, err := l.Source(ctx)
	if err != nil {
		return foldertree.Tree{}, nil, err
	}
	err = withSpotChecks(ctx, checks, func(c *spotCheck) error { return c.askOld(ctx, s) }, (*spotCheck).answerOld, func() error {
		tree, status, err = s.Tree(ctx, true, known)
		return err
	})
	return tree, status, err
}

// newTree looks at the new server's folders, and at how they are numbered where it tells that
// along with their names.
func newTree(ctx context.Context, l *session.Pair, checks []*spotCheck) (s session.Target, tree foldertree.Tree, err error) {
	if s, err = l.Target(ctx); err != nil {
		return nil, foldertree.Tree{}, err
	}
	err = withSpotChecks(ctx, checks, func(c *spotCheck) error { return c.askNew(ctx, s) }, (*spotCheck).answerNew, func() error {
		tree, err = session.ReadTree(ctx, s, true)
		return err
	})
	return s, tree, err
}

// toldStatus is the status of the folders of which it was told.
func toldStatus(s foldertree.Tree) map[string]upstream.Status {
	all := map[string]upstream.Status{}
	for _, m := range s.Mailboxes {
		if m.Status != nil {
			all[m.Name] = *m.Status
		}
	}
	return all
}

// emptyFolders are those of the new server that hold no mail, as far as it told:
// those that were seen empty, and those just made.
func emptyFolders(new foldertree.Tree, made map[string]bool) map[string]bool {
	empty := maps.Clone(made)
	for _, m := range new.Mailboxes {
		if m.Status != nil && m.Status.Messages == 0 {
			empty[m.Name] = true
		}
	}
	return empty
}

// apply carries out a plan. A folder that the new server refuses is
// reported and does not keep the others from being made.
func (m *maker) apply(ctx context.Context) ([]store.Folder, error) {
	if err := m.all(ctx); err != nil {
		return nil, err
	}
	if err := m.prove(ctx); err != nil {
		return nil, err
	}
	for i := range m.plan.Folders {
		if f := &m.plan.Folders[i]; f.State == store.FolderPlanned && m.made[f.New] {
			m.isMade(f)
		}
	}
	return m.plan.Folders, m.subscribe(ctx)
}

func (m *maker) subscribe(ctx context.Context) error {
	if len(m.plan.Subscribe) == 0 {
		return nil
	}
	err := m.session.Subscribe(ctx, m.plan.Subscribe)
	if link.ClassOf(err) == link.Refused {
		m.log.Warn().Err(err).Msg("the new server refuses a subscription")
		return nil
	}
	return err
}
