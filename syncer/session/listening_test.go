package session

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
)

// bodiesOnly is a source that delivers bodies.
type bodiesOnly struct {
	Source
	bodies []string
}

func (s bodiesOnly) Bodies(_ context.Context, _ imap.UIDSet, fn func(uid imap.UID, size int64, r io.Reader) error) error {
	for i, b := range s.bodies {
		if err := fn(imap.UID(i+1), int64(len(b)), strings.NewReader(b)); err != nil {
			return err
		}
	}
	return nil
}

// TestListening wants a fetch to count as waiting for the old server while a
// body is read, and not while it is dealt with.
func TestListening(t *testing.T) {
	var l Listening
	s := &listener{Source: bodiesOnly{bodies: []string{"one", "two"}}, Listening: &l}
	bodies := 0
	err := s.Bodies(t.Context(), imap.UIDSet{imap.UIDRange{Start: 1, Stop: 0}}, func(_ imap.UID, _ int64, r io.Reader) error {
		bodies++
		if l.Now() {
			t.Error("listening while a message is dealt with")
		}
		spy := readerFunc(func(p []byte) (int, error) {
			if !l.Now() {
				t.Error("not listening while a body is read")
			}
			return r.(*listeningReader).R.Read(p)
		})
		_, err := io.Copy(io.Discard, &listeningReader{R: spy, Listening: &l})
		return err
	})
	if err != nil || bodies != 2 {
		t.Errorf("%d bodies, %v", bodies, err)
	}
	if l.Now() {
		t.Error("listening after the answer")
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
