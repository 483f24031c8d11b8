package credential

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/oauth2"

	"postferry/internal/pause"
	"postferry/store"
)

// A refresh token may be good for one use: the provider gives out another one with each access token, and takes a second use for
// theft, after which nothing is valid any more (RFC 9700 section 4.14.2). So a mailbox's is used by one at a time, of
// all that use the same Consents; that it is sent is noted before, so that an answer that is lost is known to be; and
// what came in its place is kept before the access token is handed out.

const (
	// exchangeBound bounds the exchange of a refresh token, which goes on when whoever asked has gone.
	exchangeBound = 15 * time.Second
	// keepBound is how long it is tried to keep a new refresh token, keepFirst the first pause between attempts.
	keepBound, keepFirst = 10 * time.Second, 50 * time.Millisecond
)

// consented is for a person who has agreed: the refresh token is what a new access token comes of.
func (t *tenant) consented(ctx context.Context, login string) (token, error) {
	in := t.signIn
	m := store.Mailbox{Domain: in.Domain, Side: t.side(), Login: login}
	if t.keeper.opt.Consents == nil {
		return token{}, t.notAgreed()
	}
	release, err := t.keeper.opt.Consents.HoldConsent(ctx, m)
	if err != nil {
		return token{}, err
	}
	defer release()
	c, err := t.agreed(ctx, m)
	if err != nil {
		return token{}, err
	}
	got, err := t.refreshed(ctx, c)
	if e, ok := errors.AsType[*Error](err); ok && perMailbox(e.Kind) {
		// The owner may have agreed anew meanwhile, by which what was agreed to before has come to its end.
		if now, err := t.agreed(ctx, m); err == nil && now.Refresh != c.Refresh {
			return t.refreshed(ctx, now)
		}
	}
	return got, err
}

// agreed is what the owner of a mailbox has agreed to with this application.
func (t *tenant) agreed(ctx context.Context, m store.Mailbox) (store.Consent, error) {
	c, err := t.keeper.opt.Consents.Consent(ctx, m)
	if errors.Is(err, store.ErrNotFound) || err == nil && (c.Issuer != t.signIn.Issuer || c.ClientID != t.signIn.ClientID) {
		return store.Consent{}, t.notAgreed()
	}
	return c, err
}

func (t *tenant) notAgreed() *Error {
	missing := t.fault(store.ConsentMissing, hostOf(t.signIn.Issuer), nil)
	missing.Lasting = true
	return missing
}

// refreshed is a token that comes of an agreement, whose next refresh token is kept. The caller holds the mailbox's consent.
func (t *tenant) refreshed(ctx context.Context, c store.Consent) (token, error) {
	places, err := t.endpoints(ctx)
	if err != nil {
		return token{}, err
	}
	known, err := t.keeper.opt.Consents.SendConsent(ctx, c.Mailbox, c.Refresh, time.Now())
	switch {
	case err != nil:
		return token{}, fmt.Errorf("a refresh token is not sent, as what came in its place could not be kept: %w", err)
	case !known: // it was forgotten, or the owner has agreed anew
		return token{}, t.notAgreed()
	}
	got, err := t.exchange(ctx, places.Token, c.Refresh)
	switch e, ours := errors.AsType[*Error](err); {
	case err == nil:
		if now := store.Secret(got.RefreshToken); !t.keep(ctx, c, now) && t.ended(ctx, c, now) {
			return token{}, t.notAgreed()
		}
		return t.tokenOf(got), nil
	case ours && e.Kind == store.ConsentRevoked && !c.Sent.IsZero():
		e.Kind = store.ConsentLost
	case ours && stillGood(e):
		t.keep(ctx, c, c.Refresh)
	}
	return token{}, err
}

// exchange sends a refresh token. Whoever asked may have gone by the time it is answered: the answer is good for them who
// come next, and what was sent is not.
func (t *tenant) exchange(ctx context.Context, place string, refresh store.Secret) (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), exchangeBound)
	defer cancel()
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}}
	if t.signIn.Scope != "" {
		form.Set("scope", t.signIn.Scope)
	}
	return t.ask(ctx, request{url: place, clientID: t.signIn.ClientID, secret: t.signIn.Secret, form: form})
}

// stillGood tells whether a provider's refusal means that the refresh token was not used: it was refused for something else.
// Errors of the server's own say nothing of that.
func stillGood(e *Error) bool {
	r, ok := errors.AsType[*oauth2.RetrieveError](e)
	return ok && r.Response != nil && r.Response.StatusCode/100 == 4 && e.Kind != store.ConsentRevoked
}

// keep keeps the refresh token that came in place of the one used, or that this one stays good ("" or the same). It does so even
// if nobody waits any more. known is false if it was forgotten by now, or its owner has agreed anew.
func (t *tenant) keep(ctx context.Context, c store.Consent, now store.Secret) (known bool) {
	if now == "" {
		now = c.Refresh
	}
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepBound)
	defer cancel()
	for wait := keepFirst; ; wait *= 2 {
		known, err := t.keeper.opt.Consents.RenewConsent(writing, c.Mailbox, c.Refresh, now)
		if err == nil {
			return known
		}
		log := t.keeper.opt.Log.With().Err(err).Str("domain", c.Domain).Str("account", c.Login).Logger()
		if wait == keepFirst {
			log.Warn().Msg("a new refresh token could not be kept; it is tried again")
		}
		if ctx.Err() != nil || pause.For(writing, wait) != nil {
			log.Error().Msg("a new refresh token can't be kept; its owner may have to sign in again")
			return true
		}
	}
}
