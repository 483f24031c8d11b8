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
	empty   map[string]bool            // new folders that were seen empty then
	slow    *time.Timer                // runs while the first look does; nil for none
	omitted int                        // folders of the old server that are more than are made
	// foretold is how many messages there are at least, for as long as no look has ended.
	foretold uint64
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
	delim  byte
	room   *store.Problem // the account's mail can't fit
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
	yield := make(chan struct{})
	if a.tree.yield = nil; !visit {
		a.tree.yield = sync.OnceFunc(func() { close(yield) })
	}
	a.expectSlow()
	var result treeResult
	a.start(l, yield, func(ctx context.Context) {
		result = a.syncTree(ctx, l, rows)
		if result.err != nil && upstream.ClassOf(result.err) == upstream.Lost && ctx.Err() == nil {
			// A kept session may have died; one more try with fresh ones.
			l.drop()
			result = a.syncTree(ctx, l, rows)
		}
		if result.err != nil {
			l.drop()
		}
	}, func() { a.treeDone(result) })
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
		a.tree.at, a.tree.status, a.tree.newer, a.tree.empty, a.tree.room = time.Now(), r.status, r.newer, r.empty, r.room
		a.tree.omitted = r.omitted
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

// syncTree runs on a lane. Its rows are not stored yet.
func (a *account) syncTree(ctx context.Context, l *lane, known []store.Folder) (r treeResult) {
	reserve := l.reserve
	if l.pop3() {
		reserve = func(ctx context.Context) error { return l.new.sit(ctx, l) }
	}
	if r.err = reserve(ctx); r.err != nil {
		return r
	}
	// Both servers at the same time, as each may be far away.
	var old, new Side
	var newS newSession
	var oldErr, newErr error
	var g sync.WaitGroup
	g.Go(func() { old, r.status, oldErr = oldTree(ctx, l, known) })
	g.Go(func() { newS, new, newErr = newTree(ctx, l) })
	g.Wait()
	if r.err = graver(oldErr, newErr); r.err != nil {
		return r
	}
	r.delim = new.Namespace.Delim
	if r.err = a.claimMailbox(ctx, l, newS, r.status, known); r.err != nil {
		return r
	}
	if new, known, r.err = a.seekGone(ctx, newS, new, known); r.err != nil {
		return r
	}
	var plan TreePlan
	if plan, r.err = planFolders(ctx, old, new, known, wishes{a.domain.Folders, a.cfg.Sync.MaxFolders}); r.err != nil {
		return r
	}
	for _, note := range plan.Notes {
		a.log.Info().Str("folder", note.Folder).Msg(note.Text)
	}
	m := newMaker(newS, new, known, &plan, a.log)
	r.rows, r.err = a.applyTree(ctx, m)
	r.empty, r.newer, r.omitted = emptyFolders(new, m.made), toldStatus(new), plan.Omitted
	r.status = statusOf(r.status, latestRows(known, r.rows))
	if r.err == nil && !l.pop3() && !begun(known) {
		r.room, r.err = a.checkRoom(ctx, l, newS, latestRows(known, r.rows), r.status)
	}
	return r
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

func oldTree(ctx context.Context, l *lane, known []store.Folder) (Side, map[string]upstream.Status, error) {
	if l.pop3() {
		tree, status := pop3Tree()
		return tree, status, nil
	}
	s, err := l.oldSession(ctx)
	if err != nil {
		return Side{}, nil, err
	}
	return s.Tree(ctx, true, known)
}

// newTree looks at the new server's folders, and at how they are numbered where it tells that
// along with their names.
func newTree(ctx context.Context, l *lane) (newSession, Side, error) {
	s, err := l.newSession(ctx)
	if err != nil {
		return nil, Side{}, err
	}
	tree, err := side(ctx, s, true)
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
}

func side(ctx context.Context, s lister, withStatus bool) (Side, error) {
	ns, list, err := s.Folders(ctx, withStatus)
	return Side{Namespace: ns, Mailboxes: list}, err
}

// applyTree carries out a plan. A folder that the new server refuses is
// reported and does not keep the others from being made.
func (a *account) applyTree(ctx context.Context, m *maker) ([]store.Folder, error) {
	if err := m.all(ctx); err != nil {
		return nil, err
	}
	for i, f := range m.plan.Folders {
		if f.State == store.FolderPlanned && m.made[f.New] {
			m.plan.Folders[i].State = store.FolderPresent
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
