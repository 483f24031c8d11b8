package session

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/emersion/go-imap/v2"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/problem"
	"postferry/upstream"
	"postferry/upstream/link"
)

// A server may break the connection at one folder each time: at its STATUS, at its CREATE, at its
// line of LIST. That folder is left out of the look at the trees, and the others go on.

// breaksMost is how many folders of one server may be taken for the reason that connections break
// during one look; with more it is the server.
const breaksMost = 5

// ErrListBreaks says that the old server breaks the connection in the middle of its list each time.
var ErrListBreaks = problem.New(store.FoldersUnlisted, store.OldSide, "the old server breaks the connection while it lists its folders")

// ErrListUnread says that some of what the old server lists can't be read.
var ErrListUnread = problem.New(store.FoldersUnlisted, store.OldSide, "the old server lists folders in a way that can't be read")

// BreaksConnection tells whether an error has cost the session, after the server had let us in.
func BreaksConnection(err error) bool {
	e, ok := errors.AsType[*link.Error](err)
	return ok && (e.Class == link.Lost || e.Class == link.Later && !link.Answered(err)) &&
		!link.Throttled(err) && e.Op != "connect" && !strings.EqualFold(e.Op, "login")
}

// TreeReader is the part of a session that tells of folders.
type TreeReader interface {
	FolderLister
	Status(ctx context.Context, names []string) (map[string]upstream.Status, error)
}

// ResilientReader looks at a server's folders though it breaks connections at some of them.
type ResilientReader struct {
	open func(ctx context.Context) (TreeReader, error)
	drop func()
	Left map[string]error // raw names of the folders at which connections broke
}

func NewResilientReader(open func(ctx context.Context) (TreeReader, error), drop func()) *ResilientReader {
	return &ResilientReader{open: open, drop: drop, Left: map[string]error{}}
}

// List lists the folders: as far as they come, if the connection breaks before the end.
func (k *ResilientReader) List(ctx context.Context) (foldertree.Tree, error) {
	s, err := k.open(ctx)
	if err != nil {
		return foldertree.Tree{}, err
	}
	tree, err := ReadTree(ctx, s, false)
	if BreaksConnection(err) {
		k.drop()
		if len(tree.Mailboxes) > 0 {
			err = nil
		}
	}
	return tree, err
}

// status asks for folders one by one. One at which the connection breaks is left out; by then it
// has done so twice.
func (k *ResilientReader) status(ctx context.Context, names []string) (map[string]upstream.Status, error) {
	all := map[string]upstream.Status{}
	for _, name := range names {
		s, err := k.open(ctx)
		if err != nil {
			return nil, err
		}
		one, err := s.Status(ctx, []string{name})
		if BreaksConnection(err) && ctx.Err() == nil {
			k.drop()
			k.Left[name] = err
			if len(k.Left) > breaksMost {
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

// OldFolders is what Tree tells, though connections break. A folder that was left out has no
// status, so that it is opened to see what it has.
func (k *ResilientReader) OldFolders(ctx context.Context, known []store.Folder) (foldertree.Tree, map[string]upstream.Status, error) {
	tree, err := k.List(ctx)
	if err != nil {
		return tree, nil, err
	}
	hidden := unlisted(tree, known)
	ask := slices.Sorted(maps.Keys(hidden))
	for _, m := range tree.Mailboxes {
		if foldertree.Selectable(m) {
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
		tree.Asked(hidden, name, st, ok || k.Left[name] != nil, all)
	}
	return tree, all, nil
}

// ResilientTarget is a session with the new server in place of which another one comes when it breaks
// at one folder.
type ResilientTarget struct {
	Target
	ResilientReader
	pair   *Pair
	unwell int // folders in a row of which the server says that it can't make them at the moment
}

// NewResilientTarget makes a session of a pair steady.
func NewResilientTarget(l *Pair, s Target) *ResilientTarget {
	k := &ResilientTarget{Target: s, pair: l}
	k.ResilientReader = *NewResilientReader(func(ctx context.Context) (TreeReader, error) { return k.again(ctx) }, l.New.HangUp)
	return k
}

// again is the session, opened anew if it broke.
func (k *ResilientTarget) again(ctx context.Context) (Target, error) {
	if k.pair.New.There {
		return k.Target, nil
	}
	s, err := k.pair.Target(ctx)
	if err == nil {
		k.Target = s
	}
	return s, err
}

// Status implements session.Target.
func (k *ResilientTarget) Status(ctx context.Context, names []string) (map[string]upstream.Status, error) {
	all, err := k.Target.Status(ctx, names)
	if !BreaksConnection(err) || ctx.Err() != nil {
		return all, err
	}
	k.drop()
	if all, err = k.status(ctx, names); err == nil {
		_, err = k.again(ctx)
	}
	return all, err
}

// Create implements session.Target. A folder at which the connection breaks twice, or that can't be made
// at the moment, is a leftError: it is tried again with the next look, and the others go on.
func (k *ResilientTarget) Create(ctx context.Context, name string, use imap.MailboxAttr) error {
	err := k.Target.Create(ctx, name, use)
	if BreaksConnection(err) && ctx.Err() == nil {
		k.drop()
		if _, err := k.again(ctx); err != nil {
			return err
		}
		err = k.Target.Create(ctx, name, use)
	}
	switch {
	case ctx.Err() != nil:
		return err
	case BreaksConnection(err):
		k.drop()
		if k.Left[name] = err; len(k.Left) > breaksMost {
			return err
		}
		if _, err := k.again(ctx); err != nil {
			return err
		}
		return &leftError{err}
	case notNow(err):
		k.Left[name] = err
		if k.unwell++; k.unwell > FolderBound {
			return err
		}
		return &leftError{err}
	}
	k.unwell = 0
	return err
}

// CreateAll implements session.Target. Where the connection breaks, those that were not answered count as
// not made: Create finds out which of them it is.
func (k *ResilientTarget) CreateAll(ctx context.Context, folders []upstream.NewFolder) (made []bool, err error) {
	made, err = k.Target.CreateAll(ctx, folders)
	if BreaksConnection(err) && ctx.Err() == nil {
		k.drop()
		_, err = k.again(ctx)
	}
	return made, err
}

// notNow: the server answers that it can't do this at the moment, which may be about one folder.
func notNow(err error) bool {
	return err != nil && link.ClassOf(err) == link.Later && link.Answered(err) && !link.Throttled(err)
}

// leftError: a folder can't be made for now, and says nothing of the others.
type leftError struct{ err error }

func IsLeft(err error) bool {
	_, left := errors.AsType[*leftError](err)
	return left
}

func (e *leftError) Error() string { return e.err.Error() }
func (e *leftError) Unwrap() error { return e.err }

// FolderBound is how many folders in a row may not work at the moment before it
// counts as the server that doesn't.
const FolderBound = 3

// CountsError says that a server listed fewer messages than it says there are.
type CountsError struct {
	Listed, Messages int
	Side             store.Side // "" is the old one
}

func (e *CountsError) Error() string { return e.Reason().String() }

// Reason is the error as it is reported.
func (e *CountsError) Reason() reason.Reason {
	return reason.Of(reason.Counts, cmp.Or(e.Side, store.OldSide), e.Listed, e.Messages)
}

func (e *CountsError) Describe(p *store.Problem) {
	p.Kind = store.Counts
	if e.Side == store.NewSide {
		p.Server = store.NewSide
		p.Summary = reason.Of(reason.TroubleCountsNew, e.Messages, e.Listed)
		return
	}
	p.Server = store.OldSide
	p.Summary = reason.Of(reason.TroubleCountsOld, e.Messages, e.Listed)
}

// FolderLister is the part of a session that tells the folder tree.
type FolderLister interface {
	Folders(ctx context.Context, withStatus bool) (upstream.Namespace, []upstream.Mailbox, error)
	// NoFolders is what is wrong where Folders tells of none at all.
	NoFolders() error
	// Unread is how many folders Folders told of in a way that could not be read.
	Unread() int
}

func ReadTree(ctx context.Context, s FolderLister, withStatus bool) (foldertree.Tree, error) {
	ns, list, err := s.Folders(ctx, withStatus)
	if err == nil && len(list) == 0 {
		err = s.NoFolders()
	}
	tree := foldertree.Tree{Namespace: ns, Mailboxes: list, ListingTrouble: foldertree.ListingTrouble{Unread: s.Unread(), Partial: err != nil}}
	if n := len(list); tree.Partial && n > 0 {
		tree.Last = list[n-1].Name
	}
	return tree, err
}

// AboutOne tells whether a server's "not now" may be about one message or
// folder, so that the others need not wait: Yahoo says UNAVAILABLE of single
// messages.
func AboutOne(err error) bool {
	e, ok := errors.AsType[*link.Error](err)
	if !ok || e.Class != link.Later || !link.Answered(err) || link.AsksForLess(err) {
		return false
	}
	switch e.Code {
	case imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeServerBug, "SYS/TEMP": // the last one is POP3's (RFC 3206)
		return true
	case imap.ResponseCodeLimit, "": // the latter says so in words
		return !strings.EqualFold(e.Op, "login")
	}
	return false
}

// StopsAccount tells whether an error is about the account or a server as
// a whole, so that its other folders need not be tried now. unwell is of how many
// folders in a row before a server said that they don't work at the moment.
func StopsAccount(err error, unwell int) bool {
	if (AboutOne(err) || BreaksConnection(err)) && unwell < FolderBound {
		return false
	}
	if _, counts := errors.AsType[*CountsError](err); counts || errors.Is(err, ErrHung) {
		return false
	}
	if _, resting := errors.AsType[*RestingError](err); resting {
		return true
	}
	e, ok := errors.AsType[*link.Error](err)
	if !ok {
		return true // the store, or a bug: nothing will go better in the next folder
	}
	return e.Class == link.Fix || e.Class == link.Later || e.Op == "connect" || strings.EqualFold(e.Op, "login")
}
