package discover

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// InputError is a mistake in what was entered.
type InputError struct{ Message Message }

func (e *InputError) Error() string { return e.Message.Text }

// query is what is looked for.
type query struct {
	text    string // as entered
	local   string // before the @; "" if a domain was entered
	domain  string // ASCII, lower case
	unicode string
}

// standIn is the local part that every domain has (RFC 5321 section 4.5.1).
const standIn = "postmaster"

// address is the one that was entered, or one that stands for all of them.
func (q query) address() string {
	if q.local == "" {
		return standIn + "@" + q.domain
	}
	return q.local + "@" + q.domain
}

// maxInput is longer than any address (RFC 5321 section 4.5.3.1). Octets.
const maxInput = 500

// parseQuery reads a domain or an address.
func parseQuery(text string) (query, error) {
	entered := strings.TrimSpace(text)
	if entered == "" {
		return query{}, &InputError{say(codeEmpty)}
	}
	fail := &InputError{say(codeNotDomain, "input", entered)}
	if len(entered) > maxInput || printable(entered) != entered {
		return query{}, fail
	}
	q := query{text: entered, domain: entered}
	if at := strings.LastIndexByte(entered, '@'); at >= 0 {
		if q.local, q.domain = entered[:at], entered[at+1:]; q.local == "" {
			return query{}, fail
		}
	}
	if _, err := netip.ParseAddr(strings.Trim(q.domain, "[]")); err == nil {
		return query{}, &InputError{say(codeIsAddress, "input", q.domain)}
	}
	ascii, ok := hostName(q.domain)
	if !ok || !strings.Contains(ascii, ".") {
		return query{}, fail
	}
	q.domain = ascii
	q.unicode = unicodeName(ascii)
	return q, nil
}

// names is how domain names are read: as browsers do (UTS 46), without
// characters that host names can't have.
func names() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false),
		idna.StrictDomainName(true), idna.VerifyDNSLength(true))
}

// hostName is a host's or domain's name in its ASCII form, without the dot at
// its end; false if it is none.
func hostName(name string) (string, bool) {
	name = strings.TrimSuffix(strings.TrimSpace(name), ".")
	if name == "" || len(name) > 253 {
		return "", false
	}
	ascii, err := names().ToASCII(name)
	return strings.ToLower(ascii), err == nil && ascii != ""
}

// unicodeName is a name as people write it; as it is if that isn't possible.
func unicodeName(ascii string) string {
	name, err := idna.Display.ToUnicode(ascii)
	if err != nil {
		return ascii
	}
	return name
}

// registrable is the part of a name that somebody registered (example.co.uk);
// "" if it is a public suffix itself.
func registrable(host string) string {
	name, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return ""
	}
	return name
}

// under reports a name that is domain or lies below it.
func under(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain)
}

// parents are the names above host down to the registrable one, nearest
// first, at most two of them.
func parents(host string) []string {
	top := registrable(host)
	var out []string
	for top != "" && host != top && len(out) < 2 {
		_, host, _ = strings.Cut(host, ".")
		out = append(out, host)
	}
	return out
}
