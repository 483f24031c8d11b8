package syncer

import (
	"io"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/syncer/session"
)

// TestListening wants a fetch to count as waiting for the old server while a
// body is read, and not while it is dealt with.
func TestListening(t *testing.T) {
	f := newFakeServer()
	f.add("INBOX")
	f.deliver("INBOX", mail(1))
	f.deliver("INBOX", mail(2))
	var l session.Listening
	s := &session.Listener{Source: session.IMAPSource{IMAPReader: &fakeSession{fakeServer: f}}, Listening: &l}
	if _, err := s.Open(t.Context(), "INBOX", session.OpenWith{}); err != nil {
		t.Fatal(err)
	}
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
			return r.(*session.ListeningReader).R.Read(p)
		})
		_, err := io.Copy(io.Discard, &session.ListeningReader{R: spy, Listening: &l})
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
