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

// The operations of an accessRequest; accessOps does them.
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

// accessOp does one of the operations. newLink is nil without a page.
type accessOp func(ctx context.Context, o *admin.Operator, newLink linkMaker, req accessRequest, reply *accessReply) error

// linkMaker makes a one-time link to the import page.
type linkMaker = func(context.Context) (string, error)

// accessOps are what "postferry admin" can ask for.
func accessOps() map[string]accessOp {
	return map[string]accessOp{
		accessPassword:    setPassword,
		accessLink:        makeLink,
		accessTokenCreate: createToken,
		accessTokenList:   listTokens,
		accessTokenRevoke: func(ctx context.Context, o *admin.Operator, _ linkMaker, req accessRequest, _ *accessReply) error {
			return o.RevokeToken(ctx, req.ID)
		},
	}
}

// access does what "postferry admin" asks.
func access(ctx context.Context, o *admin.Operator, newLink linkMaker, req accessRequest) (reply accessReply, err error) {
	op := accessOps()[req.Op]
	if op == nil {
		return reply, errors.New("the daemon does not know what was asked (is it another version?)")
	}
	err = op(ctx, o, newLink, req, &reply)
	return reply, err
}

func setPassword(ctx context.Context, o *admin.Operator, _ linkMaker, req accessRequest, reply *accessReply) (err error) {
	reply.Added, err = o.SetPassword(ctx, req.Name, req.Domain, store.Secret(req.Password))
	return err
}

func makeLink(ctx context.Context, _ *admin.Operator, newLink linkMaker, _ accessRequest, reply *accessReply) (err error) {
	if newLink == nil {
		return errNoPage
	}
	reply.Link, err = newLink(ctx)
	return err
}

func createToken(ctx context.Context, o *admin.Operator, _ linkMaker, req accessRequest, reply *accessReply) error {
	domain := ""
	if req.Domain != nil {
		domain = *req.Domain
	}
	_, secret, err := o.CreateToken(ctx, req.Name, domain)
	reply.Token = secret.Reveal()
	return err
}

func listTokens(ctx context.Context, o *admin.Operator, _ linkMaker, _ accessRequest, reply *accessReply) error {
	tokens, err := o.Tokens(ctx)
	for _, t := range tokens {
		reply.Tokens = append(reply.Tokens, accessToken{ID: t.ID, Name: t.Name, Domain: t.Scope, By: t.By, Created: t.Created, Used: timeOrNil(t.Used)})
	}
	return err
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
