package syncer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"postferry/store"
	"postferry/upstream"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// A server may break the connection at one folder each time: at its STATUS, at its CREATE, at its
// line of LIST. That folder is left out of the look at the trees, and the others go on.

// breaksMost is how many folders of one server may be taken for the reason that connections break
// during one look; with more it is the server.
const breaksMost = 5

// errListBreaks: the old server breaks the connection in the middle of its list each time.
var errListBreaks = newProblem(store.FoldersUnlisted, store.OldSide, "the old server breaks the connection while it lists its folders")

// errListUnread: some of what the old server lists can't be read.
var errListUnread = newProblem(store.FoldersUnlisted, store.OldSide, "the old server lists folders in a way that can't be read")

// breaks tells whether an error has cost the session, after the server had let us in.
func breaks(err error) bool {
	e, ok := errors.AsType[*upstream.Error](err)
	return ok && (e.Class == upstream.Lost || e.Class == upstream.Later && !upstream.Answered(err)) &&
		!upstream.Throttled(err) && e.Op != "connect" && !strings.EqualFold(e.Op, "login")
}

// treeReader is the part of a session that tells of folders.
type treeReader interface {
	lister
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
}

// steady looks at a server's folders though it breaks connections at some of them.
type steady struct {
	open func(ctx context.Context) (treeReader, error)
	drop func()
	left map[string]error // raw names of the folders at which connections broke
}

func newSteady(open func(ctx context.Context) (treeReader, error), drop func()) *steady {
	return &steady{open: open, drop: drop, left: map[string]error{}}
}

// list lists the folders: as far as they come, if the connection breaks before the end.
func (k *steady) list(ctx context.Context) (Side, error) {
	s, err := k.open(ctx)
	if err != nil {
		return Side{}, err
	}
	tree, err := side(ctx, s, false)
	if breaks(err) {
		k.drop()
		if len(tree.Mailboxes) > 0 {
			err = nil
		}
	}
	return tree, err
}

// status asks for folders one by one. One at which the connection breaks is left out; by then it
// has done so twice.
func (k *steady) status(ctx context.Context, names []string) (map[string]upstream.Status, error) {
	all := map[string]upstream.Status{}
	for _, name := range names {
		s, err := k.open(ctx)
		if err != nil {
			return nil, err
		}
		one, err := s.Status(ctx, []string{name})
		if breaks(err) && ctx.Err() == nil {
			k.drop()
			k.left[name] = err
			if len(k.left) > breaksMost {
				return nil, err
			}
			continue
		}
		if err != nil {
			return nil, err
		}
		maps.Copy(all, one)
	}
	return all, nil
}

// oldFolders is what Tree tells, though connections break. A folder that was left out has no
// status, so that it is opened to see what it has.
func (k *steady) oldFolders(ctx context.Context, known []store.Folder) (Side, map[string]upstream.Status, error) {
	tree, err := k.list(ctx)
	if err != nil {
		return tree, nil, err
	}
	hidden := unlisted(tree, known)
	ask := slices.Sorted(maps.Keys(hidden))
	for _, m := range tree.Mailboxes {
		if selectable(m) {
			ask = append(ask, m.Name)
		}
	}
	told, err := k.status(ctx, ask)
	if err != nil {
		return tree, nil, err
	}
	all := make(map[string]upstream.Status, len(ask))
	for _, name := range ask {
		st, ok := told[name]
		tree.asked(hidden, name, st, ok || k.left[name] != nil, all)
	}
	return tree, all, nil
}

// steadySession is a session with the new server in place of which another one comes when it breaks
// at one folder.
type steadySession struct {
	newSession
	steady
	lane   *lane
	unwell int // folders in a row of which the server says that it can't make them at the moment
}

// steadily makes a session of a lane steady.
func steadily(l *lane, s newSession) *steadySession {
	k := &steadySession{newSession: s, lane: l}
	k.steady = *newSteady(func(ctx context.Context) (treeReader, error) { return k.again(ctx) }, l.new.hangUp)
	return k
}

// again is the session, opened anew if it broke.
func (k *steadySession) again(ctx context.Context) (newSession, error) {
	if k.lane.new.there {
		return k.newSession, nil
	}
	s, err := k.lane.newSession(ctx)
	if err == nil {
		k.newSession = s
	}
	return s, err
}

// Status implements newSession.
func (k *steadySession) Status(ctx context.Context, names []string) (map[string]upstream.Status, error) {
	all, err := k.newSession.Status(ctx, names)
	if !breaks(err) || ctx.Err() != nil {
		return all, err
	}
	k.drop()
	if all, err = k.status(ctx, names); err == nil {
		_, err = k.again(ctx)
	}
	return all, err
}

// Create implements newSession. A folder at which the connection breaks twice, or that can't be made
// at the moment, is a leftError: it is tried again with the next look, and the others go on.
func (k *steadySession) Create(ctx context.Context, name string, use imap.MailboxAttr) error {
	err := k.newSession.Create(ctx, name, use)
	if breaks(err) && ctx.Err() == nil {
		k.drop()
		if _, err := k.again(ctx); err != nil {
			return err
		}
		err = k.newSession.Create(ctx, name, use)
	}
	switch {
	case ctx.Err() != nil:
		return err
	case breaks(err):
		k.drop()
		if k.left[name] = err; len(k.left) > breaksMost {
			return err
		}
		if _, err := k.again(ctx); err != nil {
			return err
		}
		return &leftError{err}
	case notNow(err):
		k.left[name] = err
		if k.unwell++; k.unwell > folderBound {
			return err
		}
		return &leftError{err}
	}
	k.unwell = 0
	return err
}

// notNow: the server answers that it can't do this at the moment, which may be about one folder.
func notNow(err error) bool {
	return err != nil && upstream.ClassOf(err) == upstream.Later && upstream.Answered(err) && !upstream.Throttled(err)
}

// leftError: a folder can't be made for now, and says nothing of the others.
type leftError struct{ err error }

func isLeft(err error) bool {
	_, left := errors.AsType[*leftError](err)
	return left
}

func (e *leftError) Error() string { return e.err.Error() }
func (e *leftError) Unwrap() error { return e.err }

// folderBound is how many folders in a row may not work at the moment before it
// counts as the server that doesn't.
const folderBound = 3

// countsError: a server listed fewer messages than it says there are.
type countsError struct {
	listed, messages int
	side             store.Side // "" is the old one
}

func (e *countsError) Error() string {
	return fmt.Sprintf("the %s server listed %d messages and says that the folder has %d", cmp.Or(e.side, store.OldSide), e.listed, e.messages)
}

func (e *countsError) describe(p *store.Problem) {
	p.Kind = store.Counts
	if e.side == store.NewSide {
		p.Server = store.NewSide
		p.Summary = fmt.Sprintf("The new server says that the folder has %d messages, but lists only %d. It is looked at again.", e.messages, e.listed)
		return
	}
	p.Server = store.OldSide
	p.Summary = fmt.Sprintf("The old server says that the folder has %d messages, but lists only %d. It is listed again; if it stays so, the server shows the newest ones only (Yahoo: 10,000), and those hidden must be moved into other folders there to be copied.", e.messages, e.listed)
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
