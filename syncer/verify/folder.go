package verify

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/message"
	"postferry/syncer/session"
	"postferry/upstream"
	"postferry/upstream/link"
)

const (
	// stumbleMost is how many times a connection may break while the same message is read
	// before it is passed over.
	stumbleMost = 2
	// vainTries is how many times a folder may be begun without anything more of it being
	// read, and brokenTries how many times at all.
	vainTries   = 3
	brokenTries = 50
)

// stumbles are the messages of one side of a folder at which connections broke.
type stumbles map[store.Key]int

func (s stumbles) over(k store.Key) bool { return s[k] >= stumbleMost }

// folderPair is a folder on both servers, compared. What has been read outlives a connection
// that breaks, as long as the folder stays as it is.
type folderPair struct {
	counterpart
	newName          string
	spared           int // messages of the new folder that are all mail's
	flags            *flagTable
	oldSel           *session.SourceFolder
	newSel           *upstream.Selected
	oldSide, newSide reading
	*matcher
}

// compare compares a folder, going on after connections that break and past messages at
// which they do.
func (c *accountCheck) compare(ctx context.Context, f counterpart, newName string) (*folderPair, error) {
	p := c.newPair(f, newName)
	return p, c.complete(ctx, p)
}

func (c *accountCheck) newPair(f counterpart, newName string) *folderPair {
	p := &folderPair{counterpart: f, newName: newName, flags: newFlagTable()}
	tick := func() { c.run.tick(c.row.Login, f.Title) }
	p.oldSide = reading{flags: p.flags, tick: tick, stumbles: stumbles{}}
	p.newSide = reading{flags: p.flags, tick: tick, stumbles: stumbles{}}
	return p
}

// complete reads both sides of a folder to their ends.
func (c *accountCheck) complete(ctx context.Context, p *folderPair) error {
	vain, unlisted := 0, false
	for range brokenTries {
		before := p.read()
		err := c.attempt(ctx, p)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return err
		case isUnlisted(err) && !unlisted:
			unlisted = true // it changed while it was listed, perhaps
		case link.ClassOf(err) == link.Lost && aboutFolder(err):
			c.pair.Drop()
			if vain++; p.read() > before {
				vain = 0
			}
			if vain < vainTries {
				continue
			}
			return err
		default:
			if link.ClassOf(err) != link.Refused && !isUnlisted(err) {
				c.pair.Drop()
			}
			return err
		}
	}
	return fmt.Errorf("%s: %w", p.Title, errStumbling)
}

var errStumbling = errors.New("the connection breaks again and again while the folder is read")

// read is how much is known of the folder's messages, those that are passed over included.
func (p *folderPair) read() int { return p.oldSide.progress() + p.newSide.progress() }

// attempt is one try: it reads a folder on both servers at the same time.
func (c *accountCheck) attempt(ctx context.Context, p *folderPair) error {
	if err := c.pair.Open(ctx); err != nil {
		return err
	}
	old, new := &p.oldSide, &p.newSide
	old.session, new.session = c.pair.Old, c.pair.New
	err := both(ctx, func(ctx context.Context) (err error) {
		if p.oldSel, err = c.pair.Old.Open(ctx, p.Old, session.OpenWith{}); err != nil {
			return err
		}
		old.flagless = !p.oldSel.Traits.Flags
		old.begin(&p.oldSel.Selected, p.oldSel.Keys, !p.oldSel.Traits.StableUIDs)
		return old.read(ctx, c.run.Bodies)
	}, func(ctx context.Context) (err error) {
		if p.newSel, err = c.pair.New.Examine(ctx, p.newName); err != nil {
			return err
		}
		new.begin(p.newSel, session.IMAPKeys(p.newSel.UIDValidity), false)
		return new.read(ctx, c.run.Bodies)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", p.Title, err)
	}
	p.matcher, err = match(old.records, new.records, c.run.Bodies, func(o, n []int32) error {
		return both(ctx,
			func(ctx context.Context) error { return old.readSome(ctx, o) },
			func(ctx context.Context) error { return new.readSome(ctx, n) })
	})
	return err
}

// both runs two things at the same time. Each goes on if the other fails, as
// an ended context would cost its connection.
func both(ctx context.Context, a, b func(context.Context) error) error {
	var g errgroup.Group
	g.Go(func() error { return a(ctx) })
	g.Go(func() error { return b(ctx) })
	return g.Wait()
}

// unreadable says why a message could not be read.
func (p *folderPair) unreadable(d verdict) reason.Reason {
	if d.old != nobody && (p.old[d.old].headless || !p.old[d.old].read) {
		if p.oldSide.stumbles.over(p.oldSel.Keys.Key(p.old[d.old].uid)) {
			return reason.Of(reason.OldBreaks)
		}
		return reason.Of(reason.NotDelivered)
	}
	if p.newSide.stumbles.over(message.IMAPKey(p.newSel.UIDValidity, p.new[d.new].uid)) {
		return reason.Of(reason.NewBreaksRead)
	}
	return reason.Of(reason.NotDeliveredNew)
}
