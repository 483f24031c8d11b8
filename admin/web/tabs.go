package web

import (
	"net/http"
	"slices"
	"strings"
)

// tabs are the pages of a domain, whichever of them is shown; none elsewhere. Who doesn't look after everything has no say in how
// Postferry signs in, but in what people agree to.
func tabs(r *http.Request, everything bool) (all []section) {
	domain := r.PathValue("domain")
	if domain == "" || !strings.HasPrefix(r.URL.Path, "/d/") {
		return nil
	}
	rest := strings.TrimPrefix(r.URL.Path, domainPath(domain))
	at, _, _ := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	for _, name := range []string{"", "check", "verify", "runs", "servers", "settings", "connect", "finish"} {
		text := "tab." + name
		path := domainPath(domain, name)
		if name == "" {
			text, path = "tab.accounts", domainPath(domain)
		}
		if name == "connect" && !everything {
			path = domainPath(domain, "consents")
		}
		here := at == name || name == "" && slices.Contains([]string{"a", "accounts", "lists", "do", "schedule"}, at) || name == "connect" && (at == "mailboxes" || at == "consents")
		all = append(all, section{Path: path, Text: text, Current: here})
	}
	return all
}
