package control

import (
	"context"
	"encoding/json"
	"net/http"

	"postferry/lifecycle"
	"postferry/stage"
)

// AdviseQuery is which domain to assess.
type AdviseQuery struct {
	Domain string `json:"domain"`
}

// FinishQuery is what to finish.
type FinishQuery struct {
	Domain string   `json:"domain"`           // "" if there are logins
	Logins []string `json:"logins,omitempty"` // of one domain; all of the domain's that are not finished if none
	Bodies bool     `json:"bodies,omitempty"` // the verification compares messages whole
	Accept bool     `json:"accept,omitempty"` // those that need a look as well
}

// ReportsQuery is which reports to return.
type ReportsQuery struct {
	Domain string `json:"domain,omitempty"` // "" for all
}

const (
	pathAdvise  = "/v1/advise"  // POST AdviseQuery -> adviseReply
	pathPrepare = "/v1/prepare" // POST FinishQuery -> finishReply...
	pathFinish  = "/v1/finish"  // POST FinishQuery -> finishReply
	pathForget  = "/v1/forget"  // POST AdviseQuery -> done
	pathReports = "/v1/reports" // POST ReportsQuery -> reportsReply
)

type adviseReply struct {
	Assessment stage.Assessment `json:"assessment"`
}

// finishReply is a line of the answer: a step that begins, or the end.
type finishReply struct {
	Step   lifecycle.Step    `json:"step,omitempty"`
	Of     int               `json:"of,omitempty"` // accounts
	Report *lifecycle.Report `json:"report,omitempty"`
	Error  *replyError       `json:"error,omitempty"`
}

type reportsReply struct {
	Reports []lifecycle.Report `json:"reports"`
}

// Advise implements Backend.
func (r *Client) Advise(ctx context.Context, domain string) (stage.Assessment, error) {
	reply, err := question[adviseReply](ctx, r, pathAdvise, AdviseQuery{domain})
	return reply.Assessment, err
}

// Prepare implements Backend.
func (r *Client) Prepare(ctx context.Context, q FinishQuery, tell func(lifecycle.Step, int)) (*lifecycle.Report, error) {
	var reply finishReply
	err := r.ask(ctx, pathPrepare, q, func(dec *json.Decoder) error {
		for {
			reply = finishReply{}
			if err := dec.Decode(&reply); err != nil {
				return err
			}
			if reply.Step == "" {
				return reply.Error.err()
			}
			tell(reply.Step, reply.Of)
		}
	})
	return reply.Report, err
}

// Finish implements Backend.
func (r *Client) Finish(ctx context.Context, q FinishQuery) (*lifecycle.Report, error) {
	reply, err := question[finishReply](ctx, r, pathFinish, q)
	return reply.Report, err
}

// Forget implements Backend.
func (r *Client) Forget(ctx context.Context, domain string) error {
	_, err := question[done](ctx, r, pathForget, AdviseQuery{domain})
	return err
}

// Reports implements Backend.
func (r *Client) Reports(ctx context.Context, domain string) ([]lifecycle.Report, error) {
	reply, err := question[reportsReply](ctx, r, pathReports, ReportsQuery{domain})
	return reply.Reports, err
}

func (c *server) advise(ctx context.Context, req AdviseQuery) (adviseReply, error) {
	a, err := c.backend.Advise(ctx, req.Domain)
	return adviseReply{a}, err
}

func (c *server) prepare(w http.ResponseWriter, r *http.Request) {
	var req FinishQuery
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	report, err := c.backend.Prepare(r.Context(), req, func(s lifecycle.Step, of int) { _ = out.write(finishReply{Step: s, Of: of}) })
	_ = out.write(finishReply{Report: report, Error: describeError(stopped(err))})
}

func (c *server) finish(ctx context.Context, req FinishQuery) (finishReply, error) {
	report, err := c.backend.Finish(ctx, req)
	if err == nil {
		c.log.Info().Str("domain", report.Domain).Int("accounts", len(report.Accounts)).Uint64("report", report.Number).Msg("accounts were finished")
	}
	return finishReply{Report: report}, err
}

func (c *server) forget(ctx context.Context, req AdviseQuery) (done, error) {
	err := c.backend.Forget(ctx, req.Domain)
	if err == nil {
		c.log.Info().Str("domain", req.Domain).Msg("a domain was forgotten")
	}
	return done{}, err
}

func (c *server) reports(ctx context.Context, req ReportsQuery) (reportsReply, error) {
	reports, err := c.backend.Reports(ctx, req.Domain)
	return reportsReply{reports}, err
}
