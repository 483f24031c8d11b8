package admin

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strings"

	"postferry/config"
	"postferry/discover"
)

func (s *Server) domainPages() []pageRoute {
	return []pageRoute{
		{"GET /domains/new", false, s.pageNewDomain},
		{"POST /domains/new", false, s.formFindServer},
		{"POST /domains", false, s.formPutDomain},
		{"GET /d/{domain}/servers", false, s.pageServers},
		{"POST /d/{domain}/delete", false, s.formDeleteDomain},
	}
}

// pageDomains is the start: the domains, or the form for the first one.
func (s *Server) pageDomains(v *visit) error {
	domains, err := s.app.listDomains(v.r.Context(), v.who)
	if err != nil {
		return err
	}
	if len(domains) == 0 && v.r.URL.Query().Get("done") == "" {
		return v.seeOther("/domains/new")
	}
	return s.show(v, "domains", view{Title: v.T("domains.title"), D: domains})
}

// serverForm is the choice of servers for a domain.
type serverForm struct {
	Domain  string
	Report  *discover.Report
	Choices []serverChoice
	Other   otherServer
	Chosen  string // value of the chosen radio button
	New     string // URL of the new server
	// NewFixed is set for administrators of one domain: the new server is their provider's choice.
	NewFixed bool
	Enrol    bool
	Known    bool // the domain is set up already
}

// serverChoice is a server that was found.
type serverChoice struct {
	discover.Attempt
	Recommended bool
	Fingerprint string // to be pinned
	Why         []string
}

// Value names the choice in the form.
func (c serverChoice) Value() string { return c.URL + " " + c.Fingerprint }

// otherServer is one that was typed in.
type otherServer struct{ Host, Port, Security, Protocol, Fingerprint string }

func (s *Server) pageNewDomain(v *visit) error {
	form := serverForm{}
	if !v.who.all() {
		form.Domain = v.who.scope
	}
	return s.show(v, "new_domain", view{Title: v.T("new_domain.title"), Narrow: true, Crumbs: v.toDomains(), D: form})
}

func (v *visit) toDomains() []crumb { return []crumb{{"/", v.T("frame.domains")}} }

// formFindServer looks for the old server of the domain that was entered.
func (s *Server) formFindServer(v *visit) error {
	text := strings.TrimSpace(v.r.PostFormValue("domain"))
	report, err := s.app.discover(v.r.Context(), v.who, text)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showAs(v, statusOf(n), "new_domain", view{Title: v.T("new_domain.title"), Narrow: true, Crumbs: v.toDomains(), Notice: n, D: serverForm{Domain: text}})
	}
	form := serverForm{Domain: report.Domain, Report: report, New: s.app.newServer, Choices: v.choices(report)}
	if known, ok := s.app.directory.DomainNamed(report.Domain); ok && v.who.may(known.Name) {
		form.New, form.Enrol, form.Known = known.New.String(), known.Enrol, true
	}
	form.Chosen = "other"
	if len(form.Choices) > 0 {
		form.Chosen = form.Choices[0].Value()
	}
	return s.showServers(v, form, nil)
}

// choices are the servers that can be used: the one that won, and the best one
// of the other protocol.
func (v *visit) choices(r *discover.Report) []serverChoice {
	if r.Found == nil {
		return nil
	}
	var all []serverChoice
	for _, a := range r.Attempts {
		c := serverChoice{Attempt: a, Recommended: a.Number == r.Found.Attempt}
		if a.Usable && !a.Trusted && a.Certificate != nil {
			c.Fingerprint = a.Certificate.Fingerprint
		}
		seen := slices.ContainsFunc(all, func(o serverChoice) bool { return o.Host == a.Host && o.Protocol == a.Protocol })
		if c.Recommended {
			for _, m := range r.Why {
				c.Why = append(c.Why, v.W.Discovered(m))
			}
			all = append([]serverChoice{c}, all...)
		} else if a.Usable && !seen && len(all) < 6 {
			all = append(all, c)
		}
	}
	return all
}

// pageServers shows a domain's servers to be changed.
func (s *Server) pageServers(v *visit) error {
	d, err := s.app.showDomain(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	form := serverForm{Domain: d.Name, New: d.New.URL, Enrol: d.Enrol, Known: true, Chosen: "other"}
	form.Other = otherServer{Host: d.Old.Host, Port: v.W.plain(d.Old.Port), Security: d.Old.Security, Protocol: d.Old.Protocol, Fingerprint: d.Old.Fingerprint}
	if d.Fixed {
		return s.show(v, "fixed_domain", view{Title: v.T("servers.title", "Domain", d.Name), Narrow: true, Crumbs: v.toDomain(d.Name), D: d})
	}
	return s.showServers(v, form, nil)
}

func (v *visit) toDomain(name string) []crumb {
	return append(v.toDomains(), crumb{domainPath(name), name})
}

func (s *Server) showServers(v *visit, form serverForm, n *notice) error {
	form.NewFixed = !v.who.all()
	crumbs := v.toDomains()
	if form.Known {
		crumbs = v.toDomain(form.Domain)
	}
	return s.showAs(v, statusOf(n), "servers", view{Title: v.T("servers.title", "Domain", form.Domain), Narrow: true, Crumbs: crumbs, Notice: n, D: form})
}

// formPutDomain sets a domain up with the servers that were chosen.
func (s *Server) formPutDomain(v *visit) error {
	f := v.r.PostFormValue
	form := serverForm{Domain: f("domain"), Chosen: f("old"), New: f("new"), Enrol: f("enrol") != "", Known: f("known") != ""}
	form.Other = otherServer{Host: strings.TrimSpace(f("host")), Port: strings.TrimSpace(f("port")), Security: f("security"), Protocol: f("protocol"), Fingerprint: f("fingerprint")}
	in := domainInput{New: form.New, Enrol: form.Enrol}
	if form.Chosen == "other" || form.Chosen == "" {
		in.Old, in.OldFingerprint = form.Other.url(), form.Other.Fingerprint
	} else {
		in.Old, in.OldFingerprint, _ = strings.Cut(form.Chosen, " ")
		form.Other.Host = hostOf(in.Old) // if something else is wrong, it is shown again
		form.Chosen = "other"
	}
	d, created, err := s.app.putDomain(v.r.Context(), v.who, form.Domain, in)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showServers(v, form, n)
	}
	if created {
		return v.seeOther(doneAt(domainPath(d.Name, "accounts", "new"), "domain_added", 0))
	}
	return v.seeOther(doneAt(domainPath(d.Name), "domain_changed", 0))
}

// url makes the URL of a server that was typed in; "" if there is no host.
func (o otherServer) url() string {
	if o.Host == "" {
		return ""
	}
	if strings.Contains(o.Host, "://") {
		return o.Host
	}
	scheme := cmp.Or(o.Protocol, "imap")
	switch o.Security {
	case "", string(config.ImplicitTLS):
		scheme += "s"
	case string(config.Insecure):
		scheme += "+insecure"
	}
	host := o.Host
	if ip := net.ParseIP(host); ip != nil && strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if o.Port != "" {
		host += ":" + o.Port
	}
	return scheme + "://" + host
}

func hostOf(url string) string {
	server, err := config.ParseServer(url)
	if err != nil {
		return ""
	}
	return server.Host
}

func (s *Server) formDeleteDomain(v *visit) error {
	err := s.app.deleteDomain(v.r.Context(), v.who, v.domain())
	if ref := (*refusal)(nil); err != nil {
		if ref = asRefusal(err); ref.status == http.StatusConflict {
			return s.showDomainPage(v, v.noticeOf(ref))
		}
		return err
	}
	return v.seeOther(doneAt("/", "domain_deleted", 0))
}
