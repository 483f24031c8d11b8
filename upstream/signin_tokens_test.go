package upstream

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/upstream/link"
	"postferry/upstream/pop3"
)

// TestRealTokens: a real Dovecot takes a token by each mechanism, over IMAP and over POP3, and says of
// another one why not.
func TestRealTokens(t *testing.T) {
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := map[string]any{"active": false}
		if r.FormValue("token") == "t0ken" {
			answer = map[string]any{"active": true, "email": "ann@example.com"}
		}
		if err := json.NewEncoder(w).Encode(answer); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(endpoint.Close)
	d := lab.StartDovecot(t, lab.DovecotOptions{Users: []lab.User{{Login: "ann@example.com", Password: "hush-0f-ann"}}, Introspection: endpoint.URL})
	signIn := map[string]func(link.SignIn) error{
		"IMAP": func(si link.SignIn) error {
			s, err := Dial(t.Context(), d.Insecure(), testOptions(t))
			if err != nil {
				return err
			}
			defer s.Close()
			return s.SignIn(t.Context(), si)
		},
		"POP3": func(si link.SignIn) error {
			server := lab.At(config.Server{Protocol: config.POP3, Security: config.Insecure}, d.POP3)
			s, err := pop3.Dial(t.Context(), server, testOptions(t))
			if err != nil {
				return err
			}
			defer s.Close()
			return s.SignIn(t.Context(), si)
		},
	}
	for name, try := range signIn {
		for _, mechanism := range link.MechanismsForTokens() {
			for token, want := range map[store.Secret]store.ProblemKind{"t0ken": "", "other": store.TokenRefused} {
				err := try(link.SignIn{Login: "ann@example.com", Secret: token, Token: true, Mechanism: mechanism})
				var kind store.ProblemKind
				e, _ := errors.AsType[*link.Error](err)
				if e != nil {
					kind = e.Kind()
				}
				if kind != want || (err == nil) != (want == "") {
					t.Errorf("%s, %s, %s: %q, %v", name, mechanism, token.Reveal(), kind, err)
				}
				if want != "" && e != nil && e.Token.Status == "" {
					t.Errorf("%s, %s: no reason in %v", name, mechanism, err)
				}
			}
		}
	}
}
