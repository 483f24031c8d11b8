package session

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"postferry/report/reason"
	"postferry/store"
	"postferry/syncer/problem"
)

// HungStalls is how many stalls a server that fell silent in the middle of an APPEND is
// waited for before what it was given counts as lost.
const HungStalls = 5

// ErrHung says that a folder can't be judged, as the new server may still be storing what it was given.
var ErrHung error = &problem.Error{
	Kind: store.Unavailable, Server: store.NewSide,
	Text:    "the new server fell silent while it was storing messages and has not hung up yet",
	Summary: reason.Of(reason.TroubleHung),
}

// HungSessions are an account's sessions with the new server that fell silent while an
// APPEND was under way. A process that was stopped, or waits for its disk, may store what it
// has received long after the client has given up: until it has hung up, or the bound is
// over, nobody knows what became of it, and the folder's intents stay as they are. Safe for
// concurrent use.
type HungSessions struct {
	Jobs *sync.WaitGroup // the account's, which waits for them

	mu    sync.Mutex
	ended map[store.FolderID][]<-chan struct{} // closed when it is known
}

// Keep waits for the end of a session beside what goes on, for as long as ctx and bound
// allow; release gives its place back. folders are those that it may still store messages of.
func (h *HungSessions) Keep(ctx context.Context, folders []store.FolderID, s Target, bound time.Duration, release func(), log zerolog.Logger) {
	ended := make(chan struct{})
	h.mu.Lock()
	if h.ended == nil {
		h.ended = map[store.FolderID][]<-chan struct{}{}
	}
	for _, f := range folders {
		h.ended[f] = append(h.ended[f], ended)
	}
	h.mu.Unlock()
	log.Warn().Dur("bound", bound).Msg("the new server fell silent while it was storing messages; what became of them is found out when it has hung up")
	h.Jobs.Go(func() {
		defer release()
		defer close(ended)
		ctx, cancel := context.WithTimeout(ctx, bound)
		defer cancel()
		if err := s.AwaitEnd(ctx); err != nil {
			log.Warn().Err(err).Msg("the new server has not hung up; what it was given and has not stored by now is given to it again")
		}
	})
}

// Of are the ends of a folder's sessions that have not come yet.
func (h *HungSessions) Of(folder store.FolderID) (open []<-chan struct{}) {
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
