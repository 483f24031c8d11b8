package tenant

import (
	"context"

	"postferry/config"
	"postferry/store"
)

// Revoke tells the provider that an agreement has ended (RFC 7009); false if it can't be told.
func (c *Connector) Revoke(ctx context.Context, server config.Server, agreed store.Consent) (told bool, err error) {
	p, err := c.provider(ctx, server)
	if err != nil {
		return false, err
	}
	return p.keeper.Revoke(ctx, p.server, agreed)
}
