package tenant

import (
	"context"
	"io"
	"net/http"
	"time"
)

// exchangeBound bounds one question to a provider by which it may give out a refresh token.
const exchangeBound = 15 * time.Second

// patient lets a question to a provider that is under way come to its answer, also if nobody waits for it any more: what the
// provider gives out then it has to be told of, or it stays good there.
type patient struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), exchangeBound)
	resp, err := p.next.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	resp.Body = &cancelling{resp.Body, cancel}
	return resp, nil
}

// cancelling is a body with whose end a context ends.
type cancelling struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (c *cancelling) Close() error {
	defer c.cancel()
	return c.ReadCloser.Close()
}
