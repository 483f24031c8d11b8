package tenant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/oauth2"

	"postferry/credential"
	"postferry/internal/secret"
	"postferry/store"
)

// ConsentReason says why there is no agreement, for programs.
type ConsentReason string

// The reasons.
const (
	NotAsked        ConsentReason = "consent_not_asked"   // people of this domain don't sign in for themselves at this server
	Declined        ConsentReason = "consent_declined"    // the owner of the mailbox, or the provider, said no
	TooLate         ConsentReason = "consent_too_late"    // nobody signed in before the time was over
	NotSent         ConsentReason = "consent_not_sent"    // a browser came back that we have not sent, or not in this session
	NoCode          ConsentReason = "consent_no_code"     // the provider doesn't let mailboxes be opened by a code
	NoBrowser       ConsentReason = "consent_no_browser"  // the provider has no page to which a browser can be sent
	NotLasting      ConsentReason = "consent_not_lasting" // the provider gave no refresh token
	NotOpened       ConsentReason = "consent_not_opened"  // whoever has signed in can't open this mailbox
	Ended           ConsentReason = "consent_ended"       // what was agreed to has ended meanwhile
	ProviderRefused ConsentReason = "consent_refused"     // the provider refuses what we ask for
)

// ConsentError says why there is no agreement. Its text is for the person who can mend it.
type ConsentError struct {
	Reason  ConsentReason
	Host    string // who says so
	Mailbox string // that was not opened
	Cause   string // what the provider or the server says
	err     error
}

// Error is a sentence for a person.
func (e *ConsentError) Error() string {
	switch e.Reason {
	case NotAsked:
		return "The people of this domain don't sign in for themselves; expected the method \"consent\"."
	case Declined:
		return "The owner of the mailbox, or " + e.Host + ", said no."
	case TooLate:
		return "Nobody signed in in time. Begin again."
	case NotSent:
		return "A browser came back that was not sent by us. Begin again in this browser."
	case NoCode:
		return e.Host + " doesn't let mailboxes be opened by a code. Sign in with a browser."
	case NoBrowser:
		return e.Host + " has no page on which to sign in. Use a code."
	case NotLasting:
		return e.Host + " gave no refresh token, so the agreement would end with the hour. See whether the application may ask for " + offline + "."
	case Ended:
		return fmt.Sprintf("Meanwhile it was ended that %s is signed in to like this, so nothing was kept. Begin again if it is still to be.", e.Mailbox)
	case NotOpened:
		return fmt.Sprintf("Whoever has signed in can't open the mailbox %s. Sign in as its owner, and see whether IMAP is switched on for it.", e.Mailbox)
	}
	return fmt.Sprintf("%s refuses: %s.", e.Host, strings.TrimSuffix(e.Cause, "."))
}

// Unwrap is what went wrong on the way, if that was it.
func (e *ConsentError) Unwrap() error { return e.err }

// refusal is what a provider said no with, without its whole answer and what it was sent.
func (p *provider) refusal(err error, sent ...store.Secret) error {
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case !ok: // it was not reached, or its answer is none
		return &credential.Error{Kind: store.TokenUnavailable, Side: store.Side(p.in.Side), Host: p.host, Err: err}
	case refused.ErrorCode == "access_denied", refused.ErrorCode == "authorization_declined":
		return &ConsentError{Reason: Declined, Host: p.host}
	case refused.ErrorCode == "expired_token":
		return &ConsentError{Reason: TooLate, Host: p.host}
	}
	code, sent := refused.ErrorCode, append(sent, p.in.Secret)
	if code == "" && refused.Response != nil {
		code = fmt.Sprintf("HTTP %d", refused.Response.StatusCode)
	}
	return &ConsentError{Reason: ProviderRefused, Host: p.host, Cause: words(secret.Hide(code, sent...), secret.Hide(refused.ErrorDescription, sent...))}
}

// Code is the reason of an error, or the kind of the problem that it is; "" for others.
func Code(err error) string {
	if e, ok := errors.AsType[*ConsentError](err); ok {
		return string(e.Reason)
	}
	var p interface{ Describe(*store.Problem) }
	if errors.As(err, &p) {
		var problem store.Problem
		p.Describe(&problem)
		return string(problem.Kind)
	}
	return ""
}

// maxWords bounds foreign words. Octets.
const maxWords = 400

// words are a provider's, as text of a bounded length.
func words(code, text string) string {
	if text != "" {
		code += ": " + text
	}
	code = strings.ToValidUTF8(code[:min(len(code), maxWords)], "?")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, code))
}
