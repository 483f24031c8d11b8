package syncer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"postferry/store"
)

// hungStalls is how many stalls a server that fell silent in the middle of an APPEND is
// waited for before what it was given counts as lost.
const hungStalls = 5

// errHung: a folder can't be judged, as the new server may still be storing what it was given.
var errHung = errors.New("the new server fell silent while it was storing messages and has not hung up yet")

// hungSessions are an account's sessions with the new server that fell silent while an
// APPEND was under way. A process that was stopped, or waits for its disk, may store what it
// has received long after the client has given up: until it has hung up, or the bound is
// over, nobody knows what became of it, and the folder's intents stay as they are. Safe for
// concurrent use.
type hungSessions struct {
	jobs *sync.WaitGroup // the account's, which waits for them

	mu    sync.Mutex
	ended map[store.FolderID][]<-chan struct{} // closed when it is known
}

// keep waits for the end of a session beside what goes on, for as long as ctx and bound
// allow; release gives its place back.
func (h *hungSessions) keep(ctx context.Context, folder store.FolderID, s newSession, bound time.Duration, release func(), log zerolog.Logger) {
	ended := make(chan struct{})
	h.mu.Lock()
	if h.ended == nil {
		h.ended = map[store.FolderID][]<-chan struct{}{}
	}
	h.ended[folder] = append(h.ended[folder], ended)
	h.mu.Unlock()
	log.Warn().Dur("bound", bound).Msg("the new server fell silent while it was storing messages; what became of them is found out when it has hung up")
	h.jobs.Go(func() {
		defer release()
		defer close(ended)
		ctx, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		if err := s.AwaitEnd(ctx); err != nil {
			log.Warn().Err(err).Msg("the new server has not hung up; what it was given and has not stored by now is given to it again")
		}
	})
}

// of are the ends of a folder's sessions that have not come yet.
func (h *hungSessions) of(folder store.FolderID) (open []<-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ended := range h.ended[folder] {
		select {
		case <-ended:
		default:
			open = append(open, ended)
		}
	}
	if open == nil {
		delete(h.ended, folder)
		return nil
	}
	h.ended[folder] = open
	return open
}

// leaveHung gives the pull's session with the new server, if it hung, to those that are waited for.
func (p *pull) leaveHung(ctx context.Context) {
	if seat := &p.lane.new; seat.there && seat.session.Hung() {
		session, release := seat.giveAway()
		p.hung.keep(ctx, p.folder.ID, session, hungStalls*p.lane.stall, release, p.log)
	}
}

// awaitHung waits until no session of the folder may store anything more. A visit does not
// wait: what is there is shown.
func (p *pull) awaitHung(ctx context.Context) error {
	for _, ended := range p.hung.of(p.folder.ID) {
		if p.visit {
			return errHung
		}
		select {
		case <-ended:
		case <-p.yield:
			return errYield
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
