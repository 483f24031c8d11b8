package proxy

import (
	"context"
	"sync"
	"time"
)

// reassure tells the client at times that its login is still under way, as Dovecot does,
// so that it goes on waiting, until stop is called.
func (s *session) reassure() (stop func()) {
	var mu sync.Mutex
	var timer *time.Timer
	ended := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(reassureEvery, func() {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return
		}
		if s.reply("* OK The mail server is busy, please wait") == nil {
			timer.Reset(reassureEvery)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		timer.Stop()
	}
}

// watch calls gone if the client leaves. Until stop is called it owns the client's reader,
// and reads ahead only as far as that has room.
func (s *session) watch(ctx context.Context, gone func()) (stop func()) {
	s.conn.SetReadDeadline(time.Time{}) // the end of ctx ends the wait by itself
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for n := s.r.Buffered(); n < s.r.Size(); n = s.r.Buffered() {
			if _, err := s.r.Peek(n + 1); err != nil {
				gone()
				return
			}
		}
	}()
	return func() {
		s.conn.SetReadDeadline(time.Now())
		<-ended
		s.rearm(ctx)
	}
}

// rearm gives the client its time for logging in again.
func (s *session) rearm(ctx context.Context) {
	s.conn.SetReadDeadline(s.deadline)
	if ctx.Err() != nil { // its deadline has just been undone
		s.conn.SetReadDeadline(time.Now())
	}
}
