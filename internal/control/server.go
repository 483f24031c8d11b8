package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"postferry/report"
	"postferry/store"
)

// controlDrain bounds how long a stopping daemon waits for the answers it is
// giving over the control socket.
const controlDrain = 5 * time.Second

// maxRequest bounds a request: 100,000 accounts with long values fit.
const maxRequest = 256 << 20

// Serve answers on l until ctx ends. Every request ends with ctx too.
func Serve(ctx context.Context, l net.Listener, b Backend, log zerolog.Logger) error {
	c := &server{backend: b, log: log}
	mux := http.NewServeMux()
	for path, answer := range c.routes() {
		mux.HandleFunc("POST "+path, answer)
	}
	server := &http.Server{
		Handler:           mux,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          stdlog.New(log, "", 0),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), controlDrain)
	defer cancel()
	if server.Shutdown(bound) != nil {
		server.Close()
	}
	<-failed
	return nil
}

// server answers the requests of the other commands.
type server struct {
	backend Backend
	log     zerolog.Logger
}

func (c *server) importAccounts(ctx context.Context, req importRequest) (importReply, error) {
	accounts := make([]store.Account, len(req.Accounts))
	for i, a := range req.Accounts {
		accounts[i] = a.account()
	}
	added, updated, err := c.backend.Import(ctx, accounts)
	if err != nil {
		c.log.Error().Err(err).Msg("import failed")
	} else {
		c.log.Info().Int("added", added).Int("updated", updated).Msg("accounts imported")
	}
	return importReply{Added: added, Updated: updated}, err
}

func (c *server) sync(w http.ResponseWriter, r *http.Request) {
	var req syncRequest
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	c.log.Info().Strs("accounts", req.Logins).Msg("a pass was asked for")
	results, err := c.backend.Sync(r.Context(), req.Logins, func(live []report.Live, waiting int) {
		// A client that has gone ends the request's context; nothing else to do.
		_ = out.write(syncReply{Live: live, Waiting: waiting})
	})
	err = stopped(err)
	for i := range results {
		if out.write(syncReply{Result: &results[i]}) != nil {
			return
		}
	}
	_ = out.write(syncReply{End: true, Error: describeError(err)})
}

// stopped says what it means to a client that the daemon's context ended.
func stopped(err error) error {
	if errors.Is(err, context.Canceled) {
		return errors.New("the daemon was stopped before this ended")
	}
	return err
}

func (c *server) status(w http.ResponseWriter, r *http.Request) {
	var req StatusQuery
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	err := c.backend.Status(r.Context(), req, func(rec StatusRecord) error {
		return out.writeLater(statusReply{StatusRecord: rec})
	})
	_ = out.write(statusReply{End: true, Error: describeError(err)})
}

// answer writes JSON lines.
type answer struct {
	enc   *json.Encoder
	flush func() error
}

// write sends a line at once.
func (a *answer) write(v any) error {
	return errors.Join(a.enc.Encode(v), a.flush())
}

// writeLater sends a line with the ones that follow.
func (a *answer) writeLater(v any) error { return a.enc.Encode(v) }

// begin reads the request into req and starts the answer; ok is false if the
// request was no good and has been answered.
func begin(w http.ResponseWriter, r *http.Request, req any) (out *answer, ok bool) {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest))
	if err := dec.Decode(req); err != nil {
		// The decoder's words could quote a password.
		http.Error(w, "the request is not the JSON that was expected", http.StatusBadRequest)
		return nil, false
	}
	// The server notices a client that goes away only once the body is read.
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	return &answer{enc: json.NewEncoder(w), flush: control.Flush}, true
}

// failedReply is the answer to what failed.
type failedReply struct {
	Error *replyError `json:"error,omitempty"`
}

// answering answers each request with one object: what do returns, or its error.
func answering[Q, A any](do func(ctx context.Context, q Q) (A, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var req Q
		out, ok := begin(w, r, &req)
		if !ok {
			return
		}
		a, err := do(r.Context(), req)
		if err != nil {
			_ = out.write(failedReply{describeError(stopped(err))})
			return
		}
		_ = out.write(a)
	}
}
