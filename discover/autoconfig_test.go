package discover

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"postferry/internal/lab"
)

// autoconfigOutcome is what came of the first address of example.org.
func autoconfigOutcome(w *world) string {
	w.t.Helper()
	for _, l := range w.find("example.org").Lookups {
		if strings.HasPrefix(l.Asked, "https://autoconfig.") {
			return l.Result.Code
		}
	}
	return "not asked"
}

func TestWebServersThatMisbehave(t *testing.T) {
	leads := func(to string) http.HandlerFunc {
		return func(out http.ResponseWriter, r *http.Request) { http.Redirect(out, r, to, http.StatusFound) }
	}
	writes := func(text string) http.HandlerFunc {
		return func(out http.ResponseWriter, r *http.Request) { fmt.Fprint(out, text) }
	}
	for name, c := range map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"no such page":         {http.NotFound, codeHTTPStatus},
		"HTML":                 {writes("<!doctype html><p>Welcome<br>"), codeHTTPGarbage},
		"nothing":              {writes(""), codeHTTPGarbage},
		"no server of ours":    {writes("<clientConfig><emailProvider/></clientConfig>"), codeNoServers},
		"too long":             {writes("<clientConfig>" + strings.Repeat(" ", maxAutoconfig)), codeHTTPFailed},
		"entities":             {writes(`<!DOCTYPE x [<!ENTITY a "imap"><!ENTITY b "&a;&a;&a;">]><clientConfig>&b;</clientConfig>`), codeNoServers},
		"to itself for ever":   {leads("https://autoconfig.example.org/again"), codeHTTPFailed},
		"to plain HTTP":        {leads("http://autoconfig.example.org/"), codeHTTPFailed},
		"to another port":      {leads("https://autoconfig.example.org:8443/"), codeHTTPFailed},
		"to the cloud's inner": {leads("https://metadata.example.org/"), codeHTTPFailed},
		"to an address":        {leads("https://169.254.169.254/latest"), codeHTTPFailed},
		"breaks off": {func(out http.ResponseWriter, r *http.Request) {
			out.Header().Set("Content-Length", "1000")
			fmt.Fprint(out, "<clientConfig>")
		}, codeHTTPFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "autoconfig.example.org. 300 IN A 10.0.0.80", "metadata.example.org. 300 IN A 169.254.169.254")
			w.handle("10.0.0.80:443", w.ca.Issue(t, "autoconfig.example.org"), c.handle)
			if got := autoconfigOutcome(w); got != c.want {
				t.Errorf("came to %s, want %s", got, c.want)
			}
			for _, at := range w.asked {
				if strings.HasPrefix(at, "169.254") || strings.HasSuffix(at, ":8443") || strings.HasSuffix(at, ":80") {
					t.Errorf("%s was connected to", at)
				}
			}
		})
	}
}

// What a web server says is believed only with a certificate that is in order.
func TestWebServerWithBadCertificate(t *testing.T) {
	w := newWorld(t, "autoconfig.example.org. 300 IN A 10.0.0.80")
	asked := false
	w.handle("10.0.0.80:443", lab.NewCA(t).Issue(t, "autoconfig.example.org"), func(out http.ResponseWriter, r *http.Request) {
		asked = true
		_, _ = io.WriteString(out, autoconfigPage)
	})
	if got := autoconfigOutcome(w); got != codeHTTPCert || asked {
		t.Errorf("came to %s, asked %v", got, asked)
	}
}

func TestParseAutoconfig(t *testing.T) {
	const server = `<clientConfig version="1.1"><emailProvider id="x"><incomingServer type="%s"><hostname>%s</hostname>%s</incomingServer></emailProvider></clientConfig>`
	for _, c := range []struct{ kind, host, rest, want string }{
		{"imap", "imap.example.org", "<port>993</port><socketType>SSL</socketType>", "imaps://imap.example.org <nil>"},
		{"IMAP", " IMAP.Example.org. ", "<socketType>ssl</socketType>", "imaps://imap.example.org <nil>"},
		{"imap", "imap.example.org", "<socketType>plain</socketType>", "imap://imap.example.org <nil>"},
		{"pop3", "%EMAILDOMAIN%", "<port>1995</port><socketType>SSL</socketType>", "pop3s://example.org:1995 <nil>"},
		{"imap", "bücher.example", "<port>143</port>", "imap://xn--bcher-kva.example <nil>"},
		{"imap", "imap.example.org", "<username>%EMAILADDRESS%</username>", "imap://imap.example.org address anna@example.org"},
		{"imap", "imap.example.org", "<username>anna@example.org</username>", "imap://imap.example.org address anna@example.org"},
		{"imap", "imap.example.org", "<username>anna</username>", "imap://imap.example.org local_part anna"},
		{"imap", "imap.example.org", "<username>%EMAILDOMAIN%_%EMAILLOCALPART%</username>", "imap://imap.example.org other example.org_anna"},
		{"imap", "imap.example.org", "<port>0</port>", ""},
		{"imap", "imap.example.org", "<port>993; rm</port>", ""},
		{"imap", "a b", "", ""},
		{"exchange", "outlook.example", "", ""},
	} {
		q, err := parseQuery("anna@example.org")
		if err != nil {
			t.Fatal(err)
		}
		servers, err := parseAutoconfig(fmt.Appendf(nil, server, c.kind, c.host, c.rest), q)
		got := ""
		for _, s := range servers {
			login := "<nil>"
			if s.login != nil {
				login = s.login.Form + " " + s.login.Example
			}
			got += s.server().String() + " " + login
		}
		if err != nil || got != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}
