package control

import (
	"context"
	"encoding/json"
	"net/http"

	"postferry/directory"
	"postferry/store"
	"postferry/tenant"
)

// SignInQuery names one of a domain's servers, and a mailbox there if it is about one.
type SignInQuery struct {
	Domain  string     `json:"domain,omitempty"` // "" for all, where that makes sense
	Side    store.Side `json:"side,omitempty"`
	Mailbox string     `json:"mailbox,omitempty"`
}

// SignInState is how Postferry signs in at one of a domain's servers.
type SignInState struct {
	Domain   string     `json:"domain"`
	Side     store.Side `json:"side"`
	Host     string     `json:"host"`
	Method   string     `json:"method"`
	ClientID string     `json:"client_id,omitempty"`
	Consents int        `json:"consents,omitempty"` // of people
}

// The paths of signing in.
const (
	pathSignIns       = "/v1/sign/ins"     // POST SignInQuery -> signInsReply
	pathSignInTest    = "/v1/sign/test"    // POST SignInQuery -> signInTestReply
	pathMailboxes     = "/v1/mailboxes"    // POST SignInQuery -> mailboxesReply
	pathConsent       = "/v1/sign/consent" // POST SignInQuery -> consentReply...
	pathForgetConsent = "/v1/sign/forget"  // POST SignInQuery -> forgetConsentReply
)

type signInsReply struct {
	SignIns []SignInState `json:"sign_ins"`
}

type signInTestReply struct {
	Steps []tenant.Step `json:"steps"`
}

type mailboxesReply struct {
	Mailboxes []directory.Mailbox `json:"mailboxes"`
}

// consentReply is a prompt, or the end.
type consentReply struct {
	Prompt *tenant.Prompt `json:"prompt,omitempty"`
	End    bool           `json:"end,omitempty"`
	Error  *replyError    `json:"error,omitempty"`
}

type forgetConsentReply struct {
	Told bool `json:"told"` // the provider was told, too
}

// SignIns implements Backend.
func (r *Client) SignIns(ctx context.Context) ([]SignInState, error) {
	reply, err := question[signInsReply](ctx, r, pathSignIns, SignInQuery{})
	return reply.SignIns, err
}

// TestSignIn implements Backend.
func (r *Client) TestSignIn(ctx context.Context, q SignInQuery) ([]tenant.Step, error) {
	reply, err := question[signInTestReply](ctx, r, pathSignInTest, q)
	return reply.Steps, err
}

// Mailboxes implements Backend.
func (r *Client) Mailboxes(ctx context.Context, q SignInQuery) ([]directory.Mailbox, error) {
	reply, err := question[mailboxesReply](ctx, r, pathMailboxes, q)
	return reply.Mailboxes, err
}

// Consent implements Backend.
func (r *Client) Consent(ctx context.Context, q SignInQuery, ask func(tenant.Prompt) error) error {
	return r.ask(ctx, pathConsent, q, func(dec *json.Decoder) error {
		for {
			var reply consentReply
			if err := dec.Decode(&reply); err != nil {
				return err
			}
			if reply.End {
				return reply.Error.err()
			}
			if reply.Prompt != nil {
				if err := ask(*reply.Prompt); err != nil {
					return err
				}
			}
		}
	})
}

// ForgetConsent implements Backend.
func (r *Client) ForgetConsent(ctx context.Context, q SignInQuery) (told bool, err error) {
	reply, err := question[forgetConsentReply](ctx, r, pathForgetConsent, q)
	return reply.Told, err
}

func (c *server) signIns(ctx context.Context, _ SignInQuery) (signInsReply, error) {
	all, err := c.backend.SignIns(ctx)
	return signInsReply{all}, err
}

func (c *server) testSignIn(ctx context.Context, req SignInQuery) (signInTestReply, error) {
	steps, err := c.backend.TestSignIn(ctx, req)
	return signInTestReply{steps}, err
}

func (c *server) mailboxes(ctx context.Context, req SignInQuery) (mailboxesReply, error) {
	all, err := c.backend.Mailboxes(ctx, req)
	return mailboxesReply{all}, err
}

func (c *server) consent(w http.ResponseWriter, r *http.Request) {
	var req SignInQuery
	out, ok := begin(w, r, &req)
	if !ok {
		return
	}
	err := c.backend.Consent(r.Context(), req, func(p tenant.Prompt) error { return out.write(consentReply{Prompt: &p}) })
	if err == nil {
		c.log.Info().Str("domain", req.Domain).Str("account", req.Mailbox).Msg("the owner of a mailbox has agreed")
	}
	_ = out.write(consentReply{End: true, Error: describeError(stopped(err))})
}

func (c *server) forgetConsent(ctx context.Context, req SignInQuery) (forgetConsentReply, error) {
	told, err := c.backend.ForgetConsent(ctx, req)
	return forgetConsentReply{told}, err
}
