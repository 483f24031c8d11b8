package web

import (
	"errors"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/discover"
)

// tryServers tries the servers of the form if that is asked for, or if others are to be used. It reports
// that the form was shown again with what answered.
func (s *serverPages) tryServers(v *visit, form *serverForm, in admin.DomainInput) (shown bool, err error) {
	do := v.r.PostFormValue("do")
	changed := in.Old != nil || in.New != nil || in.OldFingerprint != nil || in.NewFingerprint != nil || in.OldTLS != nil || in.OldCA != nil || in.NewCA != nil
	if do != "test" && (do != "save" || !changed) {
		return false, nil
	}
	tried, err := s.servers.Try(v.r.Context(), v.who, form.Domain, in)
	var ref *access.Refusal
	switch {
	case errors.As(err, &ref) && ref.Kind == access.KindBusy && do == "save":
		return false, nil // it is saved without
	case err != nil:
		return true, s.showServersAgain(v, *form, err)
	}
	form.Tried = tried
	form.newCounts = do == "test" || in.New != nil && form.New != s.domains.NewServer() || in.NewFingerprint != nil && *in.NewFingerprint != ""
	switch {
	case do == "test" && !form.Failed():
		return true, s.showServers(v, *form, &notice{Kind: "good", Text: v.T("trial.good")})
	case form.Failed() && tried.Swapped && !tried.Same:
		return true, s.showServers(v, *form, &notice{Kind: "warn", Text: v.T("trial.swapped")})
	case form.Failed():
		return true, s.showServers(v, *form, &notice{Kind: "bad", Text: v.T("trial.bad")})
	}
	return false, nil
}

// Failed reports that a server that was tried can't be used as it is given.
func (form serverForm) Failed() bool {
	t := form.Tried
	return t != nil && (!t.Old.OK || form.newCounts && t.New != nil && !t.New.OK || t.Same || t.Swapped)
}

// triedPart is a server as it answered.
type triedPart struct {
	W    *words
	Side string // old, new
	T    *admin.TriedServer
}

// Part is one of the servers that were tried; nil if it wasn't.
func (form serverForm) Part(w *words, side string) *triedPart {
	switch {
	case form.Tried == nil:
		return nil
	case side == "old":
		return &triedPart{w, side, form.Tried.Old}
	case form.Tried.New != nil:
		return &triedPart{w, side, form.Tried.New}
	}
	return nil
}

// Outcome says what answered.
func (x triedPart) Outcome() string { return upperFirst(x.W.Discovered(x.T.Attempt.Outcome)) }

// Certificate is the one that was shown; nil for none.
func (x triedPart) Certificate() *discover.Certificate { return x.T.Attempt.Certificate }

// Pinnable reports that the certificate could be pinned: it would make the server one that can be used.
func (x triedPart) Pinnable() bool {
	return !x.T.OK && x.T.Attempt.Usable && x.T.Attempt.Certificate != nil && !x.T.Pinned
}
