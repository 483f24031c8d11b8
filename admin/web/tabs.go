package web

import (
	"net/url"
	"slices"
	"strings"
)

// tabs are the pages of a domain, whichever of them is at a path; none elsewhere. Who doesn't look after everything has no say in how
// Postferry signs in, but in what people agree to.
func tabs(path string, everything bool) (all []section) {
	rest, ofDomain := strings.CutPrefix(path, "/d/")
	domain, rest, _ := strings.Cut(rest, "/")
	at, _, _ := strings.Cut(rest, "/")
	domain, err := url.PathUnescape(domain)
	if !ofDomain || domain == "" || err != nil {
		return nil
	}
	for _, name := range []string{"", "check", "verify", "runs", "servers", "settings", "connect", "finish"} {
		text, to := "tab."+name, domainPath(domain, name)
		if name == "" {
			text, to = "tab.accounts", domainPath(domain)
		}
		if name == "connect" && !everything {
			to = domainPath(domain, "consents")
		}
		here := at == name || name == "" && slices.Contains([]string{"a", "accounts", "lists"}, at) || name == "connect" && (at == "mailboxes" || at == "consents")
		all = append(all, section{Path: to, Text: text, Current: here})
	}
	return all
}
