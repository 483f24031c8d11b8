package web

import (
	"cmp"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
	"postferry/config"
	"postferry/discover"
)

// serverPages are about domains, their servers and settings.
type serverPages struct {
	frame   *frame
	domain  *domainPages
	servers *admin.Servers
	domains *admin.Domains
	hooks   *admin.Webhooks
}

func (s *serverPages) routes() []pageRoute {
	return []pageRoute{
		{"GET /domains/new", false, s.pageNewDomain},
		{"POST /domains/new", false, s.formFindServer},
		{"POST /domains", false, s.formPutDomain},
		{"GET /d/{domain}/servers", false, s.pageServers},
		{"POST /d/{domain}/delete", false, s.formDeleteDomain},
		{"GET /d/{domain}/settings", false, s.pageSettings},
		{"POST /d/{domain}/settings", false, s.formSettings},
		{"POST /d/{domain}/recipients", false, s.formRecipients},
		{"POST /d/{domain}/webhooks", false, s.formWebhooks},
	}
}

// pageDomains is the start: the domains, or the form for the first one.
func (s *serverPages) pageDomains(v *visit) error {
	domains, err := s.domains.List(v.r.Context(), v.who)
	if err != nil {
		return err
	}
	if len(domains) == 0 && v.r.URL.Query().Get("done") == "" {
		return v.seeOther("/domains/new")
	}
	return s.frame.show(v, "domains", view{Title: v.T("domains.title"), D: domains})
}

// serverForm is the choice of servers for a domain.
type serverForm struct {
	Domain  string
	Report  *discover.Report
	Choices []serverChoice
	Other   otherServer
	Chosen  string // value of the chosen radio button
	New     string // URL of the new server
	NewAt   otherServer
	Tried   *admin.TriedServers // nil if they weren't
	// newCounts is set if it matters how the new server answered.
	newCounts bool
	// NewFingerprint is the pin of its certificate; "" for none.
	NewFingerprint string
	OldCA, NewCA   string // certificates of authorities, PEM
	Enrol          bool
	// PublicOnly is set if the old server is connected to outside only.
	PublicOnly bool
	// OldTLS accepts old encryption of the old server.
	OldTLS bool
	Known  bool        // the domain is set up already
	Was    shownFields // as they are now
	// All is set for administrators of everything. For those of one domain the new
	// server is their provider's choice, and the old one stays (OldFixed says why, "" if
	// it needn't) once it would be told passwords that aren't theirs.
	All      bool
	OldFixed string
}

// shownFields are the values of a domain that its form was shown with. Only what a
// person changes in the form is changed: the rest may have changed meanwhile, and stays.
type shownFields struct {
	Set                                   bool // there was a domain
	Old, Fingerprint, New, NewFingerprint string
	Enrol, PublicOnly, OldTLS             string // "1" or ""
	OldCA, NewCA                          string
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

func (s *serverPages) pageNewDomain(v *visit) error {
	form := serverForm{}
	if !v.who.All() {
		form.Domain = v.who.Scope
	}
	return s.frame.show(v, "new_domain", view{Title: v.T("new_domain.title"), Narrow: true, Crumbs: v.toDomains(), D: form})
}

func (v *visit) toDomains() []crumb { return []crumb{{"/", v.T("frame.domains")}} }

// formFindServer looks for the old server of the domain that was entered.
func (s *serverPages) formFindServer(v *visit) error {
	text := strings.TrimSpace(v.r.PostFormValue("domain"))
	report, err := s.servers.Discover(v.r.Context(), v.who, text)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.frame.showAs(v, statusOf(n), "new_domain", view{Title: v.T("new_domain.title"), Narrow: true, Path: "/domains/new", Crumbs: v.toDomains(), Notice: n, D: serverForm{Domain: text}})
	}
	form := serverForm{Domain: report.Domain, New: s.domains.NewServer()}
	form.NewAt = otherOf(form.New, "")
	if known, err := s.domains.Show(v.r.Context(), v.who, report.Domain); err == nil {
		form = formOf(v, known)
	}
	form.Report, form.Choices = report, v.choices(report)
	form.Chosen = "other"
	if len(form.Choices) > 0 {
		form.Chosen = form.Choices[0].Value()
	}
	return s.showServers(v, form, nil)
}

// choices are the servers that can be used, the one that won first and those by POP3 last. Several names of one
// machine are one choice.
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
		seen := slices.ContainsFunc(all, c.sameMachine)
		if c.Recommended {
			for _, m := range r.Why {
				c.Why = append(c.Why, v.W.Discovered(m))
			}
			all = append([]serverChoice{c}, slices.DeleteFunc(all, c.sameMachine)...)
		} else if a.Usable && !seen && len(all) < 6 {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(x, y serverChoice) int { return cmp.Compare(x.rank(), y.rank()) })
	return all
}

// sameMachine tells whether another choice leads to the same mail server.
func (c serverChoice) sameMachine(o serverChoice) bool {
	return o.Protocol == c.Protocol && (o.Host == c.Host || o.Address != "" && o.Address == c.Address && o.Port == c.Port)
}

// rank is smaller the further above a choice stands.
func (c serverChoice) rank() int {
	switch {
	case c.Recommended:
		return 0
	case c.Protocol == discover.POP3:
		return 2
	}
	return 1
}

// pageServers shows a domain's servers to be changed.
func (s *serverPages) pageServers(v *visit) error {
	d, err := s.domains.Show(v.r.Context(), v.who, v.domain())
	if err != nil {
		return err
	}
	if d.Fixed {
		return s.frame.show(v, "fixed_domain", view{Title: v.T("servers.title", "Domain", d.Name), Narrow: true, Crumbs: v.toDomain(d.Name), D: d})
	}
	return s.showServers(v, formOf(v, d), nil)
}

// formOf is the form of a domain as it is.
func formOf(v *visit, d *admin.DomainView) serverForm {
	form := serverForm{Domain: d.Name, Known: true, Chosen: "other", New: d.New.URL, NewFingerprint: d.New.Fingerprint, OldCA: d.Old.CA, NewCA: d.New.CA, Enrol: d.Enrol, PublicOnly: d.Old.PublicOnly, OldTLS: d.Old.TLS == admin.TLSText(true)}
	form.Other = otherServer{Host: d.Old.Host, Port: v.W.plain(d.Old.Port), Security: d.Old.Security, Protocol: d.Old.Protocol, Fingerprint: d.Old.Fingerprint}
	form.NewAt = otherOf(d.New.URL, d.New.Fingerprint)
	form.Was = shownFields{Set: true, Old: d.Old.URL, Fingerprint: d.Old.Fingerprint, New: d.New.URL, NewFingerprint: d.New.Fingerprint,
		OldCA: d.Old.CA, NewCA: d.New.CA, Enrol: ticked(d.Enrol), PublicOnly: ticked(d.Old.PublicOnly), OldTLS: ticked(form.OldTLS)}
	switch {
	case v.who.All():
	case d.Totals.Accounts > 0:
		form.OldFixed = "old_server_in_use"
	case d.WayBack:
		form.OldFixed = "old_server_way_back"
	case d.Enrol:
		form.OldFixed = "old_server_enrol"
	case d.Old.SignIn != string(config.Passwords):
		form.OldFixed = "old_server_signed_in"
	}
	return form
}

// ticked is the value of a box in a form.
func ticked(on bool) string {
	if on {
		return "1"
	}
	return ""
}

func (v *visit) toDomain(name string) []crumb {
	return append(v.toDomains(), crumb{domainPath(name), name})
}

func (s *serverPages) showServers(v *visit, form serverForm, n *notice) error {
	form.All = v.who.All()
	crumbs, path := v.toDomains(), "/domains/new"
	if form.Known {
		crumbs, path = v.toDomain(form.Domain), domainPath(form.Domain, "servers")
	}
	return s.frame.showAs(v, statusOf(n), "servers", view{Title: v.T("servers.title", "Domain", form.Domain), Narrow: true, Path: path, Crumbs: crumbs, Notice: n, D: form})
}

// formPutDomain tries the servers that were chosen, and sets a domain up with them.
func (s *serverPages) formPutDomain(v *visit) error {
	form, in := readServerForm(v.r)
	shown, err := s.tryServers(v, &form, in)
	if shown || err != nil {
		return err
	}
	in.AcceptSwapped = true // they were tried, or are to be used all the same
	d, created, err := s.domains.Put(v.r.Context(), v.who, form.Domain, in)
	if err != nil {
		return s.showServersAgain(v, form, err)
	}
	if created {
		return v.seeOther(doneAt(domainPath(d.Name, "accounts", "new"), "domain_added", 0))
	}
	return v.seeOther(doneAt(domainPath(d.Name), "domain_changed", 0))
}

// showServersAgain shows the form with what is wrong with it.
func (s *serverPages) showServersAgain(v *visit, form serverForm, err error) error {
	ref := request.RefusalOf(err)
	n, err := v.noticeOr(err)
	switch {
	case ref.Kind == access.KindForbidden:
		n = v.noticeOf(ref)
	case err != nil:
		return err
	}
	if known, err := s.domains.Show(v.r.Context(), v.who, form.Domain); err == nil {
		form.OldFixed = formOf(v, known).OldFixed
	}
	return s.showServers(v, form, n)
}

// readServerForm reads what was sent: the form as it is shown again if something is
// wrong, and what is to be changed.
func readServerForm(r *http.Request) (form serverForm, in admin.DomainInput) {
	f := r.PostFormValue
	form = serverForm{Domain: f("domain"), Chosen: cmp.Or(f("old"), "other"), New: f("new"), NewFingerprint: f("new_fingerprint"),
		OldCA: f("old_ca"), NewCA: f("new_ca"), Enrol: f("enrol") != "", PublicOnly: f("public_only") != "", OldTLS: f("old_tls") != "", Known: f("known") != ""}
	form.Other = otherServer{Host: strings.TrimSpace(f("host")), Port: strings.TrimSpace(f("port")), Security: f("security"), Protocol: f("protocol"), Fingerprint: f("fingerprint")}
	form.Was = shownFields{Set: r.PostForm.Has("was_old"), Old: f("was_old"), Fingerprint: f("was_fingerprint"), New: f("was_new"), NewFingerprint: f("was_new_fingerprint"),
		OldCA: f("was_old_ca"), NewCA: f("was_new_ca"), Enrol: f("was_enrol"), PublicOnly: f("was_public_only"), OldTLS: f("was_old_tls")}
	form.readNew(r)
	if pin := f("pin_old"); pin != "" {
		form.Other.Fingerprint = pin
	}
	old, fingerprint := form.Other.url(), form.Other.Fingerprint
	oldGiven, pinGiven := r.PostForm.Has("host"), r.PostForm.Has("fingerprint") || f("pin_old") != ""
	if form.Chosen != "other" && !form.typed() {
		old, fingerprint, _ = strings.Cut(form.Chosen, " ")
		oldGiven, pinGiven = true, true
		form.Other, form.Chosen = otherOf(old, fingerprint), "other" // if something else is wrong, it is shown again
	}
	given := func(value, was string, sent bool) *string {
		if !sent || form.Was.Set && value == was {
			return nil
		}
		return &value
	}
	in.Old = given(canonicalURL(old), form.Was.Old, oldGiven)
	in.OldFingerprint = given(fingerprint, form.Was.Fingerprint, pinGiven)
	in.New = given(canonicalURL(form.New), form.Was.New, r.PostForm.Has("new") || r.PostForm.Has("new_host"))
	in.NewFingerprint = given(form.NewFingerprint, form.Was.NewFingerprint, r.PostForm.Has("new_fingerprint") || f("pin_new") != "")
	in.OldCA = given(lines(form.OldCA), lines(form.Was.OldCA), r.PostForm.Has("old_ca"))
	in.NewCA = given(lines(form.NewCA), lines(form.Was.NewCA), r.PostForm.Has("new_ca"))
	in.Enrol = box(form.Enrol, form.Was.Enrol, r.PostForm.Has("was_enrol"))
	in.OldPublicOnly = box(form.PublicOnly, form.Was.PublicOnly, r.PostForm.Has("was_public_only"))
	if old := box(form.OldTLS, form.Was.OldTLS, r.PostForm.Has("was_old_tls")); old != nil {
		in.OldTLS = new(admin.TLSText(*old))
	}
	return form, in
}

// lines is a text of several lines as it was before a browser sent it.
func lines(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }

// typed reports that somebody has typed another server in: that one is meant, whichever of those found
// is marked.
func (form *serverForm) typed() bool {
	return form.Other.Host != "" && canonicalURL(form.Other.url()) != form.Was.Old
}

// readNew reads the new server, as a URL or as fields.
func (form *serverForm) readNew(r *http.Request) {
	f := r.PostFormValue
	if r.PostForm.Has("new_host") && !r.PostForm.Has("new") {
		form.NewAt = otherServer{Host: strings.TrimSpace(f("new_host")), Port: strings.TrimSpace(f("new_port")), Security: f("new_security")}
		form.New = form.NewAt.url()
	} else {
		form.NewAt = otherOf(form.New, "")
	}
	if pin := f("pin_new"); pin != "" {
		form.NewFingerprint = pin
	}
	form.NewAt.Fingerprint = form.NewFingerprint
}

// box is what was said by a box that was ticked or not, nil if it is as it was. Browsers
// send nothing of a box that is not ticked, so another field has to say that it was shown.
func box(on bool, was string, shown bool) *bool {
	if !shown && !on || shown && ticked(on) == was {
		return nil
	}
	return &on
}

// canonicalURL is a server's URL as the API tells it; what is none stays as it is, to be refused.
func canonicalURL(text string) string {
	if server, err := config.ParseServer(strings.TrimSpace(text)); err == nil {
		return server.String()
	}
	return text
}

// otherOf is a server as it is typed in.
func otherOf(url, fingerprint string) otherServer {
	server, err := config.ParseServer(url)
	if err != nil {
		return otherServer{}
	}
	v := admin.ViewServer(server)
	return otherServer{Host: v.Host, Port: strconv.Itoa(v.Port), Security: v.Security, Protocol: v.Protocol, Fingerprint: fingerprint}
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

func (s *serverPages) formDeleteDomain(v *visit) error {
	err := s.domains.Delete(v.r.Context(), v.who, v.domain())
	if ref := (*access.Refusal)(nil); err != nil {
		if ref = request.RefusalOf(err); ref.Kind == access.KindConflict {
			return s.domain.showDomainPage(v, v.noticeOf(ref))
		}
		return err
	}
	return v.seeOther(doneAt("/", "domain_deleted", 0))
}
