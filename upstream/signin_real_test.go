package upstream

import (
	"testing"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/upstream/link"
)

// realSignIns has Dovecot and Cyrus as they are met where PLAIN is switched off, and with a login
// that may open all mailboxes.
func realSignIns(t *testing.T, mechanism string) map[string]config.Server {
	t.Helper()
	users := []lab.User{{Login: "ann@example.com", Password: "hush-0f-ann"}, {Login: "bob@example.com", Password: "p ä%{5}\\\""}, {Login: "boss@example.com", Password: "master"}}
	d := lab.StartDovecot(t, lab.DovecotOptions{Users: users[:2], ExtraConfig: "auth_mechanisms = " + mechanism + `
passdb {
  driver = static
  args = password=master
  master = yes
  result_success = continue
}
`})
	c := lab.StartCyrus(t, lab.CyrusOptions{Users: users, Mechanisms: mechanism, Proxy: "boss@example.com"})
	return map[string]config.Server{"Dovecot": d.Insecure(), "Cyrus": c.Insecure()}
}

// TestRealSignIn: passwords, master logins and refusals with each mechanism at real servers.
func TestRealSignIn(t *testing.T) {
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"} {
		t.Run(mechanism, func(t *testing.T) {
			t.Parallel()
			for name, server := range realSignIns(t, mechanism) {
				for who, tt := range map[string]struct {
					in link.SignIn
					ok bool
				}{
					"the owner":      {link.SignIn{Login: "ann@example.com", Secret: "hush-0f-ann"}, true},
					"odd password":   {link.SignIn{Login: "bob@example.com", Secret: "p ä%{5}\\\""}, true},
					"wrong password": {link.SignIn{Login: "ann@example.com", Secret: "other"}, false},
					"the master":     {link.SignIn{Login: "boss@example.com", Secret: "master", As: "ann@example.com"}, true},
					"wrong master":   {link.SignIn{Login: "boss@example.com", Secret: "other", As: "ann@example.com"}, false},
					"another acting": {link.SignIn{Login: "ann@example.com", Secret: "hush-0f-ann", As: "bob@example.com"}, false},
				} {
					s, err := Dial(t.Context(), server, testOptions(t))
					if err != nil {
						t.Fatal(err)
					}
					defer s.Close()
					if name == "Dovecot" && who == "the master" && mechanism != "PLAIN" {
						tt.ok = false // its master passdbs take PLAIN only
					}
					if err := s.SignIn(t.Context(), tt.in); (err == nil) != tt.ok {
						t.Errorf("%s, %s: %v", name, who, err)
					}
				}
			}
		})
	}
}
