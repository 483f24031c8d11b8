package control

import (
	"context"
	"encoding/json"
	"net/http"

	"postferry/report"
)

// PlanRecord is one part of what a dry run says.
type PlanRecord struct {
	Pace    *report.Pace        `json:"pace,omitempty"`
	Account *report.AccountPlan `json:"account,omitempty"`
}

// planReply is one line of a dry run's answer: a record, or the end.
type planReply struct {
	PlanRecord
	End   bool        `json:"end,omitempty"`
	Error *replyError `json:"error,omitempty"`
}

func (c *server) plan(w http.ResponseWriter, r *http.Request) {
	var req syncRequest
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	err := c.backend.Plan(r.Context(), req.Logins, func(rec PlanRecord) error {
		return out.write(planReply{PlanRecord: rec})
	})
	_ = out.write(planReply{End: true, Error: describeError(stopped(err))})
}

// Plan implements Backend.
func (r *Client) Plan(ctx context.Context, logins []string, tell func(PlanRecord) error) error {
	return r.ask(ctx, pathPlan, syncRequest{Logins: logins}, func(dec *json.Decoder) error {
		for {
			var reply planReply
			if err := dec.Decode(&reply); err != nil {
				return err
			}
			if reply.End {
				return reply.Error.err()
			}
			if err := tell(reply.PlanRecord); err != nil {
				return err
			}
		}
	})
}
