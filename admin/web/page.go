package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/rs/zerolog"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/request"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Pages are what renders the page: templates, words, files. They never change, so that several sites can
// share them.
type Pages struct {
	texts   *texts
	assets  *assets
	byName  map[string]*template.Template
	version string
}

// Load reads all templates. Each file but layout.html and parts.html is a
// page: it defines "main", which layout.html puts into the frame.
func Load(version string) (*Pages, error) {
	p := &Pages{byName: map[string]*template.Template{}, version: version}
	var err error
	if p.texts, err = loadTexts(); err != nil {
		return nil, err
	}
	if p.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	base, err := template.New("").Funcs(template.FuncMap{"asset": p.assets.address}).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html")
	if err != nil {
		return nil, err
	}
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if p.byName[name], err = base.Clone(); err != nil {
			return nil, err
		}
		if name == "layout" || name == "parts" {
			continue
		}
		if _, err := p.byName[name].ParseFS(templateFiles, file); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// view is what a page shows: its frame, and D, which each page knows.
type view struct {
	W        *words
	Path     string // to come back to; of a page that answers forms, where it is asked for
	Version  string
	Title    string // the window's
	Heading  string // on the page; the same as Title if not set
	Narrow   bool
	Who      string // the administrator's name; "" before the login
	Sections []section
	Tabs     []section // of a domain
	Crumbs   []crumb
	Notice   *notice
	Stream   string // address of the live events; "" for none
	D        any
}

// section is an entry of the navigation.
type section struct {
	Path, Text string // Text is the id of its word
	Current    bool
}

// crumb is a page above this one.
type crumb struct{ Path, Text string }

// notice is what happened just now, or what went wrong.
type notice struct {
	Kind     string // good, warn, bad
	Text     string
	Mistakes []string
	at       map[string]string // what is wrong with fields, by their names
}

// Wrong says what is wrong with a field of the form that is shown again; "" for nothing.
func (x view) Wrong(field string) string {
	if x.Notice == nil {
		return ""
	}
	return x.Notice.at[field]
}

// visit is one request for a page.
type visit struct {
	w   http.ResponseWriter
	r   *http.Request
	who access.Actor
	W   *words
}

// T is a text in the reader's language.
func (v *visit) T(id string, values ...any) string { return v.W.T(id, values...) }

// domain is the domain of the request's path.
func (v *visit) domain() string { return v.r.PathValue("domain") }

// seeOther sends the browser on after a form, so that reloading does not send
// the form again.
func (v *visit) seeOther(address string) error {
	http.Redirect(v.w, v.r, address, http.StatusSeeOther)
	return nil
}

// domainPath is the address of a page of a domain.
func domainPath(domain string, parts ...string) string {
	return "/d/" + url.PathEscape(domain) + strings.Join(append([]string{""}, parts...), "/")
}

// pageRoute is a page, or a form of one.
type pageRoute struct {
	pattern string // of http.ServeMux
	open    bool   // for those who have not logged in, too
	handle  func(v *visit) error
}

// pageRoutes are all pages.
func (s *Site) pageRoutes() []pageRoute {
	all := []pageRoute{
		{"GET /{$}", false, s.server.pageDomains},
		{"GET /login", true, s.login.pageLogin},
		{"POST /login", true, s.login.formLogin},
		{"POST /logout", false, s.login.formLogout},
		{"GET /welcome", true, s.login.pageWelcome},
		{"POST /welcome", true, s.login.formWelcome},
		{"POST /language", true, s.frame.formLanguage},
		{"/", true, s.frame.pageUnknown},
	}
	all = append(all, s.server.routes()...)
	all = append(all, s.account.routes()...)
	all = append(all, s.domain.routes()...)
	all = append(all, s.report.routes()...)
	all = append(all, s.ending.routes()...)
	all = append(all, s.connect.routes()...)
	return append(all, s.access.routes()...)
}

// Site answers browsers.
type Site struct {
	frame   *frame
	access  *accessPages
	account *accountPages
	connect *connectPages
	domain  *domainPages
	server  *serverPages
	ending  *endingPages
	login   *loginPages
	report  *reportPages
}

// frame shows pages, and errors as pages.
type frame struct {
	gate  *request.Gate
	pages *Pages
	log   zerolog.Logger
}

// New makes the pages of the use cases.
func New(a *admin.Service, g *request.Gate, log zerolog.Logger, p *Pages) *Site {
	s := &Site{frame: &frame{gate: g, pages: p, log: log}}
	s.access = &accessPages{frame: s.frame, access: a.Access, audit: a.Audit}
	s.account = &accountPages{frame: s.frame, accounts: a.Accounts, checks: a.Checks, domains: a.Domains, folders: a.Folders, lists: a.Lists}
	s.connect = &connectPages{frame: s.frame, tenants: a.Tenants, consents: a.Consents}
	s.domain = &domainPages{frame: s.frame, accounts: a.Accounts, checks: a.Checks, domains: a.Domains, finishing: a.Finishing,
		folders: a.Folders, runs: a.Runs, scopes: a.Scopes, status: a.Status, transfers: a.Transfers, verifications: a.Verifications}
	s.server = &serverPages{frame: s.frame, domain: s.domain, servers: a.Servers, domains: a.Domains, hooks: a.Webhooks}
	s.ending = &endingPages{frame: s.frame, finishing: a.Finishing}
	s.login = &loginPages{frame: s.frame, sessions: a.Sessions}
	s.report = &reportPages{frame: s.frame, checks: a.Checks, domains: a.Domains, runs: a.Runs, scopes: a.Scopes, verifications: a.Verifications}
	return s
}

// Routes are all pages and forms, and the files that they need.
func (s *Site) Routes() []request.Route {
	all := []request.Route{{Pattern: "GET /static/", Open: true, Handler: s.frame.pages.assets}}
	for _, rt := range s.pageRoutes() {
		all = append(all, request.Route{Pattern: rt.pattern, Open: rt.open, Upload: rt.pattern == uploadPattern, Handler: s.frame.page(rt)})
	}
	return all
}

// page makes a handler of a page: it finds out who asks and shows errors as pages.
func (s *frame) page(rt pageRoute) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visit{w: w, r: r, W: s.pages.texts.words(r)}
		var err error
		v.who, err = s.gate.Actor(r)
		switch {
		case err == nil || rt.open && request.RefusalOf(err).Kind == access.KindUnauthorized:
			err = rt.handle(v)
		case request.RefusalOf(err).Kind == access.KindUnauthorized && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			err = v.seeOther("/login?next=" + url.QueryEscape(r.URL.RequestURI()))
		}
		if err != nil {
			s.showError(v, err)
		}
	})
}

// show renders a page. Nothing is sent before all of it is there.
func (s *frame) show(v *visit, name string, x view) error {
	return s.showAs(v, http.StatusOK, name, x)
}

func (s *frame) showAs(v *visit, status int, name string, x view) error {
	s.dress(v, &x)
	var out bytes.Buffer
	if err := s.pages.byName[name].ExecuteTemplate(&out, "layout", x); err != nil {
		return fmt.Errorf("page %s: %w", name, err)
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, err := v.w.Write(out.Bytes())
	return request.IgnoreGone(err)
}

// part renders a part of a page, for live events.
func (s *frame) part(name string, data any) (string, error) {
	var out bytes.Buffer
	err := s.pages.byName["parts"].ExecuteTemplate(&out, name, data)
	return out.String(), err
}

// dress fills in what all pages have.
func (s *frame) dress(v *visit, x *view) {
	x.W, x.Version, x.Who, x.Path = v.W, s.pages.version, v.who.Name, v.place(x.Path)
	if x.Heading == "" {
		x.Heading = x.Title
	}
	if v.who.Name != "" {
		at, _, _ := strings.Cut(x.Path, "?")
		x.Sections, x.Tabs = sections(at), tabs(at, v.who.All())
	}
	if x.Notice == nil {
		x.Notice = v.done()
	}
}

// place is where a page is asked for. One that answers a form is not where the form is sent, but, unless it says so itself, at the
// domain's page.
func (v *visit) place(itself string) string {
	switch {
	case v.r.Method != http.MethodPost:
		return v.r.URL.RequestURI()
	case itself != "":
		return itself
	case v.domain() != "":
		return domainPath(v.domain())
	}
	return "/"
}

func sections(at string) []section {
	all := []section{{Path: "/", Text: "frame.domains"}, {Path: "/audit", Text: "frame.audit"}, {Path: "/access", Text: "frame.access"}}
	all[0].Current = at == "/" || strings.HasPrefix(at, "/d/") || strings.HasPrefix(at, "/domains/")
	all[1].Current, all[2].Current = at == "/audit", strings.HasPrefix(at, "/access")
	return all
}

// done is what a form that led here has done: ?done=WORD&n=NUMBER.
func (v *visit) done() *notice {
	q := v.r.URL.Query()
	id := "done." + q.Get("done")
	if q.Get("done") == "" || strings.Contains(q.Get("done"), ".") || !v.W.Has(id) {
		return nil
	}
	n, err := strconv.ParseUint(q.Get("n"), 10, 32)
	if err != nil {
		n = 0
	}
	return &notice{Kind: "good", Text: v.T(id, "Count", n)}
}

// doneAt is an address that says what was done.
func doneAt(address, done string, n int) string {
	return address + "?done=" + done + "&n=" + strconv.Itoa(n)
}

// failure is why something was not done. Ended tells that a form was sent after its session had ended.
type failure struct {
	Why   *notice
	Ended bool
}

// showError shows what went wrong as a page.
func (s *frame) showError(v *visit, err error) {
	ref := request.RefusalOf(err)
	if ref.Failed() && v.r.Context().Err() == nil {
		s.log.Error().Err(ref.Cause).Str("path", v.r.URL.Path).Msg("a page failed")
	}
	x := view{Title: v.T("error.title"), Narrow: true, D: failure{v.noticeOf(ref), ref.Kind == access.KindUnauthorized && v.r.Method == http.MethodPost}}
	if err := s.showAs(v, request.Status(ref), "error", x); err != nil {
		s.log.Error().Err(err).Msg("the page that shows errors failed")
		http.Error(v.w, ref.Detail, request.Status(ref))
	}
}

func (s *frame) pageUnknown(*visit) error { return access.NotFound("page") }

// formLanguage remembers the language somebody chose.
func (s *frame) formLanguage(v *visit) error {
	if chosen := v.r.PostFormValue("language"); s.pages.texts.has(chosen) {
		http.SetCookie(v.w, &http.Cookie{Name: languageCookie, Value: chosen, Path: "/", MaxAge: 365 * 24 * 3600,
			HttpOnly: true, Secure: request.Secure(v.r), SameSite: http.SameSiteLaxMode})
	}
	return v.seeOther(localPath(v.r.PostFormValue("back")))
}

// localPath is an address of ours, "/" for anything else: nobody is sent to
// another site by a link to this one.
func localPath(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(address, "//") || strings.ContainsAny(address, "\\\r\n\t") {
		return "/"
	}
	return address
}
