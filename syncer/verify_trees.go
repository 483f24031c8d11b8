package syncer

import (
	"context"

	"postferry/store"
	"postferry/upstream"
)

// bothTrees are the folders of both servers, and the status of the old one's.
type bothTrees struct {
	old, new Side
	status   map[string]upstream.Status
}

// trees lists the folders of both servers. Where the connection breaks twice, it goes on without the
// folder at which it does, or without status of the new server's.
func (p *readOnlyPair) trees(ctx context.Context, known []store.Folder) (bothTrees, error) {
	t, err := p.treesAtOnce(ctx, known)
	if breaks(err) && ctx.Err() == nil {
		p.drop()
		t, err = p.treesAtOnce(ctx, known)
	}
	if breaks(err) && ctx.Err() == nil {
		p.drop()
		t, err = p.treesSteadily(ctx, known)
	}
	return t, err
}

func (p *readOnlyPair) treesAtOnce(ctx context.Context, known []store.Folder) (t bothTrees, err error) {
	if err = p.open(ctx); err != nil {
		return t, err
	}
	if t.old, t.status, err = p.old.Tree(ctx, true, known); err != nil {
		return t, err
	}
	t.new, err = side(ctx, p.new, true)
	return t, err
}

func (p *readOnlyPair) treesSteadily(ctx context.Context, known []store.Folder) (t bothTrees, err error) {
	old := newSteady(func(ctx context.Context) (treeReader, error) {
		err := p.openOld(ctx)
		return p.old, err
	}, p.drop)
	if t.old, t.status, err = old.oldFolders(ctx, known); err != nil {
		return t, err
	}
	t.new, err = newSteady(func(ctx context.Context) (treeReader, error) {
		err := p.openNew(ctx)
		return p.new, err
	}, p.drop).list(ctx)
	if err != nil {
		return t, err
	}
	return t, p.open(ctx)
}
