package credential

import (
	"context"
	"net/http"

	"postferry/config"
)

// Places are where an OpenID provider is asked for what; "" for what it doesn't offer. Issuer is what it
// calls itself.
type Places struct{ Issuer, Token, Authorization, Device, Revocation string }

// Places finds where the provider is asked that the people of a domain agree with at a server.
func (k *Keeper) Places(ctx context.Context, server config.Server) (Places, error) {
	found, err := k.tenant(server).endpoints(ctx)
	return Places(found), err
}

// Client asks the provider of a server: not inside our own network where the server's chooser must not reach that.
func (k *Keeper) Client(server config.Server) *http.Client { return k.tenant(server).client() }
