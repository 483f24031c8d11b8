package discover

import (
	"cmp"
	"slices"
	"strings"
)

// judge chooses the old server among the attempts and says why.
func (s *search) judge() {
	usable := slices.DeleteFunc(slices.Clone(s.report.Attempts), func(a Attempt) bool { return !a.Usable })
	if len(usable) == 0 {
		s.nothing()
		return
	}
	best := slices.MinFunc(usable, better)
	c := s.found[best.Number-1]
	s.report.Found = &Found{
		Attempt: best.Number, Protocol: best.Protocol, Security: best.Security, Host: best.Host, Port: best.Port, URL: best.URL, Login: c.login,
	}
	s.explain(best, c)
	s.warn(best, c)
}

// better orders usable attempts: IMAP before POP3, protected before
// unprotected, a good certificate before a bad one, published before guessed.
func better(x, y Attempt) int {
	return cmp.Or(
		cmp.Compare(x.Protocol, y.Protocol),
		compareBool(x.Security == Plaintext, y.Security == Plaintext),
		compareBool(!x.Trusted, !y.Trusted),
		cmp.Compare(x.Number, y.Number),
	)
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case y:
		return -1
	}
	return 1
}

// explain says why it is that one.
func (s *search) explain(best Attempt, c candidate) {
	protocol := codeWhyIMAP
	if best.Protocol == POP3 {
		protocol = codeWhyPOP3
	}
	security := say(codeWhyTrusted)
	switch {
	case best.Security == Plaintext:
		security = say(codeWhyPlain)
	case !best.Trusted:
		s.report.Found.Fingerprint = best.Certificate.Fingerprint
		security = with("problems", best.Certificate.Problems, codeWhyPin, "fingerprint", best.Certificate.Fingerprint)
	}
	s.report.Why = append(s.report.Why, say(protocol), say(codeWhySource+Code(c.source), "provider", c.provider), security)
}

// warn says what the administrator should know of the one chosen.
func (s *search) warn(best Attempt, c candidate) {
	if c.login != nil {
		s.note(say(codeLogin+c.login.Form, "example", c.login.Example, "template", c.login.Template))
	}
	if c.oauthOnly {
		s.note(say(codeOAuthOnly))
	}
	if best.Protocol == IMAP && !takesPasswords(best.Capabilities) {
		s.note(say(codeNoPasswords))
	}
	published := c.source == SourceSRV || c.source == SourceAutoconfig
	if published && registrable(c.host) != registrable(s.query.domain) {
		s.note(say(codeOtherOwner, "host", c.host, "domain", s.query.domain))
	}
}

// takesPasswords tells whether LOGIN or AUTH=PLAIN is offered (RFC 9051 section 6.2.3).
func takesPasswords(capabilities []string) bool {
	has := func(name string) bool {
		return slices.ContainsFunc(capabilities, func(c string) bool { return strings.EqualFold(c, name) })
	}
	return has("AUTH=PLAIN") || !has("LOGINDISABLED")
}

// nothing says why none was found.
func (s *search) nothing() {
	excluded := s.report.MX.State == MXMoved || slices.ContainsFunc(s.report.Attempts, func(a Attempt) bool {
		return a.Outcome.Code == codeExcludedNew || a.Outcome.Code == codeExcludedOwn
	})
	resolved := s.exists || slices.ContainsFunc(s.report.Attempts, func(a Attempt) bool { return a.Address != "" })
	failed := slices.ContainsFunc(s.report.Lookups, func(l Lookup) bool {
		return l.Result.Code == codeDNSFailed || l.Result.Code == codeDNSTimeout
	})
	switch {
	case excluded:
		s.report.Why = append(s.report.Why, say(codeOnlyNew))
	case !resolved && !failed:
		s.report.Why = append(s.report.Why, say(codeNoSuchName, "domain", s.query.unicode))
	default:
		s.report.Why = append(s.report.Why, say(codeNothing))
	}
	s.report.Why = append(s.report.Why, say(codeNothingHint))
}
