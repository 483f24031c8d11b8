package control

import (
	"context"

	"postferry/report"
)

// MailboxDecision is what somebody says of an account whose login leads to another mailbox than it did.
type MailboxDecision struct {
	Login   string                `json:"login"`
	Verdict report.MailboxVerdict `json:"verdict"`
}

// pathMailbox is POST MailboxDecision -> done.
const pathMailbox = "/v1/mailbox"

// DecideMailbox implements Backend.
func (r *Client) DecideMailbox(ctx context.Context, d MailboxDecision) error {
	_, err := question[done](ctx, r, pathMailbox, d)
	return err
}

func (c *server) decideMailbox(ctx context.Context, req MailboxDecision) (done, error) {
	err := c.backend.DecideMailbox(ctx, req)
	if err == nil {
		c.log.Info().Str("account", req.Login).Str("verdict", string(req.Verdict)).Msg("somebody said what a mailbox is that isn't the one it was")
	}
	return done{}, err
}
