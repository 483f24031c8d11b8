package web

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"postferry/admin"
	"postferry/admin/request"
	"postferry/config"
	"postferry/directory"
	"postferry/store"
	"postferry/tenant"
)

// connectPages are about how to sign in at a domain's servers, what people agree to there, and a tenant's mailboxes.
type connectPages struct {
	frame    *frame
	tenants  *admin.Tenants
	consents *admin.Consents
}

func (s *connectPages) routes() []pageRoute {
	return []pageRoute{
		{"GET /d/{domain}/connect", false, s.pageConnect},
		{"POST /d/{domain}/connect", false, s.formConnect},
		{"GET /d/{domain}/mailboxes", false, s.pageMailboxes},
		{"POST /d/{domain}/mailboxes", false, s.formMailboxes},
		{"GET /d/{domain}/consents", false, s.pageConsents},
		{"POST /d/{domain}/consents", false, s.formConsents},
		{"GET /d/{domain}/consents/live", false, s.liveConsents},
		{"GET " + admin.ConsentPath, false, s.pageBack},
	}
}

// connectForm is what leads through connecting a tenant.
type connectForm struct {
	In      *admin.SignInView
	Kind    config.SignInMethod // that is being entered; "" as long as none is chosen
	Mailbox string
	Steps   []stepView // nil before it was tried
	Good    bool       // all of them
	Pages   map[string]string
	Back    string // address to which browsers come back from a provider
	Plain   bool   // it is one that providers don't take
	Set     bool   // what is shown is how Postferry signs in
}

// Kinds are the ways to sign in that can be chosen.
func (connectForm) Kinds() []config.SignInMethod {
	return []config.SignInMethod{config.Microsoft, config.Google, config.Consent, config.Master}
}

// Issuers are the addresses of well-known providers at which people agree.
func (connectForm) Issuers() []string {
	return []string{"https://login.microsoftonline.com/organizations/v2.0", "https://accounts.google.com"}
}

// IsNew tells whether it is about the new server.
func (f connectForm) IsNew() bool { return f.In.Side == store.NewSide }

// sideOf is which of a domain's servers a request is about; the old one if it doesn't say.
func sideOf(r interface{ FormValue(string) string }) store.Side {
	if r.FormValue("side") == string(store.NewSide) {
		return store.NewSide
	}
	return store.OldSide
}

// sidePath is a page about one of a domain's servers.
func sidePath(domain, page string, side store.Side) string {
	return domainPath(domain, page) + "?side=" + string(side)
}

// stepView is a step of the test in the reader's language.
type stepView struct {
	tenant.Step
	Title, Said, Advice string
}

// connectLinks are the pages of the providers, by name.
func connectLinks() map[string]string {
	return map[string]string{
		"entra": "https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationsListBlade", "project": "https://console.cloud.google.com/projectcreate",
		"gmail": "https://console.cloud.google.com/apis/library/gmail.googleapis.com", "sdk": "https://console.cloud.google.com/apis/library/admin.googleapis.com",
		"accounts": "https://console.cloud.google.com/iam-admin/serviceaccounts", "delegation": "https://admin.google.com/ac/owl/domainwidedelegation",
		"imap": "https://admin.google.com/ac/apps/gmail/enduseraccess", "clients": "https://console.cloud.google.com/auth/clients",
	}
}

func (s *connectPages) pageConnect(v *visit) error { return s.showConnect(v, connectForm{}, nil) }

// showConnect shows the way to connect, beginning with what is known.
func (s *connectPages) showConnect(v *visit, form connectForm, n *notice) error {
	in, err := s.tenants.ShowSignIn(v.r.Context(), v.who, v.domain(), sideOf(v.r))
	if err != nil {
		return err
	}
	if form.In == nil {
		form.In = in
	} else { // what was typed in stays, but for what is not typed in
		form.In.Domain, form.In.Host, form.In.Provider, form.In.Secret, form.In.Fixed, form.In.Values = in.Domain, in.Host, in.Provider, in.Secret, in.Fixed, in.Values
		form.In.Side = in.Side
	}
	form.Kind, form.Pages, form.Back = kindOf(v.r, in, form.Kind), connectLinks(), s.consents.ReturnAddress(request.Reached(v.r))
	form.Plain, form.Set = !takenByProviders(form.Back), form.Kind == in.Method
	if form.Kind == config.Consent && form.In.Issuer == "" {
		form.In.Issuer = usualIssuer(in.Provider)
	}
	if len(form.In.Values) == 0 || form.Kind != in.Method {
		form.In.Values = tenant.Values(&config.SignIn{Method: form.Kind, ClientID: form.In.ClientID})
	}
	return s.frame.showAs(v, statusOf(n), "connect", view{Title: v.T("connect.title", "Domain", in.Domain), Heading: v.T("connect.heading"), Path: sidePath(in.Domain, "connect", in.Side) + "&kind=" + string(form.Kind), Crumbs: v.toDomain(in.Domain), Notice: n, D: form})
}

// kindOf is what is being connected: what was chosen, is set, or the server belongs to.
func kindOf(r interface{ FormValue(string) string }, in *admin.SignInView, chosen config.SignInMethod) config.SignInMethod {
	if chosen != "" {
		return chosen
	}
	for _, kind := range []string{r.FormValue("kind"), string(in.Method), in.Provider} {
		switch config.SignInMethod(kind) {
		case config.Microsoft, config.Google, config.Consent, config.Master:
			return config.SignInMethod(kind)
		}
	}
	if in.Provider == "outlook" {
		return config.Microsoft
	}
	return ""
}

// takenByProviders tells whether providers send browsers back to an address: with TLS, or on the person's own machine.
func takenByProviders(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	at, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && at.IsLoopback()
}

// usualIssuer is where the people of a provider sign in; "" if that is not known.
func usualIssuer(provider string) string {
	switch all := (connectForm{}).Issuers(); provider {
	case "outlook", "microsoft":
		return all[0]
	case "google":
		return all[1]
	}
	return ""
}

// formConnect keeps what was entered, and tries it.
func (s *connectPages) formConnect(v *visit) error {
	field := func(name string) string { return strings.TrimSpace(v.r.PostFormValue(name)) }
	side := sideOf(v.r)
	if field("do") == "forget" {
		gone, err := s.tenants.ForgetSignIn(v.r.Context(), v.who, v.domain(), side)
		if err != nil {
			return err
		}
		done := "sign_in_forgotten"
		if gone.Revoked > 0 {
			done = "sign_in_revoked"
		}
		return v.seeOther(sidePath(v.domain(), "connect", side) + "&done=" + done + "&n=" + strconv.Itoa(gone.Revoked))
	}
	form := connectForm{Mailbox: field("mailbox"), Kind: config.SignInMethod(field("kind"))}
	if field("do") != "test" {
		in := signInOf(form.Kind, v.r.PostFormValue)
		if err := s.tenants.PutSignIn(v.r.Context(), v.who, v.domain(), side, in); err != nil {
			n, err := v.noticeOr(err)
			if err != nil {
				return err
			}
			form.In = &admin.SignInView{Method: in.Method, Tenant: in.Tenant, ClientID: in.ClientID, Issuer: in.Issuer, Login: in.Login, Scope: in.Scope, Separator: in.Separator}
			return s.showConnect(v, form, n)
		}
	}
	steps, err := s.tenants.TestSignIn(v.r.Context(), v.who, v.domain(), side, form.Mailbox)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showConnect(v, form, n)
	}
	form.Good = true
	for _, step := range steps {
		form.Good = form.Good && step.OK
		form.Steps = append(form.Steps, v.step(step))
	}
	return s.showConnect(v, form, nil)
}

// signInOf reads how to sign in.
func signInOf(method config.SignInMethod, value func(string) string) admin.SignInInput {
	field := func(name string) string { return strings.TrimSpace(value(name)) }
	in := admin.SignInInput{Method: method, Tenant: field("tenant"), ClientID: field("client_id"), Issuer: field("authority"), Login: field("admin"), Scope: field("scope"), Secret: store.Secret(field("secret"))}
	switch method {
	case config.Google:
		in.Secret = store.Secret(field("key"))
	case config.Consent:
		in.Issuer, in.Secret = field("issuer"), store.Secret(field("client_secret"))
	case config.Master:
		in.Login, in.Separator, in.Secret = field("master_login"), field("separator"), store.Secret(value("master_password"))
	}
	return in
}

// step says what came of a step.
func (v *visit) step(s tenant.Step) stepView {
	x := stepView{Step: s, Title: v.T("connect_step." + string(s.Name))}
	values := map[string]any{"Host": s.Host, "Set": s.Set, "Mailbox": s.Mailbox, "Count": s.Count}
	switch {
	case s.OK:
		x.Said = v.W.textOr("connect_good."+string(s.Name), s.Text, values)
	case v.W.Has("directory." + s.Code):
		x.Said = v.W.paused(s.Code, time.Duration(s.WaitSeconds)*time.Second, v.W.textOr("directory."+s.Code, s.Text, values))
	case !v.W.Has("problem."+s.Code) && v.W.Has("refusal."+s.Code):
		x.Said = v.W.textOr("refusal."+s.Code, s.Text, values)
	default:
		x.Said = v.W.textOr("problem."+s.Code, s.Text, values)
		x.Advice = v.W.textOr("advice."+s.Code, "", nil)
	}
	return x
}

// shownMailboxes is how many mailboxes a page shows.
const shownMailboxes = 200

// mailboxesForm is the list of a tenant's mailboxes.
type mailboxesForm struct {
	Domain string
	List   *admin.MailboxList
	Shown  []directory.Move
	Search string
	Kind   string
	To     string
	Left   int // that are not accounts yet, of all that were found
}

// Known tells whether a mailbox is an account already.
func (f mailboxesForm) Known(m directory.Move) bool { return f.List.Known[strings.ToLower(m.Address)] }

// Kinds are those that can be chosen.
func (f mailboxesForm) Kinds() []string {
	return []string{"user", "shared", "room", "equipment", "all"}
}

// readMailboxes reads what is to be shown, or chosen.
func readMailboxes(domain string, q url.Values) (form mailboxesForm, query admin.MailboxQuery) {
	form = mailboxesForm{Domain: domain, Search: strings.TrimSpace(q.Get("search")), Kind: q.Get("kind"), To: strings.TrimSpace(q.Get("to"))}
	query = admin.MailboxQuery{Filter: directory.Filter{Domain: domain, Search: form.Search}, Anew: q.Get("anew") != "", Rule: directory.Rule{Domain: strings.ToLower(form.To)}}
	switch form.Kind {
	case "":
	case "all":
		query.Filter.Kinds = []directory.Kind{directory.User, directory.Shared, directory.Room, directory.Equipment, directory.Other}
	default:
		query.Filter.Kinds = []directory.Kind{directory.Kind(form.Kind)}
	}
	return form, query
}

func (s *connectPages) pageMailboxes(v *visit) error {
	form, query := readMailboxes(v.domain(), v.r.URL.Query())
	return s.showMailboxes(v, form, query, nil)
}

func (s *connectPages) showMailboxes(v *visit, form mailboxesForm, query admin.MailboxQuery, n *notice) error {
	list, err := s.tenants.Mailboxes(v.r.Context(), v.who, v.domain(), query)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showConnect(v, connectForm{}, n)
	}
	form.List, form.Shown = list, list.Moves[:min(len(list.Moves), shownMailboxes)]
	form.Left = len(list.Moves) - len(list.Known)
	return s.frame.showAs(v, statusOf(n), "mailboxes", view{Title: v.T("mailboxes.title", "Domain", form.Domain), Heading: v.T("mailboxes.heading"), Path: domainPath(form.Domain, "mailboxes"), Crumbs: v.toDomain(form.Domain), Notice: n, D: form})
}

// formMailboxes makes accounts of mailboxes: of those that were ticked, or of all that were found.
func (s *connectPages) formMailboxes(v *visit) error {
	if err := v.r.ParseForm(); err != nil {
		return badForm(err)
	}
	form, query := readMailboxes(v.domain(), v.r.PostForm)
	pick := admin.MailboxPick{MailboxQuery: query, Exceptions: v.r.PostFormValue("exceptions"), Addresses: v.r.PostForm["mailbox"]}
	if v.r.PostFormValue("do") == "all" {
		pick.Addresses = nil
	} else if len(pick.Addresses) == 0 {
		return s.showMailboxes(v, form, query, &notice{Kind: "bad", Text: v.T("refusal.no_mailboxes")})
	}
	added, err := s.tenants.ImportMailboxes(v.r.Context(), v.who, v.domain(), pick)
	if err != nil {
		n, err := v.noticeOr(err)
		if err != nil {
			return err
		}
		return s.showMailboxes(v, form, query, n)
	}
	return v.seeOther(doneAt(domainPath(v.domain()), "accounts_added", added.Added+added.Updated))
}

// KindOf names what a mailbox is for, as the texts do.
func (f mailboxesForm) KindOf(m directory.Move) string {
	if m.Kind == directory.Other {
		return "odd"
	}
	return string(m.Kind)
}
