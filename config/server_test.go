package config

import (
	"testing"

	"pgregory.net/rapid"
)

func TestParseServer(t *testing.T) {
	good := map[string]Server{
		"imaps://imap.example.com":           {Security: ImplicitTLS, Host: "imap.example.com", Port: 993},
		"imap://imap.example.com":            {Security: StartTLS, Host: "imap.example.com", Port: 143},
		"imap+insecure://127.0.0.1:1":        {Security: Insecure, Host: "127.0.0.1", Port: 1},
		"IMAPS://Mail_1.Example:65535":       {Security: ImplicitTLS, Host: "Mail_1.Example", Port: 65535},
		"imaps://[2001:db8::1]":              {Security: ImplicitTLS, Host: "2001:db8::1", Port: 993},
		"imap://[::1]:1143":                  {Security: StartTLS, Host: "::1", Port: 1143},
		"pop3s://pop.example.com":            {Protocol: POP3, Security: ImplicitTLS, Host: "pop.example.com", Port: 995},
		"POP3://pop.example.com":             {Protocol: POP3, Security: StartTLS, Host: "pop.example.com", Port: 110},
		"pop3+insecure://[::1]:1110":         {Protocol: POP3, Security: Insecure, Host: "::1", Port: 1110},
		"imaps://imap.Bücher.example:994":    {Security: ImplicitTLS, Host: "imap.xn--bcher-kva.example", Port: 994},
		"pop3://почта.пример.рф":             {Protocol: POP3, Security: StartTLS, Host: "xn--80a1acny.xn--e1afmkfd.xn--p1ai", Port: 110},
		"imaps://xn--bcher-kva.example:0993": {Security: ImplicitTLS, Host: "xn--bcher-kva.example", Port: 993},
	}
	for url, want := range good {
		got, err := ParseServer(url)
		if err != nil || got.String() != want.String() || got.Address() != want.Address() ||
			got.Protocol != want.Protocol || got.Security != want.Security {
			t.Errorf("%s: got %v, %v", url, got, err)
		}
	}
	bad := []string{
		"", "imap.example.com", "imap.example.com:993", "http://a", "pop://a", "://a", "imaps:a", "imaps://", "imaps://:993",
		"imaps://a:", "imaps://a:0", "imaps://a:65536", "imaps://a:-1", "imaps://a:99999999999999999999", "imaps://a:imap",
		"imaps://a/", "imaps://a/INBOX", "imaps://a?x", "imaps://a#x", "imaps://joe@a", "imaps://joe:pw@a", "imaps://@a",
		"imaps://::1", "imaps://[::1", "imaps://[::1]993", "imaps://[::1]:", "imaps://[127.0.0.1]", "imaps://[a]",
		"imaps://aאb.example", "imaps://ü\u200d.example", "imaps://ü b.example",
		"imaps://a b", "imaps://a\x00", "imaps://%41",
	}
	for _, url := range bad {
		if got, err := ParseServer(url); err == nil {
			t.Errorf("%q was accepted as %v", url, got)
		}
	}
}

func TestServerAddress(t *testing.T) {
	s := Server{Security: StartTLS, Host: "2001:db8::1", Port: 993}
	if got := s.Address(); got != "[2001:db8::1]:993" {
		t.Error(got)
	}
	if got := s.String(); got != "imap://[2001:db8::1]:993" {
		t.Error(got)
	}
}

// What String writes, ParseServer reads.
func TestServerRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Server{
			Protocol: rapid.SampledFrom([]Protocol{IMAP, POP3}).Draw(t, "protocol"),
			Security: rapid.SampledFrom([]Security{ImplicitTLS, StartTLS, Insecure}).Draw(t, "security"),
			Host:     rapid.SampledFrom([]string{"a", "imap.example.com", "127.0.0.1", "::1", "2001:db8::1"}).Draw(t, "host"),
			Port:     rapid.OneOf(rapid.IntRange(1, 65535), rapid.SampledFrom([]int{110, 143, 993, 995})).Draw(t, "port"),
		}
		got, err := ParseServer(want.String())
		if err != nil || got.String() != want.String() || got.Address() != want.Address() || got.Protocol != want.Protocol || got.Security != want.Security {
			t.Fatalf("%v: got %v, %v", want, got, err)
		}
	})
}

func FuzzParseServer(f *testing.F) {
	f.Add("imaps://[::1]:993")
	f.Add("imap+insecure://imap.example.com:143")
	f.Fuzz(func(t *testing.T, url string) {
		s, err := ParseServer(url)
		if err != nil {
			return
		}
		again, err := ParseServer(s.String())
		if err != nil || again.String() != s.String() || s.Host == "" || s.Port < 1 || s.Port > 65535 {
			t.Errorf("%q: %v, then %v, %v", url, s, again, err)
		}
	})
}
