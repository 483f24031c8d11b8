package request

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"postferry/admin/access"
	"postferry/store"
)

const (
	// maxStreamsOwn bounds the event streams of one session or token, maxStreamsEach
	// those of a domain's people and programs, maxStreams those of all domains',
	// maxStreamsAll those of the ones who look after everything.
	maxStreamsOwn                             = 20
	maxStreamsEach, maxStreams, maxStreamsAll = 100, 500, 200
	// streamEvery is how often a stream looks for changes.
	streamEvery = time.Second
	// streamAlive is how often something is sent if nothing has changed, so
	// that proxies keep the connection and we notice that it has gone.
	streamAlive = 20 * time.Second
	// streamPatience is how long a reader may take for one event.
	streamPatience = 10 * time.Second
	// streamRetry is after what time a browser connects again.
	streamRetry = time.Second
	// streamLife ends a stream; the browser opens the next one by itself. So
	// nobody goes on watching whose session has ended.
	streamLife = 15 * time.Minute
)

// streams counts the open event streams.
type streams struct {
	places *access.Places

	mu  sync.Mutex
	own map[store.Digest]int // by session or token
}

func newStreams() *streams {
	return &streams{places: access.NewPlaces(maxStreamsEach, maxStreams, maxStreamsAll), own: map[store.Digest]int{}}
}

// open takes a place for an actor's stream. The caller must call close if it
// got one.
func (s *streams) open(who access.Actor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own[who.Owner] >= maxStreamsOwn || !s.places.Take(who.Scope, 1) {
		return false
	}
	s.own[who.Owner]++
	return true
}

func (s *streams) close(who access.Actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places.Leave(who.Scope, 1)
	if s.own[who.Owner]--; s.own[who.Owner] == 0 {
		delete(s.own, who.Owner)
	}
}

// count is how many are open.
func (s *streams) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, own := range s.own {
		n += own
	}
	return n
}

// Streams is how many event streams are open.
func (g *Gate) Streams() int { return g.streams.count() }

// IsStream reports whether what answers a pattern is a stream of events.
func IsStream(pattern string) bool {
	return pattern == "GET /events" || strings.HasSuffix(pattern, "/live")
}

// Stream is one reader's server-sent events (HTML Standard section 9.2). Every
// event is a whole state, so whoever reconnects needs no history.
type Stream struct {
	gate  *Gate
	who   access.Actor
	out   http.ResponseWriter
	flush *http.ResponseController
	last  map[string][]byte // what was sent last, by what it is about
	sent  time.Time
}

func errTooManyStreams() error {
	return access.Busy("too_many_streams", "Too many pages are watching. Close some of them.", 30*time.Second)
}

// errReaderGone is why a stream ends whose reader has gone or is too slow.
var errReaderGone = errors.New("the reader has gone")

// run sends events until ctx ends, the reader has gone, or may not watch any
// longer; only then there is no error.
func (x *Stream) run(ctx context.Context, r *http.Request, look func(context.Context, *Stream) error) error {
	tick := time.NewTicker(streamEvery)
	defer tick.Stop()
	if err := x.write(fmt.Appendf(nil, "retry: %d\n\n", streamRetry.Milliseconds())); err != nil {
		return err
	}
	for {
		if err := look(ctx, x); err != nil {
			return err
		}
		if err := x.alive(); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if now, err := x.gate.Actor(r.WithContext(ctx)); err != nil || now.Scope != x.who.Scope {
			return nil
		}
	}
}

// alive sends something if nothing was sent for a while.
func (x *Stream) alive() error {
	if time.Since(x.sent) > streamAlive {
		return x.write([]byte(": still here\n\n"))
	}
	return nil
}

// Send sends an event unless it is as it was.
func (x *Stream) Send(name string, state any) error { return x.SendAs(name, name, state) }

// SendAs sends an event about something unless that is as it was.
func (x *Stream) SendAs(name, about string, state any) error {
	text, err := json.Marshal(state)
	if err != nil || bytes.Equal(text, x.last[about]) {
		return err
	}
	x.last[about] = slices.Clone(text)
	return x.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text))
}

func (x *Stream) write(text []byte) error {
	x.sent = time.Now()
	err := x.flush.SetWriteDeadline(x.sent.Add(streamPatience))
	if err == nil {
		_, err = x.out.Write(text)
	}
	if err == nil {
		err = x.flush.Flush()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errReaderGone, err)
	}
	return nil
}

// Stream opens a stream of events and lets look send to it again and again.
func (g *Gate) Stream(w http.ResponseWriter, r *http.Request, who access.Actor, look func(context.Context, *Stream) error) error {
	if !g.streams.open(who) {
		return errTooManyStreams()
	}
	defer g.streams.close(who)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep events back
	w.WriteHeader(http.StatusOK)
	x := &Stream{gate: g, who: who, out: w, flush: http.NewResponseController(w), last: map[string][]byte{}}
	// The bound on reading a request would end the stream: whoever waits for the
	// connection to be closed reads from it (net/http does).
	if err := x.flush.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), streamLife)
	defer cancel()
	switch err := x.run(ctx, r, look); {
	case err == nil || ctx.Err() != nil || errors.Is(err, errReaderGone):
		g.log.Debug().Err(err).Str("path", r.URL.Path).Msg("a stream of events ended")
	default:
		g.log.Error().Err(err).Str("path", r.URL.Path).Msg("a stream of events failed")
	}
	return nil
}
