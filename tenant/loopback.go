package tenant

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// loopback is where a browser is sent back to.
type loopback struct {
	url    string
	came   chan url.Values
	server *http.Server
	served chan error
}

// waitAtLoopback listens on a free port of this machine.
func waitAtLoopback() (*loopback, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &loopback{url: "http://" + listener.Addr().String(), came: make(chan url.Values, 1), served: make(chan error, 1)}
	l.server = &http.Server{Handler: http.HandlerFunc(l.take), ReadHeaderTimeout: 10 * time.Second}
	go func() { l.served <- l.server.Serve(listener) }()
	return l, nil
}

// take takes the first answer that is one; browsers ask for icons, too.
func (l *loopback) take(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("state") == "" {
		http.NotFound(w, r)
		return
	}
	select {
	case l.came <- q:
	default:
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "Postferry has got the answer. You may close this window.")
}

func (l *loopback) answer(ctx context.Context) (url.Values, error) {
	select {
	case q := <-l.came:
		return q, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// close ends it, once the browser has its answer.
func (l *loopback) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if l.server.Shutdown(ctx) != nil {
		l.server.Close()
	}
	<-l.served
}
