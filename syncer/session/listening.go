package session

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"

	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/upstream"
)

// Listening counts the jobs of an account that wait for its old server right
// now. Silence means something only while there is one: with none it is the
// new server, or room in memory, that everybody waits for.
type Listening struct{ jobs atomic.Int32 }

func (l *Listening) Now() bool { return l.jobs.Load() > 0 }

// begin counts a job until the function it returns is called.
func (l *Listening) begin() (end func()) {
	l.jobs.Add(1)
	return func() { l.jobs.Add(-1) }
}

// pause does not count a job until the function it returns is called.
func (l *Listening) pause() (end func()) {
	l.jobs.Add(-1)
	return func() { l.jobs.Add(1) }
}

// listener is a session with an old server that counts as listening while an
// answer is awaited, but not while what came is dealt with.
type listener struct {
	Source
	Listening *Listening
	given     bool // to the next folder: only what was asked for before may be waited for
}

// free returns errGiven once the session is the next folder's.
func (s *listener) free() error {
	if s.given {
		return ErrGiven
	}
	return nil
}

func (s *listener) Tree(ctx context.Context, withStatus bool, known []store.Folder) (foldertree.Tree, map[string]upstream.Status, error) {
	defer s.Listening.begin()()
	return s.Source.Tree(ctx, withStatus, known)
}

// Folders implements session.Source.
func (s *listener) Folders(ctx context.Context, withStatus bool) (upstream.Namespace, []upstream.Mailbox, error) {
	defer s.Listening.begin()()
	return s.Source.Folders(ctx, withStatus)
}

// Status implements session.Source.
func (s *listener) Status(ctx context.Context, names []string) (map[string]upstream.Status, error) {
	defer s.Listening.begin()()
	return s.Source.Status(ctx, names)
}

func (s *listener) Open(ctx context.Context, name string, ahead OpenWith) (*SourceFolder, error) {
	if err := s.free(); err != nil {
		return nil, err
	}
	defer s.Listening.begin()()
	f, err := s.Source.Open(ctx, name, ahead)
	return s.Listening.hear(f), err
}

// SendOpen does not wait for an answer. The session is the next folder's then.
func (s *listener) SendOpen(ctx context.Context, name string, ahead OpenWith) (OpenCall, error) {
	s.given = true
	call, err := s.Source.SendOpen(ctx, name, ahead)
	return listeningOpen{call, s.Listening}, err
}

// listeningOpen is a folder that is being opened.
type listeningOpen struct {
	OpenCall
	listening *Listening
}

func (c listeningOpen) Wait(ctx context.Context) (*SourceFolder, error) {
	defer c.listening.begin()()
	f, err := c.OpenCall.Wait(ctx)
	return c.listening.hear(f), err
}

// hear makes waiting for the early bodies of a folder count as listening.
func (l *Listening) hear(f *SourceFolder) *SourceFolder {
	if f != nil && f.Early != nil {
		f.Early = listeningEarly{f.Early, l}
	}
	return f
}

func (s *listener) ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error {
	if err := s.free(); err != nil {
		return err
	}
	defer s.Listening.begin()()
	return s.Source.ListMessages(ctx, set, changedSince, fn)
}

func (s *listener) ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	if err := s.free(); err != nil {
		return err
	}
	defer s.Listening.begin()()
	return s.Source.ListFlags(ctx, set, fn)
}

// Labels implements session.Source.
func (s *listener) Labels(ctx context.Context, set imap.UIDSet, fn func(upstream.Labelled) error) error {
	if err := s.free(); err != nil {
		return err
	}
	defer s.Listening.begin()()
	return s.Source.Labels(ctx, set, fn)
}

func (s *listener) Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error {
	if err := s.free(); err != nil {
		return err
	}
	defer s.Listening.begin()()
	return s.Source.Headers(ctx, set, fn)
}

// Ask does not wait for an answer.
func (s *listener) Ask(ctx context.Context, set imap.UIDSet) (BodiesCall, error) {
	if err := s.free(); err != nil {
		return nil, err
	}
	call, err := s.Source.Ask(ctx, set)
	return listeningCall{call, s.Listening}, err
}

// listeningCall are bodies on their way.
type listeningCall struct {
	BodiesCall
	listening *Listening
}

// Wait hands bodies to fn, which may take its time with them: until the new
// server has room.
func (c listeningCall) Wait(ctx context.Context, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	defer c.listening.begin()()
	return c.BodiesCall.Wait(ctx, c.listening.pausing(fn))
}

// listeningEarly are a listing and bodies on their way.
type listeningEarly struct {
	EarlyCall
	listening *Listening
}

// Wait is that of listeningCall.
func (c listeningEarly) Wait(ctx context.Context, fn func(m upstream.Message, size int64, r io.Reader) error) ([]upstream.Message, bool, error) {
	defer c.listening.begin()()
	return c.EarlyCall.Wait(ctx, func(m upstream.Message, size int64, r io.Reader) error {
		defer c.listening.pause()()
		return fn(m, size, &listeningReader{r, c.listening})
	})
}

// Bodies is Ask and Wait.
func (s *listener) Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	if err := s.free(); err != nil {
		return err
	}
	defer s.Listening.begin()()
	return s.Source.Bodies(ctx, set, s.Listening.pausing(fn))
}

// pausing is fn, which does not count as listening but while it reads.
func (l *Listening) pausing(fn func(uid imap.UID, size int64, r io.Reader) error) func(imap.UID, int64, io.Reader) error {
	return func(uid imap.UID, size int64, r io.Reader) error {
		defer l.pause()()
		return fn(uid, size, &listeningReader{r, l})
	}
}

// listeningReader is a body on its way.
type listeningReader struct {
	R         io.Reader
	Listening *Listening
}

func (b *listeningReader) Read(p []byte) (int, error) {
	defer b.Listening.begin()()
	return b.R.Read(p)
}
