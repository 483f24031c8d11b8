package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

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
	places *places

	mu  sync.Mutex
	own map[store.Digest]int // by session or token
}

func newStreams() *streams {
	return &streams{places: newPlaces(maxStreamsEach, maxStreams, maxStreamsAll), own: map[store.Digest]int{}}
}

// open takes a place for an actor's stream. The caller must call close if it
// got one.
func (s *streams) open(who actor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own[who.owner] >= maxStreamsOwn || !s.places.take(who.scope, 1) {
		return false
	}
	s.own[who.owner]++
	return true
}

func (s *streams) close(who actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.places.leave(who.scope, 1)
	if s.own[who.owner]--; s.own[who.owner] == 0 {
		delete(s.own, who.owner)
	}
}

// stream is one reader's server-sent events (HTML Standard section 9.2). Every
// event is a whole state, so whoever reconnects needs no history.
type stream struct {
	app   *app
	who   actor
	out   http.ResponseWriter
	flush *http.ResponseController
	last  map[string][]byte // what was sent last, by what it is about
	sent  time.Time
}

// events answers GET /events?domain=NAME&ids=1,2,3: live progress of a domain,
// and of the accounts that the page shows. Events: totals, accounts, run,
// check, verify; each is JSON as in the API, sent when it has changed.
func (s *Server) events(w http.ResponseWriter, r *http.Request, who actor) error {
	d, err := s.app.domain(r.Context(), who, r.URL.Query().Get("domain"))
	if err != nil {
		return err
	}
	ids, err := idsOf(r.URL.Query().Get("ids"))
	if err != nil {
		return err
	}
	return s.stream(w, r, who, func(ctx context.Context, x *stream) error { return x.states(ctx, d.Name, ids) })
}

func errTooManyStreams() error {
	return errBusy("too_many_streams", "Too many pages are watching. Close some of them.", 30*time.Second)
}

// idsOf reads a list of accounts.
func idsOf(text string) ([]store.AccountID, error) {
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ",")
	if len(parts) > maxPerPage {
		return nil, errInvalid(wrongField("ids", "too_many", "At most %d accounts can be watched at a time.", maxPerPage))
	}
	ids := make([]store.AccountID, len(parts))
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 64)
		if err != nil {
			return nil, errInvalid(wrongField("ids", "number_malformed", "Expected numbers of accounts, separated by commas."))
		}
		ids[i] = store.AccountID(n)
	}
	return ids, nil
}

// errReaderGone is why a stream ends whose reader has gone or is too slow.
var errReaderGone = errors.New("the reader has gone")

// run sends events until ctx ends, the reader has gone, or may not watch any
// longer; only then there is no error.
func (x *stream) run(ctx context.Context, r *http.Request, look func(context.Context, *stream) error) error {
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
		if now, err := x.app.actorOf(ctx, r); err != nil || now.scope != x.who.scope {
			return nil
		}
	}
}

// states sends what has changed of a domain and of the accounts a page shows.
func (x *stream) states(ctx context.Context, domain string, ids []store.AccountID) error {
	b, err := x.app.boards.of(ctx, domain)
	if err != nil {
		return err
	}
	if err := x.send("totals", b.totals); err != nil {
		return err
	}
	if len(ids) > 0 {
		if err := x.send("accounts", b.accountsOf(ids)); err != nil {
			return err
		}
	}
	for name, state := range x.app.extras(ctx, domain) {
		if err := x.send(name, state); err != nil {
			return err
		}
	}
	return nil
}

// alive sends something if nothing was sent for a while.
func (x *stream) alive() error {
	if time.Since(x.sent) > streamAlive {
		return x.write([]byte(": still here\n\n"))
	}
	return nil
}

// send sends an event unless it is as it was.
func (x *stream) send(name string, state any) error { return x.sendAs(name, name, state) }

// sendAs sends an event about something unless that is as it was.
func (x *stream) sendAs(name, about string, state any) error {
	text, err := json.Marshal(state)
	if err != nil || bytes.Equal(text, x.last[about]) {
		return err
	}
	x.last[about] = slices.Clone(text)
	return x.write(fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, text))
}

func (x *stream) write(text []byte) error {
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
