package control

import "context"

// AliasDecision is what somebody says of an account.
type AliasDecision struct {
	Login string `json:"login"`
	Of    string `json:"of,omitempty"` // login of the account whose mailbox it is; "" for its own
}

// pathAlias is POST AliasDecision -> done.
const pathAlias = "/v1/alias"

// DecideAlias implements Backend.
func (r *Client) DecideAlias(ctx context.Context, d AliasDecision) error {
	_, err := question[done](ctx, r, pathAlias, d)
	return err
}

func (c *server) decideAlias(ctx context.Context, req AliasDecision) (done, error) {
	err := c.backend.DecideAlias(ctx, req)
	if err == nil {
		c.log.Info().Str("account", req.Login).Str("of", req.Of).Msg("somebody said whose mailbox it is")
	}
	return done{}, err
}
