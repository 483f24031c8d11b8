package discover

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
)

func TestFindsWhatSRVSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		"_imaps._tcp.example.com. 300 IN SRV 20 0 993 backup.provider.example.",
		"_imaps._tcp.example.com. 300 IN SRV 10 0 993 mail.provider.example.",
		"_pop3s._tcp.example.com. 300 IN SRV 0 0 0 .",
		"mail.provider.example. 300 IN A 10.0.0.1",
		"backup.provider.example. 300 IN A 10.0.0.1",
		"pop.example.com. 300 IN A 10.0.0.1",
	)
	w.dovecot("10.0.0.1", lab.DovecotOptions{Hosts: []string{"mail.provider.example", "backup.provider.example"}})
	r := w.find(" Anna@Example.COM ")
	if r.Found == nil || r.Found.URL != "imaps://mail.provider.example" || r.Found.Fingerprint != "" {
		t.Fatalf("found %+v", r.Found)
	}
	if got := codes(r.Why); got != "why_imap why_source_srv why_trusted" {
		t.Errorf("why: %s", got)
	}
	if got := codes(r.Notes); got != "note_other_domain" {
		t.Errorf("notes: %s", got)
	}
	if a := r.Attempts[r.Found.Attempt-1]; !slices.Contains(a.Capabilities, "IMAP4rev1") || a.Address != "10.0.0.1" {
		t.Errorf("attempt: %+v", a)
	}
	if got := outcome(r, POP3, "pop.example.com", 995); got != codeDenied {
		t.Errorf("POP3 is not offered, says the domain; its candidate came to %s", got)
	}
}

const autoconfigPage = `<?xml version="1.0" encoding="UTF-8"?><clientConfig version="1.1"><emailProvider id="example.org">
<incomingServer type="pop3"><hostname>pop.%EMAILDOMAIN%</hostname><port>995</port><socketType>SSL</socketType><username>%EMAILLOCALPART%</username></incomingServer>
<incomingServer type="imap"><hostname>post.%EMAILDOMAIN%</hostname><port>143</port><socketType>STARTTLS</socketType><authentication>password-cleartext</authentication><username>%EMAILLOCALPART%</username></incomingServer>
<outgoingServer type="smtp"><hostname>smtp.example.org</hostname><port>465</port></outgoingServer></emailProvider></clientConfig>`

func TestFindsWhatAutoconfigSays(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		"autoconfig.example.org. 300 IN CNAME web.example.org.",
		"web.example.org. 300 IN A 10.0.0.80",
		"post.example.org. 300 IN A 10.0.0.1",
		"pop.example.org. 300 IN A 10.0.0.1",
	)
	w.web("10.0.0.80:443", "/mail/config-v1.1.xml", autoconfigPage, "autoconfig.example.org")
	w.dovecot("10.0.0.1", lab.DovecotOptions{Hosts: []string{"post.example.org", "pop.example.org"}})
	r := w.find("example.org")
	if r.Found == nil || r.Found.URL != "imap://post.example.org" {
		t.Fatalf("found %+v, lookups %+v", r.Found, r.Lookups)
	}
	if l := r.Found.Login; l == nil || l.Form != FormLocalPart || l.Example != "postmaster" {
		t.Errorf("login: %+v", l)
	}
	if got := outcome(r, POP3, "pop.example.org", 995); got != codeOK {
		t.Errorf("POP3, to be offered as the other choice, came to %s", got)
	}
}

func TestGuessesFromTheMX(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		"example.net. 3600 IN MX 10 mx1.hoster.example.",
		"mx1.hoster.example. 300 IN A 10.0.0.25",
		"imap.hoster.example. 300 IN A 10.0.0.1",
	)
	w.dovecot("10.0.0.1", lab.DovecotOptions{Hosts: []string{"imap.hoster.example"}})
	r := w.find("example.net")
	if r.Found == nil || r.Found.URL != "imaps://imap.hoster.example" || codes(r.Why) != "why_imap why_source_mx why_trusted" {
		t.Fatalf("found %+v, because %s", r.Found, codes(r.Why))
	}
	if r.MX.Message.Code != codeMXHosts || r.MX.Seconds != 3600 {
		t.Errorf("MX: %+v", r.MX)
	}
	if got := outcome(r, IMAP, "mx1.hoster.example", 993); got != codeRefused {
		t.Errorf("the MX host itself came to %s", got)
	}
}

func TestPOP3AloneIsFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "pop3.example.com. 300 IN A 10.0.0.1")
	d := lab.StartDovecot(t, lab.DovecotOptions{CA: w.ca, Hosts: []string{"pop3.example.com"}})
	w.serve("10.0.0.1:110", d.POP3)
	r := w.find("example.com")
	if r.Found == nil || r.Found.URL != "pop3://pop3.example.com" || !strings.Contains(codes(r.Why), codeWhyPOP3) {
		t.Fatalf("found %+v, because %s", r.Found, codes(r.Why))
	}
}

// After the switch, mail.DOMAIN and the MX may lead to the new server, and
// imap.DOMAIN to us.
func TestNewServerAndOurselvesAreExcluded(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		"example.com. 300 IN MX 10 mx.new.example.",
		"mx.new.example. 300 IN A 10.0.0.2",
		"imap.new.example. 300 IN A 10.0.0.2",
		"mail.example.com. 300 IN A 10.0.0.2",
		"imap.example.com. 300 IN A 10.0.0.3",
		"ferry.example. 300 IN A 10.0.0.3",
	)
	w.New = func(string) []string { return []string{"imap.new.example"} }
	w.Own = []string{"ferry.example"}
	w.dovecot("10.0.0.2", lab.DovecotOptions{Hosts: []string{"mail.example.com"}})
	r := w.find("example.com")
	if r.Found != nil || codes(r.Why) != codeOnlyNew+" "+codeNothingHint {
		t.Fatalf("found %+v, because %s", r.Found, codes(r.Why))
	}
	if got := outcome(r, IMAP, "mail.example.com", 993); got != codeExcludedNew {
		t.Errorf("mail.example.com came to %s", got)
	}
	if got := outcome(r, IMAP, "imap.example.com", 993); got != codeExcludedOwn {
		t.Errorf("imap.example.com came to %s", got)
	}
	if r.MX.State != MXMoved {
		t.Errorf("MX: %+v", r.MX)
	}
	for _, at := range w.asked {
		if strings.HasSuffix(at, ":993") || strings.HasSuffix(at, ":143") {
			t.Errorf("%s was connected to", at)
		}
	}
}

func TestCertificates(t *testing.T) {
	for _, c := range []struct {
		name  string
		hosts []string
		other bool // an authority that nobody trusts
		want  string
	}{
		{"other name", []string{"mail.elsewhere.example"}, false, codeOtherName},
		{"unknown authority", []string{"imap.example.com"}, true, codeUnknownCA},
		{"both", []string{"mail.elsewhere.example"}, true, codeOtherName + " " + codeUnknownCA},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, "imap.example.com. 300 IN A 10.0.0.1")
			opt := lab.DovecotOptions{Hosts: c.hosts}
			if c.other {
				opt.CA = lab.NewCA(t)
			}
			d := w.dovecot("10.0.0.1", opt)
			r := w.find("example.com")
			if r.Found == nil {
				t.Fatal("nothing found")
			}
			a := r.Attempts[r.Found.Attempt-1]
			if got := codes(a.Certificate.Problems); got != c.want || a.Trusted || a.Outcome.Code != codeBadCert {
				t.Errorf("problems %q, want %q; %+v", got, c.want, a)
			}
			if got := strings.ToLower(strings.ReplaceAll(r.Found.Fingerprint, ":", "")); got != hex.EncodeToString(d.Fingerprint) {
				t.Errorf("fingerprint %s, want %x", got, d.Fingerprint)
			}
		})
	}
}

// A certificate in order is better than one that is not, wherever it comes from.
func TestGoodCertificateBeatsPublishedOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		"_imaps._tcp.example.com. 300 IN SRV 10 0 993 bad.example.com.",
		"bad.example.com. 300 IN A 10.0.0.1",
		"imap.example.com. 300 IN A 10.0.0.2",
	)
	w.dovecot("10.0.0.1", lab.DovecotOptions{Hosts: []string{"other.example"}})
	w.dovecot("10.0.0.2", lab.DovecotOptions{Hosts: []string{"imap.example.com"}})
	if r := w.find("example.com"); r.Found == nil || r.Found.Host != "imap.example.com" {
		t.Errorf("found %+v", r.Found)
	}
}

func TestUnprotectedServerIsSaidToBe(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "imap.example.com. 300 IN A 10.0.0.1")
	d := lab.StartDovecot(t, lab.DovecotOptions{CA: w.ca, ExtraConfig: "ssl = no\n"})
	w.serve("10.0.0.1:143", d.IMAP)
	r := w.find("example.com")
	if r.Found == nil || r.Found.URL != "imap+insecure://imap.example.com" || !strings.Contains(codes(r.Why), codeWhyPlain) {
		t.Errorf("found %+v, because %s", r.Found, codes(r.Why))
	}
}

func TestSilentHostsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t,
		"_imaps._tcp.example.com. 300 IN SRV 10 0 993 silent.example.com.",
		"silent.example.com. 300 IN A 10.0.0.9",
		"autoconfig.example.com. 300 IN A 10.0.0.9",
		"imap.example.com. 300 IN A 10.0.0.1",
	)
	for _, port := range []string{"993", "443", "143"} {
		w.serve(net.JoinHostPort("10.0.0.9", port), "")
	}
	w.Bound = 2 * time.Second
	w.dovecot("10.0.0.1", lab.DovecotOptions{Hosts: []string{"imap.example.com"}})
	start := time.Now()
	r := w.find("example.com")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if r.Found == nil || r.Found.Host != "imap.example.com" {
		t.Errorf("found %+v", r.Found)
	}
	if got := outcome(r, IMAP, "silent.example.com", 993); got != codeTimeout {
		t.Errorf("the silent host came to %s", got)
	}
}

func TestNothingIsFound(t *testing.T) {
	w := newWorld(t, "nomail.example. 300 IN A 10.0.0.7", "nomail.example. 300 IN MX 0 .")
	if r := w.find("nomail.example"); r.Found != nil || codes(r.Why) != "nothing_found nothing_hint" || r.MX.State != MXNone {
		t.Errorf("found %+v because %s; MX %+v", r.Found, codes(r.Why), r.MX)
	}
	if r := w.find("misspelt.example"); codes(r.Why) != "nothing_no_domain nothing_hint" {
		t.Errorf("of a domain that does not exist: %s", codes(r.Why))
	}
}

// Whoever enters a domain must not be able to look around in our network.
func TestPrivateAddressesAndOtherPortsAreRefused(t *testing.T) {
	w := newWorld(t,
		"_imaps._tcp.example.com. 300 IN SRV 10 0 993 inside.example.com.",
		"_imap._tcp.example.com. 300 IN SRV 10 0 22 outside.example.com.",
		"inside.example.com. 300 IN A 192.168.1.1",
		"outside.example.com. 300 IN A 8.8.8.8",
		"autoconfig.example.com. 300 IN A 169.254.169.254",
	)
	w.AllowPrivate = false
	r := w.find("example.com")
	if got := outcome(r, IMAP, "inside.example.com", 993); got != PrivateAddress {
		t.Errorf("a private address came to %s", got)
	}
	if got := outcome(r, IMAP, "outside.example.com", 22); got != codePort {
		t.Errorf("port 22 came to %s", got)
	}
	for _, at := range w.asked {
		if !strings.HasPrefix(at, "8.8.8.8:") && !strings.HasPrefix(at, "10.0.0.53:") {
			t.Errorf("%s was connected to", at)
		}
	}
}

func TestProvidersAreKnownByTheirMX(t *testing.T) {
	for mx, want := range map[string]string{
		"aspmx.l.google.com":                      "note_google note_daily_limit",
		"example-com.mail.protection.outlook.com": "note_microsoft note_throttling",
		"mail.protonmail.ch":                      "note_no_imap",
		"mx1.example.pphosted.com":                "note_filter",
		"notgoogle.com":                           "",
		"mx.example.olc.protection.outlook.com":   "note_microsoft note_switch note_throttling",
		"mta7.am0.yahoodns.net":                   "note_app_password note_window",
		"mx3.qq.com":                              "note_app_password note_switch note_recent",
	} {
		w := newWorld(t, "example.com. 300 IN MX 1 "+mx+".")
		if got := codes(w.find("example.com").Notes); got != want {
			t.Errorf("MX %s: notes %q, want %q", mx, got, want)
		}
	}
}

// An answer too long for a datagram comes over TCP.
func TestLongAnswersComeOverTCP(t *testing.T) {
	var records []string
	for i := range 30 {
		records = append(records, "example.com. 300 IN MX 10 a-rather-long-name-number-"+string(rune('a'+i%26))+string(rune('a'+i/26))+".example.com.")
	}
	w := newWorld(t, records...)
	if r := w.find("example.com"); len(r.MX.Hosts) != 10 {
		t.Errorf("%d hosts", len(r.MX.Hosts))
	}
}

func TestMXTellsTheMove(t *testing.T) {
	w := newWorld(t,
		"example.com. 7200 IN MX 10 old.example.", "example.com. 7200 IN MX 20 new.example.",
		"old.example. 300 IN A 10.0.0.1", "new.example. 300 IN A 10.0.0.2",
		"example.com. 300 IN NS ns.example.com.", "ns.example.com. 300 IN A 10.0.0.53",
	)
	w.New = func(string) []string { return []string{"10.0.0.2"} }
	mx, err := w.MX(context.Background(), "example.com")
	if err != nil || mx.State != MXPartly || mx.Seconds != 7200 || mx.Hosts[0].New || !mx.Hosts[1].New {
		t.Errorf("%+v, %v", mx, err)
	}
}

func TestProduct(t *testing.T) {
	for greeting, want := range map[string]string{
		"Dovecot ready.": "Dovecot", "Gimap ready for requests from 192.0.2.1": "Gmail", "server ready": "",
		"The Microsoft Exchange IMAP4 service is ready.": "Microsoft Exchange",
	} {
		if got := product(greeting, []string{"IMAP4rev1"}); got != want {
			t.Errorf("product(%q) = %q, want %q", greeting, got, want)
		}
	}
}

func TestInput(t *testing.T) {
	for text, want := range map[string]string{
		"": codeEmpty, "  ": codeEmpty, "localhost": codeNotDomain, "a b.example": codeNotDomain, "@example.com": codeNotDomain,
		"10.1.2.3": codeIsAddress, "x@[10.1.2.3]": codeIsAddress, "exa\x00mple.com": codeNotDomain, strings.Repeat("a", 600) + ".com": codeNotDomain,
		"https://example.com/": codeNotDomain,
	} {
		_, err := (&Finder{}).Find(context.Background(), text)
		var wrong *InputError
		if !errors.As(err, &wrong) || wrong.Message.Code != want {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{"Bücher.Example": "xn--bcher-kva.example", "a@b@example.com.": "example.com"} {
		if q, err := parseQuery(text); err != nil || q.domain != want {
			t.Errorf("%q is %q, %v; want %q", text, q.domain, err, want)
		}
	}
}

func TestEverySentenceCanBeSaid(t *testing.T) {
	for code, text := range Sentences() {
		if text == "" || strings.HasSuffix(code, "_") {
			t.Errorf("%s has no sentence", code)
		}
	}
}

func FuzzAutoconfig(f *testing.F) {
	f.Add([]byte(autoconfigPage), "example.org")
	f.Add([]byte(`<clientConfig><emailProvider><incomingServer type="imap"><hostname>%EMAILADDRESS%</hostname><port>99999</port>`), "a@example.org")
	f.Add([]byte(`<?xml version="1.0" encoding="koi8-r"?><!DOCTYPE x [<!ENTITY a "b">]><clientConfig>&a;</clientConfig>`), "example.org")
	f.Fuzz(func(t *testing.T, page []byte, text string) {
		q, err := parseQuery(text)
		if err != nil {
			return
		}
		servers, _ := parseAutoconfig(page, q)
		for _, s := range servers {
			if host, ok := hostName(s.host); !ok || host != s.host || s.port < 1 || s.port > 65535 {
				t.Errorf("a server that is none: %+v", s)
			}
		}
	})
}
