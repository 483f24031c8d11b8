package access

import (
	"context"
	"encoding/base64"
	"errors"
	"math/big"
	"slices"
	"strings"
	"time"

	"postferry/internal/asciifold"
	"postferry/store"

	"github.com/rs/zerolog"
)

const (
	sessionIdle = 12 * time.Hour     // without use, a session ends
	SessionLife = 7 * 24 * time.Hour // and in any case after this
	// noteUse is how exactly it is kept when a session or token was used.
	noteUse = time.Minute
	// sweepSessions is how often ended sessions are removed.
	sweepSessions = time.Hour
	// sweepLists is how often lists are forgotten that nobody has taken in time: they
	// hold passwords.
	sweepLists = time.Minute

	tokenPrefix  = "pf_"
	secretOctets = 32
)

// Sessions are those of administrators, and who a session or a token belongs to.
type Sessions struct {
	store  Visitors
	hasher *hasher
	limits *loginLimits
	link   oneTime
	lists  Uploads
	audit  *Audit
	log    zerolog.Logger
}

// Login opens a session for an administrator. The secret it returns is for the
// cookie and is nowhere else.
func (a *Sessions) Login(ctx context.Context, from, name string, password store.Secret) (secret store.Secret, who Actor, err error) {
	admin, err := a.store.Admin(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", Actor{}, err
	}
	keys := []string{clientKey(from), nameKey(admin, name, from)}
	for i, key := range keys {
		wait, ok := a.limits[i].Take(key)
		if !ok {
			a.log.Warn().Str("from", from).Msg("too many failed logins to the import page")
			return "", Actor{}, Busy("too_many_logins", "Too many failed logins. Wait a moment and try again.", wait.Round(time.Second)+time.Second)
		}
	}
	ok, err := a.hasher.matches(ctx, admin.Hash, password)
	if err != nil {
		return "", Actor{}, err
	}
	if !ok {
		a.log.Warn().Str("from", from).Msg("a login to the import page failed")
		return "", Actor{}, &Refusal{Kind: KindUnauthorized, Code: "login_failed", Detail: "Name or password are not right."}
	}
	for i, key := range keys {
		a.limits[i].giveBack(key)
	}
	return a.openSession(ctx, from, admin)
}

// nameKey is the key by which a name's failed logins are counted. A network that its
// owner has logged in from has a count of its own, so that strangers who guess at the
// name don't lock its owner out.
func nameKey(admin store.Admin, name, from string) string {
	key := "name " + asciifold.Lower(name)
	if client := clientKey(from); slices.Contains(admin.From, client) {
		return key + "\x00" + client
	}
	return key
}

// openSession begins a session of an administrator who has proved it.
func (a *Sessions) openSession(ctx context.Context, from string, admin store.Admin) (store.Secret, Actor, error) {
	secret := store.Secret(base64.RawURLEncoding.EncodeToString(random(secretOctets)))
	now := time.Now()
	s := store.Session{ID: store.DigestOf(secret), Admin: admin.Name, Created: now, Used: now}
	if err := a.store.AddSession(ctx, s, clientKey(from)); err != nil {
		return "", Actor{}, err
	}
	who := Actor{Name: admin.Name, Scope: admin.Scope, from: from, Owner: s.ID, Admin: admin.Name}
	return secret, who, a.audit.Note(ctx, who, "login", About{})
}

// Logout ends a session.
func (a *Sessions) Logout(ctx context.Context, who Actor) error {
	if who.Admin == "" {
		return nil
	}
	if err := a.EndSession(ctx, who.Owner); err != nil {
		return err
	}
	return a.audit.Note(ctx, who, "logout", About{})
}

// EndSession ends a session and forgets what its owner has uploaded.
func (a *Sessions) EndSession(ctx context.Context, id store.Digest) error {
	a.lists.DropOwner(id)
	return a.store.EndSession(ctx, id)
}

// SessionActor finds who a session's secret belongs to.
func (a *Sessions) SessionActor(ctx context.Context, from string, secret store.Secret) (Actor, error) {
	id, now := store.DigestOf(secret), time.Now()
	s, err := a.store.Session(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && (now.Sub(s.Created) > SessionLife || now.Sub(s.Used) > sessionIdle) {
		return Actor{}, Unauthorized()
	}
	if err != nil {
		return Actor{}, err
	}
	admin, err := a.store.Admin(ctx, s.Admin)
	if errors.Is(err, store.ErrNotFound) {
		return Actor{}, Unauthorized()
	}
	if err != nil {
		return Actor{}, err
	}
	if now.Sub(s.Used) > noteUse {
		if err := a.store.UseSession(ctx, id, now); err != nil && !errors.Is(err, store.ErrNotFound) {
			return Actor{}, err
		}
	}
	return Actor{Name: admin.Name, Scope: admin.Scope, from: from, Owner: id, Admin: admin.Name}, nil
}

// TokenActor finds what a token may do.
func (a *Sessions) TokenActor(ctx context.Context, from string, secret store.Secret) (Actor, error) {
	if !strings.HasPrefix(secret.Reveal(), tokenPrefix) {
		return Actor{}, Unauthorized()
	}
	digest, now := store.DigestOf(secret), time.Now()
	t, err := a.store.Token(ctx, digest)
	if errors.Is(err, store.ErrNotFound) {
		return Actor{}, Unauthorized()
	}
	if err != nil {
		return Actor{}, err
	}
	if now.Sub(t.Used) > noteUse {
		if err := a.store.UseToken(ctx, digest, now); err != nil && !errors.Is(err, store.ErrNotFound) {
			return Actor{}, err
		}
	}
	return Actor{Name: "token " + t.Name, Scope: t.Scope, from: from, Owner: digest, token: t.ID}, nil
}

// newToken makes a token's secret: a prefix that secret scanners can know, and
// 32 random octets in base 62.
func newToken() store.Secret {
	n := new(big.Int).SetBytes(random(secretOctets))
	text := n.Text(62)
	return store.Secret(tokenPrefix + strings.Repeat("0", 43-len(text)) + text)
}

// Sweep removes ended sessions and lists now and then until ctx ends.
func (a *Sessions) Sweep(ctx context.Context) {
	sessions, lists := time.NewTicker(sweepSessions), time.NewTicker(sweepLists)
	defer sessions.Stop()
	defer lists.Stop()
	for due := true; ; {
		if now := time.Now(); due {
			if _, err := a.store.EndSessions(ctx, now.Add(-SessionLife), now.Add(-sessionIdle)); err != nil && ctx.Err() == nil {
				a.log.Error().Err(err).Msg("cannot remove ended sessions")
			}
		}
		a.lists.DropExpired(time.Now())
		select {
		case <-sessions.C:
			due = true
		case <-lists.C:
			due = false
		case <-ctx.Done():
			return
		}
	}
}
