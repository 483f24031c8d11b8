package config

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestNotify(t *testing.T) {
	dir := signInFiles(t)
	const smtp = "[notify]\nsmtp = 'smtp://mail.example.com'\nfrom = 'ferry@example.com'\n"
	for _, tt := range []struct {
		name, text string
		want       string // what it is; or the mistakes, each with its line
	}{
		{"nobody", "", "none 7h0m0s"},
		{"no digest", "[notify]\ndigest = ''\n", "none -1ns"},
		{"mail", smtp + "digest = '18:30'\n[[recipient]]\nto = ['a@b.example', 'c@d.example']\nlanguage = 'de'\n[[recipient]]\nto = []\n",
			"starttls mail.example.com:587 ferry@example.com 18h30m0s [a@b.example c@d.example] [] de"},
		{"signed in", "[notify]\nsmtp = 'smtps://[2001:db8::1]'\nfrom = 'ferry@example.com'\nlogin = 'ferry'\nsecret_file = 'DIR/secret'\n[[recipient]]\nto = ['a@b.example']\ndomains = ['Example.com']\n",
			"tls [2001:db8::1]:465 ferry@example.com ferry hush 7h0m0s [a@b.example] [example.com] en"},
		{"hook", "[[recipient]]\nwebhook = 'https://hooks.example/x?key=hush'\nwebhook_secret = 'hush-hush-hush-hush'\n", "none 7h0m0s [] [] en https://hooks.example/x?key=hush hush-hush-hush-hush"},
		{"to without a server", "[[recipient]]\nto = ['a@b.example']\n", "7: recipient.to: needs a server that takes e-mail; expected smtp in [notify]"},
		{"no address", smtp + "[[recipient]]\nto = ['a']\n", `10: recipient.to: "a" is no mail address`},
		{"an address with a name", smtp + "[[recipient]]\nto = ['A <a@b.example>']\n", `10: recipient.to: "A <a@b.example>" is no mail address`},
		{"no sender", "[notify]\nsmtp = 'smtp://mail.example.com'\n", "6: notify.from: is missing; expected the address that e-mail comes from"},
		{"no password", smtp + "login = 'ferry'\n", "6: notify.secret: is missing for the login; expected secret or secret_file"},
		{"two passwords", smtp + "login = 'ferry'\nsecret = 'hush'\nsecret_file = 'DIR/secret'\n", "11: notify.secret_file: expected only one of secret and secret_file"},
		{"unprotected", "[notify]\nsmtp = 'smtp+insecure://mail.example.com'\nfrom = 'ferry@example.com'\nlogin = 'ferry'\nsecret = 'hush'\n",
			"9: notify.login: would travel unprotected; expected smtp to begin with smtps:// or smtp://"},
		{"a login in the URL", "[notify]\nsmtp = 'smtp://ferry:hush@mail.example.com'\n", "7: notify.smtp: expected only the host and the port in the URL; a login has a key of its own"},
		{"no time", "[notify]\ndigest = '7'\n", `7: notify.digest: "7" is no time of the day; expected e.g. "07:00", or "" for none`},
		{"a hook without TLS", "[[recipient]]\nwebhook = 'http://hooks.example/hush'\nwebhook_secret = 'hush-hush-hush-hush'\n", "7: recipient.webhook: expected a URL that begins with https://"},
		{"a hook without a secret", "[[recipient]]\nwebhook = 'https://hooks.example/hush'\n", "6: recipient.webhook_secret: is missing for the webhook; expected a long random text that whoever receives it knows, too"},
		{"a short secret", "[[recipient]]\nwebhook = 'https://hooks.example/hush'\nwebhook_secret = 'hush'\n", "8: recipient.webhook_secret: is too short to sign with; expected at least 16 characters"},
		{"a language there is not", smtp + "[[recipient]]\nto = ['a@b.example']\nlanguage = 'fr'\n", `11: recipient.language: "fr" is unknown; expected "en", "de" or "ru"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, goodDomain+strings.ReplaceAll(tt.text, "DIR", dir))
			cfg, _, err := Load(path, CheckLanguages(func() ([]string, error) { return []string{"en", "de", "ru"}, nil }))
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), path+":", "")
			} else {
				got = describeNotify(&cfg.Notify)
			}
			if got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hush") || cfg != nil && strings.Contains(fmt.Sprintf("%+v %#v", cfg.Notify, cfg), "hush") {
				t.Error("a secret is told")
			}
		})
	}
}

// describeNotify writes all of it, with what is secret.
func describeNotify(n *Notify) string {
	words := []string{"none"}
	if s := &n.SMTP; s.Host != "" {
		words = []string{string(s.Security), s.Address(), s.From}
		if s.Login != "" {
			words = append(words, s.Login, s.Secret.Reveal())
		}
	}
	words = append(words, time.Duration(n.Digest).String())
	for _, r := range n.Recipients {
		words = append(words, fmt.Sprint(r.To, r.Domains), r.Language)
		if r.Webhook != "" {
			words = append(words, r.Webhook.Reveal(), r.WebhookSecret.Reveal())
		}
	}
	return strings.Join(words, " ")
}
