package control

import (
	"context"
	"encoding/json"
	"net/http"
)

// AliasDecision is what somebody says of an account.
type AliasDecision struct {
	Login string `json:"login"`
	Of    string `json:"of,omitempty"` // login of the account whose mailbox it is; "" for its own
}

// pathAlias is POST AliasDecision -> aliasReply.
const pathAlias = "/v1/alias"

type aliasReply struct {
	Error *replyError `json:"error,omitempty"`
}

// DecideAlias implements Backend.
func (r *Client) DecideAlias(ctx context.Context, d AliasDecision) error {
	var reply aliasReply
	err := r.ask(ctx, pathAlias, d, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return err
}

func (c *server) decideAlias(w http.ResponseWriter, r *http.Request) {
	var req AliasDecision
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	err := c.backend.DecideAlias(r.Context(), req)
	if err == nil {
		c.log.Info().Str("account", req.Login).Str("of", req.Of).Msg("somebody said whose mailbox it is")
	}
	_ = out.write(aliasReply{Error: describeError(err)})
}
