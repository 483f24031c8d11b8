package control

import (
	"context"
	"encoding/json"
	"net/http"

	"postferry/report"
)

// VerifyQuery is what to verify.
type VerifyQuery struct {
	Logins []string `json:"logins,omitempty"` // all that are not finished if none
	Bodies bool     `json:"bodies,omitempty"`
}

// verifyReply is one line of a verification's answer: an event, or the end.
type verifyReply struct {
	report.VerifyEvent
	End   bool        `json:"end,omitempty"`
	Error *replyError `json:"error,omitempty"`
}

func (c *server) verify(w http.ResponseWriter, r *http.Request) {
	var req VerifyQuery
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	c.log.Info().Strs("accounts", req.Logins).Bool("bodies", req.Bodies).Msg("a verification was asked for")
	err := c.backend.Verify(r.Context(), req, func(e report.VerifyEvent) error {
		if e.Finding != nil {
			return out.writeLater(verifyReply{VerifyEvent: e})
		}
		return out.write(verifyReply{VerifyEvent: e})
	})
	_ = out.write(verifyReply{End: true, Error: describeError(stopped(err))})
}

// Verify implements Backend.
func (r *Client) Verify(ctx context.Context, q VerifyQuery, tell func(report.VerifyEvent) error) error {
	return r.ask(ctx, pathVerify, q, func(dec *json.Decoder) error {
		for {
			var reply verifyReply
			if err := dec.Decode(&reply); err != nil {
				return err
			}
			if reply.End {
				return reply.Error.err()
			}
			if err := tell(reply.VerifyEvent); err != nil {
				return err
			}
		}
	})
}
