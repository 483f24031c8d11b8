package lab

import (
	"fmt"
	"os"
)

// oauthConfig has Dovecot take tokens (XOAUTH2, OAUTHBEARER) that it asks an endpoint about (RFC 7662).
// The endpoint's answer has the mailbox's login as its email.
func (d *Dovecot) oauthConfig() (string, error) {
	if d.opt.Introspection == "" {
		return "", nil
	}
	path := d.Dir + "/oauth2.conf.ext"
	text := fmt.Sprintf("introspection_url = %s\nintrospection_mode = post\nforce_introspection = yes\nusername_attribute = email\nactive_attribute = active\nactive_value = true\ntimeout_msecs = 5000\n",
		d.opt.Introspection)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return "", err
	}
	return fmt.Sprintf("auth_mechanisms = $auth_mechanisms oauthbearer xoauth2\npassdb {\n  driver = oauth2\n  mechanisms = oauthbearer xoauth2\n  args = %s\n}\n", path), nil
}
