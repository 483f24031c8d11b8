package server

import (
	"strings"
	"time"

	"postferry/admin/access"
	"postferry/store"
)

// fillSignIn has both domains signed in to as what is asked for wants it, and somebody of each agree.
func (s *scene) fillSignIn() {
	for _, domain := range []string{ownDomain, otherDomain} {
		switch {
		case strings.Contains(s.path, "/consents"):
			s.agreeing(domain, store.OldSide)
			d, _ := s.directory.DomainNamed(domain)
			m := store.Mailbox{Domain: domain, Side: store.OldSide, Login: "anna@" + domain}
			if err := s.store.PutConsent(s.t.Context(), store.Consent{Mailbox: m, Issuer: d.Old.SignIn.Issuer, ClientID: "client", Refresh: "x", Granted: time.Now()}); err != nil {
				s.t.Fatal(err)
			}
			if !strings.Contains(s.path, "{code}") {
				continue
			}
			v, err := s.app.Consents.BeginCode(s.t.Context(), access.CommandLine(), domain, store.OldSide, "anna@"+domain)
			if err != nil {
				s.t.Fatal(err)
			}
			s.foreignThings["code"] = v.ID // the last one's
		case s.op != nil && (strings.Contains(s.path, "/sign-in") || strings.HasSuffix(s.path, "/mailboxes")):
			s.connected(domain, 3)
		}
	}
}
