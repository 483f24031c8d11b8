package web

import (
	"testing"
	"time"

	"postferry/admin/access"
	"postferry/directory"
	"postferry/discover"
	"postferry/tenant"
)

// TestTakenByProviders: what providers take as an address to come back to.
func TestTakenByProviders(t *testing.T) {
	for address, want := range map[string]bool{
		"https://move.example/consent/back": true, "http://localhost:8080/consent/back": true, "http://127.0.0.1:8080/consent/back": true, "http://[::1]:8080/consent/back": true,
		"http://move.example/consent/back": false, "http://192.0.2.1/consent/back": false, "http://localhost.example/consent/back": false, "://": false,
	} {
		if takenByProviders(address) != want {
			t.Errorf("%s: want %t", address, want)
		}
	}
}

// TestPauseIsSaid: the page says for how long a directory asks to be left alone, where it has said so.
func TestPauseIsSaid(t *testing.T) {
	v := &visit{W: wordsIn(t, "de")}
	code := string(directory.Throttled)
	for wait, want := range map[time.Duration]string{
		0:         "Das Verzeichnis bittet um eine Pause. Versuchen Sie es in einigen Minuten noch einmal.",
		time.Hour: "Das Verzeichnis bittet um eine Pause (60 Minuten). Versuchen Sie es danach noch einmal.",
	} {
		if got := v.step(tenant.Step{Code: code, Text: "in English", WaitSeconds: int64(wait.Seconds())}).Said; got != want {
			t.Errorf("a step: %q, want %q", got, want)
		}
		if got := v.noticeOf(&access.Refusal{Code: code, Detail: "in English", Retry: wait}).Text; got != want {
			t.Errorf("a list: %q, want %q", got, want)
		}
	}
}

// TestSilentNamesServer: why a DNS server tells nothing of the MX is said in the page's language.
func TestSilentNamesServer(t *testing.T) {
	x := advicePart{W: wordsIn(t, "de")}
	s := discover.Seen{Leads: discover.LeadUnknown, Trouble: &discover.Message{Code: "dns_not_known", Text: "it does not know the domain"}}
	if got := x.SeenText(s); got != "Keine Antwort: er kennt die Domain nicht" {
		t.Error(got)
	}
}
