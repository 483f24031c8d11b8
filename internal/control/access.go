package control

import (
	"context"
	"time"
)

// pathAccess is where the control socket takes what "postferry admin" asks.
const pathAccess = "/v1/access" // POST AccessRequest -> AccessReply

// The operations of an AccessRequest.
const (
	AccessPassword    = "password"
	AccessLink        = "link"
	AccessTokenCreate = "token_create"
	AccessTokenList   = "token_list"
	AccessTokenRevoke = "token_revoke"
)

// AccessRequest may carry a password: it goes nowhere but through the socket.
type AccessRequest struct {
	Op       string  `json:"op"`
	Name     string  `json:"name,omitempty"`
	Domain   *string `json:"domain,omitempty"`
	Password string  `json:"password,omitempty"`
	ID       uint64  `json:"id,omitempty"`
}

type AccessReply struct {
	Added  bool          `json:"added,omitempty"`
	Link   string        `json:"link,omitempty"`
	Token  string        `json:"token,omitempty"`
	Tokens []AccessToken `json:"tokens,omitempty"`
}

// AccessToken is a token in a list.
type AccessToken struct {
	ID      uint64     `json:"id"`
	Name    string     `json:"name"`
	Domain  string     `json:"domain"` // "" for all
	By      string     `json:"by"`
	Created time.Time  `json:"created"`
	Used    *time.Time `json:"used"`
}

// Access implements Backend.
func (r *Client) Access(ctx context.Context, req AccessRequest) (AccessReply, error) {
	return question[AccessReply](ctx, r, pathAccess, req)
}
