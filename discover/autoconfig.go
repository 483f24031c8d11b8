package discover

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html/charset"
)

const (
	// maxAutoconfig bounds what a web server may send. Octets.
	maxAutoconfig = 256 << 10
	// maxRedirects is how often it may send us elsewhere.
	maxRedirects = 3
	// maxServers bounds the servers of one configuration.
	maxServers = 10
)

// autoconfigURLs are where a domain publishes its configuration for mail programs.
func (s *search) autoconfigURLs() []string {
	address := url.QueryEscape(s.query.address())
	return []string{
		"https://autoconfig." + s.query.domain + "/mail/config-v1.1.xml?emailaddress=" + address,
		"https://" + s.query.domain + "/.well-known/autoconfig/mail/config-v1.1.xml",
	}
}

// askAutoconfig reads one of them.
func (s *search) askAutoconfig(ctx context.Context, order int, address string) {
	start := time.Now()
	shown, _, _ := strings.Cut(address, "?")
	s.noteLookup(order, SourceAutoconfig, shown, s.readAutoconfig(ctx, address), start)
}

func (s *search) readAutoconfig(ctx context.Context, address string) Message {
	text, err := s.fetch(ctx, address)
	if err != nil {
		return httpTrouble(err)
	}
	servers, err := parseAutoconfig(text, s.query)
	if err != nil {
		return say(codeHTTPGarbage)
	}
	if len(servers) == 0 {
		return say(codeNoServers)
	}
	var words []string
	for _, x := range servers {
		words = append(words, fmt.Sprintf("%s (%s, port %d)", x.host, strings.ToUpper(string(x.protocol)), x.port))
	}
	s.offer(servers...)
	return say(codeConfig, "servers", strings.Join(words, ", "))
}

// statusError is a web server's answer that is no configuration.
type statusError int

func (e statusError) Error() string { return strconv.Itoa(int(e)) }

// errPrivate means that a name leads where nobody outside may send us.
var errPrivate = errors.New("its address is inside private networks")

// fetch reads a page from a web server whose certificate is valid.
func (s *search) fetch(ctx context.Context, address string) ([]byte, error) {
	transport := &http.Transport{
		// The transport's own context would outlive the request.
		DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
			return s.dialChecked(ctx, network, addr)
		},
		TLSClientConfig:        &tls.Config{RootCAs: s.Roots, MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 32 << 10,
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects || r.URL.Scheme != "https" || r.URL.Port() != "" && r.URL.Port() != "443" {
			return errors.New("it leads elsewhere")
		}
		return nil
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, statusError(response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAutoconfig+1))
	if err == nil && len(text) > maxAutoconfig {
		err = errors.New("it is too long")
	}
	return text, err
}

// dialChecked resolves a name once and connects to an address that was checked.
func (s *search) dialChecked(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	addrs, err := s.dns.addresses(ctx, host)
	if err != nil {
		return nil, err
	}
	addrs = slices.DeleteFunc(addrs, func(a netip.Addr) bool { return !s.reachable(a) })
	if len(addrs) == 0 {
		return nil, errPrivate
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	conn, _, err := s.dialAny(ctx, network, addrs, int(number))
	return conn, err
}

// httpTrouble says why there is no configuration.
func httpTrouble(err error) Message {
	var status statusError
	var invalid *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var otherName x509.HostnameError
	switch {
	case errors.As(err, &status):
		return say(codeHTTPStatus, "status", status.Error())
	case errors.Is(err, errNoName):
		return say(codeHTTPNoHost)
	case errors.As(err, &invalid), errors.As(err, &unknown), errors.As(err, &otherName):
		return say(codeHTTPCert)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // the address is in the report already
	}
	return say(codeHTTPFailed, "cause", err.Error())
}

// clientConfig is as much of the format as concerns us
// (draft-ietf-mailmaint-autoconfig, section 4).
type clientConfig struct {
	XMLName   xml.Name `xml:"clientConfig"`
	Providers []struct {
		Servers []struct {
			Type           string   `xml:"type,attr"`
			Host           string   `xml:"hostname"`
			Port           string   `xml:"port"`
			SocketType     string   `xml:"socketType"`
			Username       string   `xml:"username"`
			Authentication []string `xml:"authentication"`
		} `xml:"incomingServer"`
	} `xml:"emailProvider"`
}

// parseAutoconfig reads the servers of a configuration. Those that make no sense
// are passed over.
func parseAutoconfig(text []byte, q query) ([]candidate, error) {
	d := xml.NewDecoder(strings.NewReader(string(text)))
	d.CharsetReader = charset.NewReaderLabel
	d.Strict = false
	var config clientConfig
	if err := d.Decode(&config); err != nil {
		return nil, err
	}
	var found []candidate
	for _, p := range config.Providers {
		for _, x := range p.Servers {
			protocol := Protocol(strings.ToLower(strings.TrimSpace(x.Type)))
			host, ok := hostName(q.fill(x.Host))
			security := TLS
			if !strings.EqualFold(strings.TrimSpace(x.SocketType), "SSL") {
				security = StartTLS // "plain" included: whether it can is asked
			}
			port, err := strconv.Atoi(cmp.Or(strings.TrimSpace(x.Port), strconv.Itoa(usualPort(protocol, security))))
			if protocol != IMAP && protocol != POP3 || !ok || err != nil || port < 1 || port > 65535 || len(found) == maxServers {
				continue
			}
			found = append(found, candidate{source: SourceAutoconfig, protocol: protocol, security: security, host: host, port: port,
				login: q.loginForm(x.Username), oauthOnly: oauthOnly(x.Authentication)})
		}
	}
	return found, nil
}

// oauthOnly tells whether a server takes no password.
func oauthOnly(ways []string) bool {
	for _, w := range ways {
		if !strings.EqualFold(strings.TrimSpace(w), "OAuth2") {
			return false
		}
	}
	return len(ways) > 0
}

// fill puts the address asked for into a configuration's placeholders.
func (q query) fill(text string) string {
	local, _, _ := strings.Cut(q.address(), "@")
	return strings.NewReplacer("%EMAILADDRESS%", q.address(), "%EMAILLOCALPART%", local, "%EMAILDOMAIN%", q.domain).Replace(strings.TrimSpace(text))
}

// loginForm reads what people log in with.
func (q query) loginForm(template string) *LoginForm {
	template = printable(template)
	l := &LoginForm{Form: FormOther, Template: template, Example: printable(q.fill(template))}
	local, _, _ := strings.Cut(q.address(), "@")
	switch template {
	case "":
		return nil
	case "%EMAILADDRESS%", "%EMAILLOCALPART%@%EMAILDOMAIN%", q.address(): // some fill it in themselves
		l.Form = FormAddress
	case "%EMAILLOCALPART%", local:
		l.Form = FormLocalPart
	}
	return l
}
