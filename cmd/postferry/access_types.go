package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"postferry/admin"
	"postferry/store"
)

// pathAccess is where the control socket takes what "postferry admin" asks.
const pathAccess = "/v1/access" // POST accessRequest -> accessReply

// The operations of an accessRequest.
const (
	accessPassword    = "password"
	accessLink        = "link"
	accessTokenCreate = "token_create"
	accessTokenList   = "token_list"
	accessTokenRevoke = "token_revoke"
)

// accessRequest may carry a password: it goes nowhere but through the socket.
type accessRequest struct {
	Op       string  `json:"op"`
	Name     string  `json:"name,omitempty"`
	Domain   *string `json:"domain,omitempty"`
	Password string  `json:"password,omitempty"`
	ID       uint64  `json:"id,omitempty"`
}

type accessReply struct {
	Added  bool          `json:"added,omitempty"`
	Link   string        `json:"link,omitempty"`
	Token  string        `json:"token,omitempty"`
	Tokens []accessToken `json:"tokens,omitempty"`
	Error  *controlError `json:"error,omitempty"`
}

// accessToken is a token in a list.
type accessToken struct {
	ID      uint64     `json:"id"`
	Name    string     `json:"name"`
	Domain  string     `json:"domain"` // "" for all
	By      string     `json:"by"`
	Created time.Time  `json:"created"`
	Used    *time.Time `json:"used"`
}

var errNoPage = errors.New(`there is no import page to link to: it is off, or the daemon isn't running ("postferry admin passwd" works without it)`)

// access does what "postferry admin" asks. newLink is nil without a page.
func access(ctx context.Context, o *admin.Operator, newLink func(context.Context) (string, error), req accessRequest) (reply accessReply, err error) {
	switch req.Op {
	case accessPassword:
		reply.Added, err = o.SetPassword(ctx, req.Name, req.Domain, store.Secret(req.Password))
	case accessLink:
		if newLink == nil {
			return reply, errNoPage
		}
		reply.Link, err = newLink(ctx)
	case accessTokenCreate:
		domain := ""
		if req.Domain != nil {
			domain = *req.Domain
		}
		var secret store.Secret
		_, secret, err = o.CreateToken(ctx, req.Name, domain)
		reply.Token = secret.Reveal()
	case accessTokenList:
		var tokens []store.Token
		tokens, err = o.Tokens(ctx)
		for _, t := range tokens {
			reply.Tokens = append(reply.Tokens, accessToken{ID: t.ID, Name: t.Name, Domain: t.Scope, By: t.By, Created: t.Created, Used: timeOrNil(t.Used)})
		}
	case accessTokenRevoke:
		err = o.RevokeToken(ctx, req.ID)
	default:
		err = errors.New("the daemon does not know what was asked (is it another version?)")
	}
	return reply, err
}

// Access implements backend.
func (r *remote) Access(ctx context.Context, req accessRequest) (reply accessReply, err error) {
	err = r.ask(ctx, pathAccess, req, func(dec *json.Decoder) error { return dec.Decode(&reply) })
	if err == nil {
		err = reply.Error.err()
	}
	return reply, err
}

func (c *controlServer) access(w http.ResponseWriter, r *http.Request) {
	var req accessRequest
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	reply, err := c.backend.Access(r.Context(), req)
	reply.Error = describeError(err)
	_ = out.write(reply)
}
