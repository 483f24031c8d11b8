package admin

import (
	"context"
	"errors"
	"strings"

	"github.com/rs/zerolog"

	"postferry/admin/access"
	"postferry/store"
)

// Operator is who works at the machine itself: what "postferry admin" does, with
// or without a Server. Its errors are sentences for the person at the screen.
type Operator struct {
	store  access.Keeper
	access *access.Administrators
	audit  *access.Audit
}

// NewOperator works on a store.
func NewOperator(st Store, log zerolog.Logger) *Operator {
	audit := access.NewAudit(st, log)
	return &Operator{st, access.New(access.Options{Store: st, Audit: audit, Lists: newLists(), Log: log}), audit}
}

// Operator works on a server's store and tells the server: what is in its memory of
// somebody who is removed goes, too.
func (a *Service) Operator() *Operator { return &Operator{a.store, a.Access, a.Audit} }

// SetPassword adds an administrator, or sets the password of one. domain is
// the one domain to look after, "" for all; with nil the one who is there
// keeps the scope.
func (o *Operator) SetPassword(ctx context.Context, name string, domain *string, password store.Secret) (added bool, err error) {
	scope := store.ScopeAll
	if domain != nil {
		scope = *domain
	} else if known, err := o.store.Admin(ctx, name); err == nil {
		scope = known.Scope
	} else if !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	added, err = o.access.PutAdmin(ctx, access.CommandLine(), name, scope, password)
	return added, plain(err)
}

// CreateToken makes a token for a domain, or ("") for all of them.
func (o *Operator) CreateToken(ctx context.Context, name, domain string) (id uint64, token store.Secret, err error) {
	v, token, err := o.access.CreateToken(ctx, access.CommandLine(), name, domain)
	return v.ID, token, plain(err)
}

// Tokens returns all tokens, without their secrets.
func (o *Operator) Tokens(ctx context.Context) ([]store.Token, error) {
	return o.store.Tokens(ctx)
}

// RevokeToken makes a token void.
func (o *Operator) RevokeToken(ctx context.Context, id uint64) error {
	return plain(o.access.RevokeToken(ctx, access.CommandLine(), id))
}

// plain is an error as one who sees no form is told it.
func plain(err error) error {
	var r *access.Refusal
	if !errors.As(err, &r) {
		return err
	}
	texts := make([]string, len(r.Mistakes))
	for i, m := range r.Mistakes {
		texts[i] = m.Text
	}
	if len(texts) == 0 {
		texts = []string{r.Detail}
	}
	return errors.New(strings.TrimSuffix(strings.Join(texts, "\n"), "."))
}
