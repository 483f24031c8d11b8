package credential

import (
	"context"

	"postferry/config"
)

// Places are where an OpenID provider is asked for what; "" for what it doesn't offer.
type Places struct{ Token, Authorization, Device, Revocation string }

// Places finds where the provider is asked that the people of a domain agree with at a server.
func (k *Keeper) Places(ctx context.Context, server config.Server) (Places, error) {
	found, err := k.tenant(server).endpoints(ctx)
	return Places(found), err
}
