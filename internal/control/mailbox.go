package control

import (
	"context"
	"encoding/json"
	"net/http"

	"postferry/report"
)

// MailboxDecision is what somebody says of an account whose login leads to another mailbox than it did.
type MailboxDecision struct {
	Login   string                `json:"login"`
	Verdict report.MailboxVerdict `json:"verdict"`
}

// pathMailbox is POST MailboxDecision -> mailboxReply.
const pathMailbox = "/v1/mailbox"

type mailboxReply struct {
	Error *replyError `json:"error,omitempty"`
}

// DecideMailbox implements Backend.
func (r *Client) DecideMailbox(ctx context.Context, d MailboxDecision) error {
	var reply mailboxReply
	err := r.ask(ctx, pathMailbox, d, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return err
}

func (c *server) decideMailbox(w http.ResponseWriter, r *http.Request) {
	var req MailboxDecision
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	err := c.backend.DecideMailbox(r.Context(), req)
	if err == nil {
		c.log.Info().Str("account", req.Login).Str("verdict", string(req.Verdict)).Msg("somebody said what a mailbox is that isn't the one it was")
	}
	_ = out.write(mailboxReply{Error: describeError(err)})
}
