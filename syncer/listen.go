package syncer

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/emersion/go-imap/v2"

	"postferry/upstream"
)

// listening counts the jobs of an account that wait for its old server right
// now. Silence means something only while there is one: with none it is the
// new server, or room in memory, that everybody waits for.
type listening struct{ jobs atomic.Int32 }

func (l *listening) now() bool { return l.jobs.Load() > 0 }

// begin counts a job until the function it returns is called.
func (l *listening) begin() (end func()) {
	l.jobs.Add(1)
	return func() { l.jobs.Add(-1) }
}

// pause does not count a job until the function it returns is called.
func (l *listening) pause() (end func()) {
	l.jobs.Add(-1)
	return func() { l.jobs.Add(1) }
}

// listener is a session with an old server that counts as listening while an
// answer is awaited, but not while what came is dealt with.
type listener struct {
	oldSession
	listening *listening
}

func (s listener) Tree(ctx context.Context, withStatus bool) (Side, map[string]upstream.Status, error) {
	defer s.listening.begin()()
	return s.oldSession.Tree(ctx, withStatus)
}

func (s listener) Open(ctx context.Context, name string, ahead imap.UIDSet) (*oldFolder, error) {
	defer s.listening.begin()()
	return s.oldSession.Open(ctx, name, ahead)
}

func (s listener) ListMessages(ctx context.Context, set imap.UIDSet, changedSince uint64, fn func(upstream.Message) error) error {
	defer s.listening.begin()()
	return s.oldSession.ListMessages(ctx, set, changedSince, fn)
}

func (s listener) ListFlags(ctx context.Context, set imap.UIDSet, fn func(upstream.Message) error) error {
	defer s.listening.begin()()
	return s.oldSession.ListFlags(ctx, set, fn)
}

func (s listener) Headers(ctx context.Context, set imap.UIDSet, fn func(m upstream.Message, header []byte) error) error {
	defer s.listening.begin()()
	return s.oldSession.Headers(ctx, set, fn)
}

// Bodies hands bodies to fn, which may take its time with them: until the new
// server has room.
func (s listener) Bodies(ctx context.Context, set imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	defer s.listening.begin()()
	return s.oldSession.Bodies(ctx, set, func(uid imap.UID, size int64, r io.Reader) error {
		defer s.listening.pause()()
		return fn(uid, size, &listeningReader{r, s.listening})
	})
}

// listeningReader is a body on its way.
type listeningReader struct {
	r         io.Reader
	listening *listening
}

func (b *listeningReader) Read(p []byte) (int, error) {
	defer b.listening.begin()()
	return b.r.Read(p)
}
