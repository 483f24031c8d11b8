package upstream

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"postferry/upstream/link"
	"postferry/upstream/transcript"
)

// signIns are what the client signs in with in the conversations in testdata/signin, by the first
// word of their name.
var signIns = map[string]link.SignIn{
	"token":    {Login: "ann", Secret: "t0ken", Token: true},
	"proxy":    {Login: "ann", Secret: "secret", As: "anna"},
	"password": {Login: "ann", Secret: "secret"},
}

// TestSignIn: how each mechanism goes, and what is told of refusals. No trace and no log has a secret.
func TestSignIn(t *testing.T) {
	transcript.Each(t, "testdata/signin", transcript.Parse, func(t *testing.T, text, verb string, say func(string, ...any)) {
		var log, traced bytes.Buffer
		opt := testOptions(t)
		opt.Log = zerolog.New(&log).Level(zerolog.TraceLevel)
		opt.Trace = link.NewTracer(&traced, zerolog.Nop()).Session("ann")
		s, err := Dial(t.Context(), transcript.Serve(t, transcript.Parse(t, text)), opt)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		err = s.SignIn(t.Context(), signIns[verb])
		sayError(say, err)
		if e, ok := errors.AsType[*link.Error](err); ok {
			say("%s: %s", e.Kind(), e.Summary())
		}
		for _, secret := range []string{"t0ken", "secret", "dDBrZW4", "c2VjcmV0", "QmVhcmVy", "VhcmVyIH"} {
			told := strings.ReplaceAll(log.String()+traced.String(), "[secret]", "")
			if strings.Contains(told, secret) {
				t.Errorf("%q is told:\n%s", secret, told)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("%q in the error %v", secret, err)
			}
		}
	})
}
