package proxy

import (
	"context"
	"postferry/internal/pause"
	"time"

	"github.com/rs/zerolog"
)

const (
	// shortest and longest are how long nothing is accepted after that has failed: twice as
	// long each time.
	shortest = 5 * time.Millisecond
	longest  = time.Second
	// toldEach is how often the log is told of it.
	toldEach = time.Minute
)

// exhaustion is a listener that can't accept, most likely as there are no file descriptors left.
type exhaustion struct {
	log    zerolog.Logger
	pauses time.Duration
	told   time.Time
	failed int // since the log was told
}

// wait backs off, and tells the log once a minute.
func (e *exhaustion) wait(ctx context.Context, err error) {
	e.failed++
	if now := time.Now(); now.Sub(e.told) >= toldEach {
		e.log.Error().Err(err).Int("times", e.failed).Msg("connections can't be accepted")
		e.told, e.failed = now, 0
	}
	e.pauses = min(max(2*e.pauses, shortest), longest)
	pause.For(ctx, e.pauses)
}

// over notes that it works.
func (e *exhaustion) over() { e.pauses = 0 }
