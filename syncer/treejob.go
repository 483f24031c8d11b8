package syncer

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"postferry/store"
	"postferry/upstream"
)

// treeFresh is how long a look at the folder trees is good enough for another
// client that logs in.
const treeFresh = time.Minute

// storeWait bounds a write to the store that must not be lost when the engine stops.
const storeWait = 5 * time.Second

// treeState is what an account knows of its folder trees.
type treeState struct {
	room    *store.Problem // the account's mail can't fit on the new server; nil if it can
	at      time.Time      // of the last successful look
	began   time.Time      // of the last look
	running bool
	err     error // of the last look
	waiting []chan struct{}
	yield   func()                     // makes the pass's look give up waiting for a place; nil if a client's runs
	changes []folderChange             // of clients, while the present look runs
	delim   byte                       // of the new server; 0 until known
	status  map[string]upstream.Status // of the old folders, as of the last look
	newer   map[string]upstream.Status // of the new folders, as far as the look brought it along
	suspect map[store.FolderID]bool    // folders of which the look has found messages to be others than they were
	empty   map[string]bool            // new folders that were seen empty then
	views   map[string]bool            // folders left alone that show mail of others, by raw old name
	slow    *time.Timer                // runs while the first look does; nil for none
	left    map[string]error           // raw names on the new server of folders that could not be made for now, and why
	listed  oddList                    // what is wrong with how the old server lists its folders
	omitted int                        // folders of the old server that are more than are made
	// foretold is how many messages there are at least, for as long as no look has ended.
	foretold uint64
	last     lastLook
}

// tell lets go of all who wait for the tree.
func (t *treeState) tell() {
	for _, c := range t.waiting {
		close(c)
	}
	t.waiting = nil
}

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

// startTree looks at both trees on a lane and brings the new one up to date; visit
// if a client waits for it.
func (a *account) startTree(l *lane, visit bool) {
	a.tree.running, a.tree.changes, a.tree.began = true, nil, time.Now()
	l.urgent = visit || l == a.front
	rows := make([]store.Folder, len(a.folders))
	for i, f := range a.folders {
		rows[i] = f.Folder
	}
	last := a.tree.last
	last.doubted = a.doubted()
	yield := make(chan struct{})
	if a.tree.yield = nil; !visit {
		a.tree.yield = sync.OnceFunc(func() { close(yield) })
	}
	a.expectSlow()
	var result treeResult
	a.start(l, yield, func(ctx context.Context) {
		result = a.syncTree(ctx, l, rows, last, true)
		if breaks(result.err) && ctx.Err() == nil {
			// A kept session may have died; one more try with fresh ones, and with nothing
			// besides. If it breaks again at the same place, that is left out.
			l.drop()
			result = a.syncTree(ctx, l, rows, last, false)
		}
		if result.err != nil {
			l.drop()
		}
	}, func() {
		if result.err == nil {
			a.settled(last.doubted)
		}
		a.treeDone(result)
	})
}

// doubted are the folders that seem to be others on the new server than they were.
func (a *account) doubted() map[store.FolderID]bool {
	ids := map[store.FolderID]bool{}
	for _, f := range a.folders {
		if f.doubted {
			ids[f.ID] = true
		}
	}
	return ids
}

// settled ends doubts that a look has settled.
func (a *account) settled(ids map[store.FolderID]bool) {
	for _, f := range a.folders {
		f.doubted = f.doubted && !ids[f.ID]
	}
}

func (a *account) treeDone(r treeResult) {
	a.tree.running = false
	if a.tree.slow != nil {
		a.tree.slow.Stop()
	}
	if errors.Is(r.err, errYield) {
		return // a client's look follows, for the pass as well
	}
	if alias, ok := errors.AsType[*aliasError](r.err); ok {
		r.err = a.becomeAlias(alias.of)
	}
	a.mendRows(r.rows)
	rows, err := a.putFolders(r.rows)
	if r.err == nil {
		r.err = err
	}
	a.tree.err = r.err
	a.setFolders(rows)
	if r.delim != 0 {
		a.tree.delim = r.delim
	}
	if r.err == nil {
		a.tree.at, a.tree.status, a.tree.newer, a.tree.empty, a.tree.room, a.tree.last = time.Now(), r.status, r.newer, r.empty, r.room, r.seen
		a.tree.left, a.tree.listed = r.left, r.listed
		a.tree.omitted, a.tree.views, a.tree.suspect = r.omitted, r.views, r.suspect
	}
	a.tree.tell()
	if a.pass != nil && !a.pass.tree {
		if a.tree.began.Before(a.pass.started) {
			return // what came between the two is not in it: the pass looks again
		}
		a.passTree(r.err)
	} else if r.err != nil && a.work.Err() == nil {
		a.problem(problemOf(r.err, "", 1))
	} else if r.room != nil {
		a.problem(r.room)
	}
}

// mendRows puts right the rows of a look that was overtaken by clients: what
// they did is newer than what the look saw.
func (a *account) mendRows(rows []store.Folder) {
	for i := range rows {
		for _, c := range a.tree.changes {
			if f := a.folder(rows[i].ID); f != nil {
				rows[i].New, rows[i].State, rows[i].Renaming = f.New, f.State, f.Renaming
				rows[i].NewUIDValidity, rows[i].Missing, rows[i].LeftOut = f.NewUIDValidity, f.Missing, f.LeftOut
			} else {
				a.follow(&rows[i], c)
			}
		}
	}
}

// putFolders stores rows. Only the account's goroutine does, so that a look at the
// trees never undoes what a client did meanwhile.
func (a *account) putFolders(rows []store.Folder) ([]store.Folder, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), storeWait)
	defer cancel()
	return a.store.PutFolders(ctx, a.id, rows)
}

// treeLook is a look at an account's trees while it runs on a lane.
type treeLook struct {
	account *account
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

// syncTree runs on a lane, with spot checks besides or without. Its rows are not stored yet.
func (a *account) syncTree(ctx context.Context, l *lane, known []store.Folder, last lastLook, spot bool) (r treeResult) {
	k := &treeLook{account: a, lane: l, known: known, last: last, now: a.clock(), counted: maps.Clone(last.counted), again: !spot}
	if spot {
		if k.checks, r.err = a.chooseSpotChecks(ctx, l, known); r.err != nil {
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
	a, l := k.account, k.lane
	first, err := k.lookAtBoth(ctx)
	if err != nil {
		return err
	}
	newS := steadily(l, first)
	r.delim, r.suspect = k.new.Namespace.Delim, suspects(k.checks)
	if err := a.claimMailbox(ctx, l, first, k.status, k.known); err != nil {
		return err
	}
	var rows []store.Folder
	if k.new, rows, err = a.seekGone(ctx, newS, k.new, k.known, k.last); err != nil {
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
		a.log.Info().Str("folder", note.Folder).Msg(note.Text)
	}
	m := newMaker(newS, k.new, rows, &plan, a.log)
	m.quiet, m.now = a.quiet, k.now
	made, err := a.applyTree(ctx, m)
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
		r.room, err = a.checkRoom(ctx, l, newS, rows, r.status)
	}
	return err
}

// plan plans what is to become of the folders. Rows join those that are known if their folders turn
// out to be on the new server already.
func (k *treeLook) plan(ctx context.Context, newS newSession, rows *[]store.Folder) (TreePlan, error) {
	wish := wishes{k.account.domain.Folders, k.account.cfg.Sync.MaxFolders}
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
func (a *account) checkRoom(ctx context.Context, l *lane, newS newSession, rows []store.Folder, status map[string]upstream.Status) (*store.Problem, error) {
	old, err := l.oldSession(ctx)
	if err != nil {
		return nil, err
	}
	return a.roomProblem(ctx, old, newS, rows, status)
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

// lister is the part of a session that tells the folder tree.
type lister interface {
	Folders(ctx context.Context, withStatus bool) (upstream.Namespace, []upstream.Mailbox, error)
	// NoFolders is what is wrong where Folders tells of none at all.
	NoFolders() error
	// Unread is how many folders Folders told of in a way that could not be read.
	Unread() int
}

func side(ctx context.Context, s lister, withStatus bool) (Side, error) {
	ns, list, err := s.Folders(ctx, withStatus)
	if err == nil && len(list) == 0 {
		err = s.NoFolders()
	}
	tree := Side{Namespace: ns, Mailboxes: list, oddList: oddList{unread: s.Unread(), partial: err != nil}}
	if n := len(list); tree.partial && n > 0 {
		tree.last = list[n-1].Name
	}
	return tree, err
}

// applyTree carries out a plan. A folder that the new server refuses is
// reported and does not keep the others from being made.
func (a *account) applyTree(ctx context.Context, m *maker) ([]store.Folder, error) {
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
	return m.plan.Folders, a.subscribe(ctx, m.session, m.plan.Subscribe)
}

func (a *account) subscribe(ctx context.Context, s newSession, names []string) error {
	if len(names) == 0 {
		return nil
	}
	err := s.Subscribe(ctx, names)
	if upstream.ClassOf(err) == upstream.Refused {
		a.log.Warn().Err(err).Msg("the new server refuses a subscription")
		return nil
	}
	return err
}
