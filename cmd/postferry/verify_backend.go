package main

import (
	"context"
	"encoding/json"
	"net/http"

	"postferry/store"
	"postferry/syncer/verify"
)

// verifyQuery is what to verify.
type verifyQuery struct {
	Logins []string `json:"logins,omitempty"` // all that are not finished if none
	Bodies bool     `json:"bodies,omitempty"`
}

// verifyReply is one line of a verification's answer: an event, or the end.
type verifyReply struct {
	verify.Event
	End   bool          `json:"end,omitempty"`
	Error *controlError `json:"error,omitempty"`
}

// Verify implements backend. It has connections of its own beside the engine's.
func (l *local) Verify(ctx context.Context, q verifyQuery, tell func(verify.Event) error) error {
	ids, err := l.ids(ctx, q.Logins)
	if err != nil {
		return err
	}
	v := verify.Verification{Config: l.cfg, Store: l.store, Log: l.log, Bodies: q.Bodies, Tell: tell}
	return v.Run(ctx, ids)
}

// ids are those of logins; none if there are none.
func (l *local) ids(ctx context.Context, logins []string) ([]store.AccountID, error) {
	if len(logins) == 0 {
		return nil, nil
	}
	accounts, err := l.accounts(ctx, logins)
	if err != nil {
		return nil, err
	}
	ids := make([]store.AccountID, len(accounts))
	for i, a := range accounts {
		ids[i] = a.ID
	}
	return ids, nil
}

func (c *controlServer) verify(w http.ResponseWriter, r *http.Request) {
	var req verifyQuery
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	c.log.Info().Strs("accounts", req.Logins).Bool("bodies", req.Bodies).Msg("a verification was asked for")
	err := c.backend.Verify(r.Context(), req, func(e verify.Event) error {
		if e.Finding != nil {
			return out.writeLater(verifyReply{Event: e})
		}
		return out.write(verifyReply{Event: e})
	})
	_ = out.write(verifyReply{End: true, Error: describeError(stopped(err))})
}

// Verify implements backend.
func (r *remote) Verify(ctx context.Context, q verifyQuery, tell func(verify.Event) error) error {
	return r.ask(ctx, pathVerify, q, func(dec *json.Decoder) error {
		for {
			var reply verifyReply
			if err := dec.Decode(&reply); err != nil {
				return err
			}
			if reply.End {
				return reply.Error.err()
			}
			if err := tell(reply.Event); err != nil {
				return err
			}
		}
	})
}
