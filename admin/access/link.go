package access

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"sync"
	"time"

	"postferry/store"
)

// linkLife is how long a one-time link is good for.
const linkLife = 24 * time.Hour

// oneTime is the link with which somebody becomes an administrator without
// having a password yet. There is one at a time, in memory only.
type oneTime struct {
	mu      sync.Mutex
	digest  store.Digest
	expires time.Time // zero if there is none
	first   bool      // only good as long as there is no administrator
}

// renew makes a new code and forgets the one before. A first one does not take
// the place of a code that somebody asked for: then there is none.
func (o *oneTime) renew(now time.Time, first bool) (code store.Secret) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if first && !o.expires.IsZero() {
		return ""
	}
	code = store.Secret(base64.RawURLEncoding.EncodeToString(random(secretOctets)))
	o.digest, o.expires, o.first = store.DigestOf(code), now.Add(linkLife), first
	return code
}

var errLink = &Refusal{Kind: KindForbidden, Code: "link_void",
	Detail: "This link was used already, or is not the newest one. Run \"postferry admin link\" for a new one."}

// use runs fn if code is good, and makes it void if fn succeeds. One at a time.
func (o *oneTime) use(code store.Secret, now time.Time, fn func(first bool) error) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	digest := store.DigestOf(code)
	if o.expires.IsZero() || now.After(o.expires) || subtle.ConstantTimeCompare(digest[:], o.digest[:]) != 1 {
		return errLink
	}
	err := fn(o.first)
	if err == nil || errors.Is(err, errLink) {
		o.expires = time.Time{}
	}
	return err
}

// NewCode makes the code of a one-time link with which somebody becomes an administrator of
// everything, and makes the one before void. It is for the operator's eyes.
func (a *Sessions) NewCode(ctx context.Context) (store.Secret, error) {
	if err := a.audit.Note(ctx, CommandLine(), "link", About{}); err != nil {
		return "", err
	}
	return a.link.renew(time.Now(), false), nil
}

// FirstCode makes the code of a link if there is no administrator yet; "" if there is, or
// another link was asked for.
func (a *Sessions) FirstCode(ctx context.Context) (store.Secret, error) {
	admins, err := a.store.Admins(ctx)
	if err != nil || len(admins) > 0 {
		return "", err
	}
	return a.link.renew(time.Now(), true), nil
}

// Welcome makes the administrator of a one-time link and logs in.
func (a *Sessions) Welcome(ctx context.Context, from string, code store.Secret, name string, password store.Secret) (secret store.Secret, who Actor, err error) {
	if wait, ok := a.limits[0].Take(clientKey(from)); !ok {
		return "", Actor{}, Busy("too_many_logins", "Too many failed attempts. Wait a moment and try again.", wait.Round(time.Second)+time.Second)
	}
	if mistakes := checkAdmin(name, password); len(mistakes) > 0 {
		return "", Actor{}, Invalid(mistakes...)
	}
	now := time.Now()
	admin := store.Admin{Name: name, Scope: store.ScopeAll, Created: now, Changed: now}
	err = a.link.use(code, now, func(first bool) error {
		if admin.Hash, err = a.hasher.hash(ctx, password); err != nil {
			return err
		}
		_, err := a.store.PutAdmin(ctx, admin, first)
		if errors.Is(err, store.ErrExists) {
			return errLink
		}
		return err
	})
	if err != nil {
		return "", Actor{}, err
	}
	a.limits[0].giveBack(clientKey(from))
	who = Actor{Name: name, Scope: store.ScopeAll, from: from, Admin: name}
	if err := a.audit.Note(ctx, who, "welcome", About{}); err != nil {
		return "", Actor{}, err
	}
	return a.openSession(ctx, from, admin)
}
