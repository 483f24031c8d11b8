package syncer

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/upstream"

	"github.com/rs/zerolog"
)

// treeResult is what a tree job brings back.
type treeResult struct {
	rows   []store.Folder
	status map[string]upstream.Status
	newer  map[string]upstream.Status
	empty  map[string]bool
	views  map[string]bool
	delim  byte
	room   *store.Problem // the account's mail can't fit
	seen   lastLook
	left   map[string]error // raw names on the new server of folders that could not be made for now, and why
	// listed is what is wrong with how the old server lists its folders.
	listed oddList
	// suspect are folders whose messages must be compared with the ledger.
	suspect map[store.FolderID]bool
	// omitted are folders of the old server that are more than are made.
	omitted int
	err     error
}

// treeLook is a look at an account's trees while it runs on a lane.
type treeLook struct {
	of      treeAccount
	lane    *lane
	known   []store.Folder
	last    lastLook
	now     time.Time
	old     Side
	status  map[string]upstream.Status // of the old folders
	new     Side
	counted map[store.FolderID]leftCount
	checks  []*spotCheck
	again   bool // it is the second try
}

// treeAccount is what a look at the trees needs to know of the account.
type treeAccount struct {
	id         store.AccountID
	store      store.Store
	domain     *config.Domain
	maxFolders int
	quiet      time.Duration
	now        func() time.Time
	claims     *claimRequest // of its mailbox
	log        zerolog.Logger
}

// lookAtTrees runs on a lane, with spot checks besides or without. Its rows are not stored yet.
func lookAtTrees(ctx context.Context, of treeAccount, l *lane, known []store.Folder, last lastLook, spot bool) (r treeResult) {
	k := &treeLook{of: of, lane: l, known: known, last: last, now: of.now(), counted: maps.Clone(last.counted), again: !spot}
	if spot {
		if k.checks, r.err = k.chooseSpotChecks(ctx); r.err != nil {
			return r
		}
	}
	if k.counted == nil {
		k.counted = map[store.FolderID]leftCount{}
	}
	r.err = k.run(ctx, &r)
	return r
}

func (k *treeLook) run(ctx context.Context, r *treeResult) (err error) {
	l := k.lane
	first, err := k.lookAtBoth(ctx)
	if err != nil {
		return err
	}
	newS := steadily(l, first)
	r.delim, r.suspect = k.new.Namespace.Delim, suspects(k.checks)
	if err := k.of.claims.claim(ctx, l, first, k.status, k.known); err != nil {
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
		k.of.log.Info().Str("folder", note.Folder).Msg(note.Text)
	}
	m := newMaker(newS, k.new, rows, &plan, k.of.log)
	m.quiet, m.now = k.of.quiet, k.now
	made, err := m.apply(ctx)
	if err != nil {
		return err
	}
	r.left, r.listed = newS.left, k.old.oddList
	r.empty, r.newer, r.omitted = emptyFolders(k.new, m.made), toldStatus(k.new), plan.Omitted
	rows = latestRows(rows, made)
	r.status = statusOf(k.status, rows)
	if r.rows, err = k.judge(ctx, k.known, rows); err != nil {
		return err
	}
	latest := latestRows(rows, r.rows)
	r.views = viewsOf(k.old, latest)
	r.rows = withLeftOut(latest, r.rows, r.status, r.views)
	r.seen = lastLook{strays: straysOf(k.new, rows), counted: k.counted}
	if !l.pop3() && !begun(k.known) {
		r.room, err = k.checkRoom(ctx, newS, rows, r.status)
	}
	return err
}

// plan plans what is to become of the folders. Rows join those that are known if their folders turn
// out to be on the new server already.
func (k *treeLook) plan(ctx context.Context, newS newSession, rows *[]store.Folder) (TreePlan, error) {
	wish := wishes{k.of.domain.Folders, k.of.maxFolders}
	plan, err := planFolders(ctx, k.old, k.new, *rows, wish)
	if err != nil {
		return plan, err
	}
	more, found, err := k.seekUnknown(ctx, newS, *rows, &plan)
	if err != nil || !found {
		return plan, err
	}
	*rows = more
	return planFolders(ctx, k.old, k.new, more, wish)
}

// lookAtBoth looks at both servers at the same time, as each may be far away.
func (k *treeLook) lookAtBoth(ctx context.Context) (newS newSession, err error) {
	l := k.lane
	reserve := l.reserve
	if l.pop3() {
		reserve = func(ctx context.Context) error { return l.new.sit(ctx, l) }
	}
	if err := reserve(ctx); err != nil {
		return nil, err
	}
	var oldErr, newErr error
	var g sync.WaitGroup
	g.Go(func() {
		k.old, k.status, oldErr = oldTree(ctx, l, k.known, k.checks)
		if k.again && breaks(oldErr) && ctx.Err() == nil {
			k.old, k.status, oldErr = k.oldSteadily(ctx)
		}
	})
	g.Go(func() {
		newS, k.new, newErr = newTree(ctx, l, k.checks)
		if k.again && breaks(newErr) && ctx.Err() == nil {
			newS, k.new, newErr = k.newSteadily(ctx)
		}
	})
	g.Wait()
	return newS, graver(oldErr, newErr)
}

// oldSteadily is oldTree for a server that breaks the connection at a folder.
func (k *treeLook) oldSteadily(ctx context.Context) (Side, map[string]upstream.Status, error) {
	l := k.lane
	l.old.hangUp()
	s := newSteady(func(ctx context.Context) (treeReader, error) { return l.oldSession(ctx) }, l.old.hangUp)
	return s.oldFolders(ctx, k.known)
}

// newSteadily is newTree for a server that breaks the connection at a folder.
func (k *treeLook) newSteadily(ctx context.Context) (newSession, Side, error) {
	l := k.lane
	l.new.hangUp()
	s := newSteady(func(ctx context.Context) (treeReader, error) { return l.newSession(ctx) }, l.new.hangUp)
	tree, err := s.list(ctx)
	if err != nil {
		return nil, tree, err
	}
	again, err := l.newSession(ctx)
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
	if one == nil || upstream.ClassOf(one) != upstream.Fix && upstream.ClassOf(other) == upstream.Fix {
		return other
	}
	return one
}

// checkRoom is roomProblem with the old session that has just told the tree.
func (k *treeLook) checkRoom(ctx context.Context, newS newSession, rows []store.Folder, status map[string]upstream.Status) (*store.Problem, error) {
	old, err := k.lane.oldSession(ctx)
	if err != nil {
		return nil, err
	}
	return roomProblem(ctx, k.of.domain.New.Host, old, newS, rows, status)
}

// latestRows are the known rows with what changed.
func latestRows(known, changed []store.Folder) []store.Folder {
	rows := slices.Clone(known)
	at := make(map[string]int, len(rows))
	for i := range rows {
		at[rows[i].Old] = i
	}
	for _, f := range changed {
		if i, ok := at[f.Old]; ok {
			rows[i] = f
		} else {
			rows = append(rows, f)
		}
	}
	return rows
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

func oldTree(ctx context.Context, l *lane, known []store.Folder, checks []*spotCheck) (tree Side, status map[string]upstream.Status, err error) {
	if l.pop3() {
		tree, status := pop3Tree()
		return tree, status, nil
	}
	s, err := l.oldSession(ctx)
	if err != nil {
		return Side{}, nil, err
	}
	err = withSpotChecks(ctx, checks, func(c *spotCheck) error { return c.askOld(ctx, s) }, (*spotCheck).answerOld, func() error {
		tree, status, err = s.Tree(ctx, true, known)
		return err
	})
	return tree, status, err
}

// newTree looks at the new server's folders, and at how they are numbered where it tells that
// along with their names.
func newTree(ctx context.Context, l *lane, checks []*spotCheck) (s newSession, tree Side, err error) {
	if s, err = l.newSession(ctx); err != nil {
		return nil, Side{}, err
	}
	err = withSpotChecks(ctx, checks, func(c *spotCheck) error { return c.askNew(ctx, s) }, (*spotCheck).answerNew, func() error {
		tree, err = side(ctx, s, true)
		return err
	})
	return s, tree, err
}

// toldStatus is the status of the folders of which it was told.
func toldStatus(s Side) map[string]upstream.Status {
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
func emptyFolders(new Side, made map[string]bool) map[string]bool {
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
	if upstream.ClassOf(err) == upstream.Refused {
		m.log.Warn().Err(err).Msg("the new server refuses a subscription")
		return nil
	}
	return err
}
