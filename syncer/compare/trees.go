package compare

import (
	"context"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/session"
	"postferry/upstream"
)

// bothTrees are the folders of both servers, and the status of the old one's.
type bothTrees struct {
	Old, New foldertree.Tree
	Status   map[string]upstream.Status
}

// Trees lists the folders of both servers. Where the connection breaks twice, it goes on without the
// folder at which it does, or without status of the new server's.
func (p *Pair) Trees(ctx context.Context, known []store.Folder) (bothTrees, error) {
	t, err := p.treesAtOnce(ctx, known)
	if session.BreaksConnection(err) && ctx.Err() == nil {
		p.Drop()
		t, err = p.treesAtOnce(ctx, known)
	}
	if session.BreaksConnection(err) && ctx.Err() == nil {
		p.Drop()
		t, err = p.treesSteadily(ctx, known)
	}
	return t, err
}

func (p *Pair) treesAtOnce(ctx context.Context, known []store.Folder) (t bothTrees, err error) {
	if err = p.Open(ctx); err != nil {
		return t, err
	}
	if t.Old, t.Status, err = p.Old.Tree(ctx, true, known); err != nil {
		return t, err
	}
	t.New, err = session.ReadTree(ctx, p.New, true)
	return t, err
}

func (p *Pair) treesSteadily(ctx context.Context, known []store.Folder) (t bothTrees, err error) {
	old := session.NewResilientReader(func(ctx context.Context) (session.TreeReader, error) {
		err := p.OpenOld(ctx)
		return p.Old, err
	}, p.Drop)
	if t.Old, t.Status, err = old.OldFolders(ctx, known); err != nil {
		return t, err
	}
	t.New, err = session.NewResilientReader(func(ctx context.Context) (session.TreeReader, error) {
		err := p.OpenNew(ctx)
		return p.New, err
	}, p.Drop).List(ctx)
	if err != nil {
		return t, err
	}
	return t, p.Open(ctx)
}
