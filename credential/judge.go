package credential

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// Judge says what it means that a server has let a mailbox in (err is nil) or not, with what it was
// given since some moment. again tells that another attempt, with another token, is worth it. The
// error is the same, or one that says more.
func (k *Keeper) Judge(server config.Server, login string, in link.SignIn, since time.Time, err error) (again bool, _ error) {
	e, ours := errors.AsType[*link.Error](err)
	t := k.tenant(server)
	switch {
	case err == nil:
		t.mu.Lock()
		t.let = true
		delete(t.struck, login)
		t.mu.Unlock()
		t.tell(nil)
		return false, nil
	case !ours || e.Op != "login":
		return false, err
	case !in.Token:
		return false, t.masterRefused(e, err)
	case e.Class == link.Later && notConnected(e):
		return false, t.refusal(store.MailboxRefused, true, err)
	case e.Class == link.Later && tokenEnded(e):
		src := t.source(login)
		return !src.bornSince(in.Secret, since) && src.refused(in.Secret), err
	case e.Token == nil || e.Class != link.Fix:
		return false, err
	}
	src := t.source(login)
	fresh := src.bornSince(in.Secret, since)
	if !fresh && src.refused(in.Secret) {
		return true, err
	}
	return false, t.diagnose(e, in, !fresh || t.strike(login) < strikes, err)
}

// strikes is how often in a row a token that was just fetched must be refused before a person has to
// look at it: it may have been revoked at that very moment.
const strikes = 2

// strike counts a refusal of such a token.
func (t *tenant) strike(login string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.struck[login]++
	return t.struck[login]
}

// bornSince tells whether the token was fetched since some moment.
func (s *source) bornSince(secret store.Secret, since time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.secret == secret && !s.now.born.Before(since)
}

// notConnected is what Exchange says where the application may not open the mailbox, IMAP is
// switched off for it, there is none, or its server is unwell.
func notConnected(e *link.Error) bool {
	return strings.Contains(strings.ToLower(e.Text), "authenticated but not connected")
}

// tokenEnded is what Exchange says goodbye with where a token has come to its end.
func tokenEnded(e *link.Error) bool {
	return strings.Contains(strings.ToLower(e.Text), "accesstokenexpired")
}

// imapOff tells whether a server says that IMAP is switched off, for the mailbox or for all.
func imapOff(text string) (off, all bool) {
	text = strings.ToLower(text)
	off = strings.Contains(text, "imap") && (strings.Contains(text, "disabled") || strings.Contains(text, "not enabled"))
	return off, off && strings.Contains(text, "your domain")
}

// diagnose finds out why a token is refused. passing tells that it was not fetched just now, or for
// the first time, so that the token itself may be at fault.
func (t *tenant) diagnose(e *link.Error, in link.SignIn, passing bool, err error) error {
	t.mu.Lock()
	let := t.let
	t.mu.Unlock()
	off, all := imapOff(e.Text)
	switch {
	case off:
		f := t.refusal(store.IMAPOff, passing, err)
		f.Tenant = all
		t.tell(f)
		return f
	case t.signIn.Method != config.Microsoft:
		return t.refusal(store.TokenRefused, passing, err)
	case lacksRole(in.Secret):
		return t.tenantRefusal(store.PermissionMissing, err)
	case let:
		return t.refusal(store.MailboxRefused, passing, err)
	}
	return t.tenantRefusal(store.PrincipalMissing, err)
}

// masterRefused is for a refusal of the master login: of itself, or of one mailbox.
func (t *tenant) masterRefused(e *link.Error, err error) error {
	if e.Class != link.Fix || e.Kind() != store.LoginRefused {
		return err
	}
	t.mu.Lock()
	let := t.let
	t.mu.Unlock()
	if let {
		return t.refusal(store.MailboxRefused, false, err)
	}
	return t.tenantRefusal(store.MasterRefused, err)
}

// refusal is about one mailbox.
func (t *tenant) refusal(kind store.ProblemKind, passing bool, err error) *Error {
	f := t.fault(kind, "", err)
	f.Lasting = !passing
	return f
}

// tenantRefusal is about all of them.
func (t *tenant) tenantRefusal(kind store.ProblemKind, err error) *Error {
	f := t.fault(kind, "", err)
	f.Tenant = true
	t.tell(f)
	return f
}

// lacksRole tells whether a token says of itself that the application has no permission for mail
// (Microsoft's access tokens are JWT, whose claim "roles" has the permissions). A token that can't be
// read says nothing.
func lacksRole(secret store.Secret) bool {
	parts := strings.Split(secret.Reveal(), ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	var claims struct {
		Issuer string   `json:"iss"`
		Roles  []string `json:"roles"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Issuer == "" {
		return false
	}
	return !slices.ContainsFunc(claims.Roles, func(role string) bool {
		return role == "IMAP.AccessAsApp" || role == "POP.AccessAsApp" || role == "full_access_as_app"
	})
}
