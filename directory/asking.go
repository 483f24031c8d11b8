package directory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"postferry/internal/pause"
	"postferry/internal/secret"
)

// What a service may want of us at most.
const (
	maxMailboxes = 100_000
	maxPages     = 2_000
	maxPage      = 16 << 20 // octets
	maxTries     = 6        // of one question
	maxPause     = 2 * time.Minute
	defaultPause = time.Second // before the second try, twice that before the third, ...
	askTimeout   = time.Minute
)

// bounds bound what a service may say.
type bounds struct {
	mailboxes, pages int
	page             int64 // octets
}

// orUsual are the bounds, or the usual ones if there are none.
func (b bounds) orUsual() bounds {
	return cmp.Or(b, bounds{mailboxes: maxMailboxes, pages: maxPages, page: maxPage})
}

// asker puts questions to one server.
type asker struct {
	client *http.Client
	base   *url.URL
	token  string // what its token has to be for, as the Error says it
	bounds bounds
}

func newAsker(client *http.Client, text, usual, token string) (*asker, error) {
	base, err := url.Parse(cmp.Or(text, usual))
	if err != nil || base.Host == "" {
		return nil, &Error{Reason: Answer, Cause: "no address of a directory: " + text}
	}
	// The client puts its token into every request, so it follows nobody elsewhere.
	own := *cmp.Or(client, http.DefaultClient)
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &asker{client: &own, base: base, token: token}, nil
}

// next is the address of a further page, which must be on the same server.
func (a *asker) next(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != a.base.Scheme || u.Host != a.base.Host {
		return "", &Error{Reason: Answer, Cause: "the next page is at another server: " + printable(text, maxName)}
	}
	return u.String(), nil
}

// get reads an answer into out. refusal says what a refusal means.
func (a *asker) get(ctx context.Context, at string, out any, refusal func(status int, body []byte) *Error) error {
	return a.ask(ctx, http.MethodGet, at, nil, out, refusal)
}

// ask asks until there is an answer, or no hope: what passes is tried again, after the
// time that the server wants (RFC 9110 section 10.2.3) or one that grows.
func (a *asker) ask(ctx context.Context, method, at string, body []byte, out any, refusal func(status int, body []byte) *Error) error {
	for try := 1; ; try++ {
		why := a.try(ctx, method, at, body, out, refusal)
		if why == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		wait := cmp.Or(why.After, defaultPause<<(try-1)+rand.N(defaultPause))
		if !why.Later() || try == maxTries || wait > maxPause {
			return why
		}
		if err := pause.For(ctx, wait); err != nil {
			return err
		}
	}
}

// try asks once, and says what came in the way.
func (a *asker) try(ctx context.Context, method, at string, body []byte, out any, refusal func(status int, body []byte) *Error) *Error {
	status, after, answer, err := a.once(ctx, method, at, body)
	switch {
	case errors.Is(err, errTooLarge):
		return &Error{Reason: TooMany, Cause: err.Error(), err: err}
	case err != nil && lasting(err):
		return &Error{Reason: Token, Set: a.token, Cause: err.Error(), err: err}
	case err != nil:
		return &Error{Reason: Unreachable, Cause: err.Error(), err: err}
	case status == http.StatusTooManyRequests:
		return &Error{Reason: Throttled, Cause: said(status, answer), After: after}
	case passing(status):
		return &Error{Reason: Unreachable, Cause: said(status, answer), After: after}
	case status != http.StatusOK:
		return refusal(status, answer)
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return &Error{Reason: Answer, Cause: err.Error(), err: err}
	}
	return nil
}

// passing reports whether a status may be another one next time.
func passing(status int) bool {
	return status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500
}

// lasting reports that there is no token, and that it will stay so.
func lasting(err error) bool {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	return ok && refused.Response != nil && !passing(refused.Response.StatusCode)
}

var errTooLarge = errors.New("the answer is too large")

// once asks once.
func (a *asker) once(ctx context.Context, method, at string, body []byte) (status int, after time.Duration, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return 0, 0, nil, err
	}
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return 0, 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, a.bounds.page+1))
	if err == nil && int64(len(answer)) > a.bounds.page {
		err = errTooLarge
	}
	if resp.StatusCode != http.StatusOK { // is told
		answer = []byte(secret.Hide(string(answer), shown(resp)))
	}
	return resp.StatusCode, retryAfter(resp.Header.Get("Retry-After"), time.Now()), answer, err
}

// shown is the token that was shown with a question.
func shown(resp *http.Response) secret.Text {
	if resp.Request == nil {
		return ""
	}
	_, token, _ := strings.Cut(resp.Request.Header.Get("Authorization"), " ")
	return secret.Text(token)
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// said is what a service says in an error's body.
func said(status int, body []byte) string {
	return printable(fmt.Sprintf("status %d: %s", status, body), 1000)
}
