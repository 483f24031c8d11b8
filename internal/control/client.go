package control

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"postferry/report"
	"postferry/store"
)

// Client asks the daemon that holds the state.
type Client struct {
	dir  string
	http *http.Client
}

// Connect reports an error if no daemon answers on the control socket of
// the state in dir.
func Connect(ctx context.Context, dir string) (*Client, error) {
	c, err := Dial(ctx, dir)
	if err != nil {
		return nil, err
	}
	c.Close()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return Dial(ctx, dir)
		},
		DisableKeepAlives: true,
	}
	return &Client{dir: dir, http: &http.Client{Transport: transport}}, nil
}

func (r *Client) Close() error {
	r.http.CloseIdleConnections()
	return nil
}

// Import implements Backend.
func (r *Client) Import(ctx context.Context, accounts []store.Account) (added, updated int, err error) {
	req := importRequest{Accounts: make([]importedAccount, len(accounts))}
	for i, a := range accounts {
		req.Accounts[i] = revealAccount(a)
	}
	reply, err := question[importReply](ctx, r, pathAccounts, req)
	return reply.Added, reply.Updated, err
}

// Sync implements Backend.
func (r *Client) Sync(ctx context.Context, logins []string, progress func(live []report.Live, waiting int)) ([]SyncResult, error) {
	var results []SyncResult
	err := r.ask(ctx, pathSync, syncRequest{Logins: logins}, func(dec *json.Decoder) error {
		for {
			var reply syncReply
			if err := dec.Decode(&reply); err != nil {
				return err
			}
			switch {
			case reply.End:
				return reply.Error.err()
			case reply.Result != nil:
				results = append(results, *reply.Result)
			case progress != nil:
				progress(reply.Live, reply.Waiting)
			}
		}
	})
	return results, err
}

// Status implements Backend.
func (r *Client) Status(ctx context.Context, q StatusQuery, emit func(StatusRecord) error) error {
	return r.ask(ctx, pathStatus, q, func(dec *json.Decoder) error {
		for {
			var reply statusReply
			if err := dec.Decode(&reply); err != nil {
				return err
			}
			if reply.End {
				return reply.Error.err()
			}
			if err := emit(reply.StatusRecord); err != nil {
				return err
			}
		}
	})
}

// ask posts a request and lets read take the answer.
func (r *Client) ask(ctx context.Context, path string, req any, read func(*json.Decoder) error) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postferry"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := r.http.Do(post)
	if err != nil {
		return r.lost(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("the daemon on %s answered %s: %s (is it another version?)",
			r.dir, resp.Status, strings.TrimSpace(string(text)))
	}
	err = read(json.NewDecoder(resp.Body))
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return r.lost(ctx, err)
	}
	return err
}

// question asks for what answering answers.
func question[A any](ctx context.Context, r *Client, path string, req any) (a A, err error) {
	err = r.ask(ctx, path, req, func(dec *json.Decoder) error {
		var line json.RawMessage
		var failed failedReply
		if err := dec.Decode(&line); err != nil {
			return err
		}
		if err := json.Unmarshal(line, &failed); err != nil || failed.Error != nil {
			return cmp.Or(err, failed.Error.err())
		}
		return json.Unmarshal(line, &a)
	})
	return a, err
}

// lost is the error for a daemon that went away while it answered.
func (r *Client) lost(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("the daemon on %s went away while it answered: %w", r.dir, err)
}
