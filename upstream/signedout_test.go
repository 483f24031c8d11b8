package upstream

import (
	"errors"
	"strings"
	"testing"

	"postferry/upstream/link"
)

// TestSignedOut: a server that does not know any more, in the middle of a session, who we are, as where a token has come to its
// end, has not refused an account: the session is over, and the next one shows whether it lets us in.
func TestSignedOut(t *testing.T) {
	appended := func(s *Session) error {
		call, err := s.Appender.SendAppend(t.Context(), "a", []Append{{Size: 6, Body: strings.NewReader("letter")}})
		if err != nil {
			return err
		}
		results, err := call.Wait(t.Context())
		if err != nil {
			return err
		}
		return results[0].Err
	}
	examined := func(s *Session) error {
		_, err := s.Opener.Examine(t.Context(), "a")
		return err
	}
	for name, c := range map[string]struct {
		script string
		do     func(*Session) error
	}{
		"refused":                {"@\nC: P2 EXAMINE \"a\"\nS: P2 NO [AUTHENTICATIONFAILED] Session expired\n", examined},
		"expired":                {"@\nC: P2 EXAMINE \"a\"\nS: P2 NO [EXPIRED] x\n", examined},
		"goodbye":                {"@\nC: P2 EXAMINE \"a\"\nS: * BYE Session invalidated - AccessTokenExpired\n", examined},
		"before the literal":     {"@\nC: P2 APPEND \"a\" {6}\nS: P2 NO [AUTHENTICATIONFAILED] Session expired\n", appended},
		"goodbye behind it":      {"@\nC: P2 APPEND \"a\" {6}\nS: + go on\nC: letter\nS: * BYE Session invalidated - AccessTokenExpired\n", appended},
		"behind the literal":     {"@\nC: P2 APPEND \"a\" {6}\nS: + go on\nC: letter\nS: P2 NO [AUTHENTICATIONFAILED] Session expired\n", appended},
		"goodbye to the literal": {"@\nC: P2 APPEND \"a\" {6}\nS: * BYE Session invalidated - AccessTokenExpired\n", appended},
	} {
		t.Run(name, func(t *testing.T) {
			s := scripted(t, c.script)
			err := c.do(s)
			e, ok := errors.AsType[*link.Error](err)
			if !ok || e.Class != link.Lost || link.Answered(err) {
				t.Errorf("%v", err)
			}
			if said := strings.Contains(c.script, " NO ["); errors.Is(err, link.ErrSignedOut) != said {
				t.Errorf("%v: told from other ends: %v", err, !said)
			}
			if err := s.Alive(t.Context()); link.ClassOf(err) != link.Lost {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}
