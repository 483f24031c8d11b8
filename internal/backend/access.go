package backend

import (
	"context"
	"errors"

	"postferry/admin"
	"postferry/internal/control"
	"postferry/report"
	"postferry/store"
)

var errNoPage = errors.New(`there is no import page to link to: it is off, or the daemon isn't running ("postferry admin passwd" works without it)`)

// accessOp does one of the operations. newLink is nil without a page.
type accessOp func(ctx context.Context, o *admin.Operator, newLink linkMaker, req control.AccessRequest, reply *control.AccessReply) error

// linkMaker makes a one-time link to the import page.
type linkMaker = func(context.Context) (string, error)

// AccessOps are what "postferry admin" can ask for.
func AccessOps() map[string]accessOp {
	return map[string]accessOp{
		control.AccessPassword:    setPassword,
		control.AccessLink:        makeLink,
		control.AccessTokenCreate: createToken,
		control.AccessTokenList:   listTokens,
		control.AccessTokenRevoke: func(ctx context.Context, o *admin.Operator, _ linkMaker, req control.AccessRequest, _ *control.AccessReply) error {
			return o.RevokeToken(ctx, req.ID)
		},
	}
}

// access does what "postferry admin" asks.
func access(ctx context.Context, o *admin.Operator, newLink linkMaker, req control.AccessRequest) (reply control.AccessReply, err error) {
	op := AccessOps()[req.Op]
	if op == nil {
		return reply, errors.New("the daemon does not know what was asked (is it another version?)")
	}
	err = op(ctx, o, newLink, req, &reply)
	return reply, err
}

func setPassword(ctx context.Context, o *admin.Operator, _ linkMaker, req control.AccessRequest, reply *control.AccessReply) (err error) {
	reply.Added, err = o.SetPassword(ctx, req.Name, req.Domain, store.Secret(req.Password))
	return err
}

func makeLink(ctx context.Context, _ *admin.Operator, newLink linkMaker, _ control.AccessRequest, reply *control.AccessReply) (err error) {
	if newLink == nil {
		return errNoPage
	}
	reply.Link, err = newLink(ctx)
	return err
}

func createToken(ctx context.Context, o *admin.Operator, _ linkMaker, req control.AccessRequest, reply *control.AccessReply) error {
	domain := ""
	if req.Domain != nil {
		domain = *req.Domain
	}
	_, secret, err := o.CreateToken(ctx, req.Name, domain)
	reply.Token = secret.Reveal()
	return err
}

func listTokens(ctx context.Context, o *admin.Operator, _ linkMaker, _ control.AccessRequest, reply *control.AccessReply) error {
	tokens, err := o.Tokens(ctx)
	for _, t := range tokens {
		reply.Tokens = append(reply.Tokens, control.AccessToken{ID: t.ID, Name: t.Name, Domain: t.Scope, By: t.By, Created: t.Created, Used: report.TimeOrNil(t.Used)})
	}
	return err
}

// Access implements control.Backend.
func (l *Local) Access(ctx context.Context, req control.AccessRequest) (control.AccessReply, error) {
	return access(ctx, l.noter(), l.NewLink, req)
}
