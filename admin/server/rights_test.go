package server

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"postferry/admin"
	"postferry/admin/finishing"
	"postferry/admin/selection"
	"postferry/admin/transfers"
	"postferry/report"
	"postferry/store"
)

// The domain of openapi.yaml's examples, another one, and one that is not there.
const ownDomain, otherDomain, noDomain = "example.com", "other.example", "nowhere.example"

// answers are what a token and a session get; 0 stands for what the operation
// answers when it is done.
type answers struct{ token, session int }

// rights say who may ask for an operation of the API.
type rights struct {
	foreign answers // who looks after another domain
	own     answers // after the domain it is about
	all     answers // after everything
}

// rightsTo says who may ask for an operation. What is below a domain is there for
// those who look after that domain or everything; all others are named here.
func rightsTo(operation, path string) (r rights, said bool) {
	everybody, notThere := rights{}, rights{foreign: answers{404, 404}}
	ofEverything := rights{foreign: answers{403, 403}, own: answers{403, 403}}
	people := answers{token: 403}
	ofWebhooks := rights{foreign: answers{404, 404}, own: answers{403, 403}}
	ofSignIn := rights{foreign: answers{404, 404}, own: answers{403, 403}}
	r, said = map[string]rights{
		"logout": everybody, "me": everybody, "listTokens": everybody, "listDomains": everybody,
		"changePassword": {people, people, people}, // each their own
		"listAdmins":     ofEverything, "putAdmin": ofEverything, "deleteAdmin": ofEverything,
		"createToken":  {foreign: answers{403, 403}},
		"revokeToken":  notThere,
		"audit":        notThere, // of that domain
		"discover":     notThere,
		"deleteDomain": {foreign: answers{404, 404}, own: answers{403, 403}},
		"forget":       {foreign: answers{404, 404}, own: answers{403, 403}},
		"listWebhooks": ofWebhooks, "addWebhook": ofWebhooks, "deleteWebhook": ofWebhooks, "testWebhook": ofWebhooks,
		// How to sign in is for those who look after everything.
		"signIn": ofSignIn, "putSignIn": ofSignIn, "forgetSignIn": ofSignIn, "testSignIn": ofSignIn, "listMailboxes": ofSignIn, "enrolMailboxes": ofSignIn,
	}[operation]
	if !said && strings.HasPrefix(path, "/domains/{domain}") {
		return notThere, true
	}
	return r, said
}

// scene is a page with two domains, and everything in them that can be asked for.
type scene struct {
	*page
	path          string
	method        string
	op            *openapi3.Operation // nil for the pages
	nobody        *caller
	foreign       [2]*caller // with a token, with a session
	own           [2]*caller
	all           [2]*caller
	things        map[string]string // in the own domain, by the name of a path's parameter
	foreignThings map[string]string
	before        string // what the state was
}

// TestRights asks every operation of openapi.yaml, with the paths and bodies that are
// its examples, as nobody, as who looks after another domain, after this one, and after
// everything. An operation that joins is asked as well, and fails here until it has
// examples and it is said who may.
func TestRights(t *testing.T) {
	for name, op := range operations(t) {
		method, path, _ := strings.Cut(name, " ")
		r, said := rightsTo(op.OperationID, path)
		open := op.Security != nil && len(*op.Security) == 0
		if !said && !open {
			t.Errorf("%s: rightsTo does not say who may", name)
			continue
		}
		stage := func(kind string, fn func(s *scene)) {
			t.Run(op.OperationID+" as "+kind, func(t *testing.T) { fn(newAPIScene(t, method, path, op)) })
		}
		if open {
			stage("nobody", func(s *scene) { s.want(s.nobody, "nobody", 0) })
			continue
		}
		all := func(s *scene) { s.want(s.all[0], "token of everything", r.all.token) }
		stage("nobody, foreign, own token", func(s *scene) {
			s.outsiders(r)
			if method == "GET" { // nothing was changed
				all(s)
			}
		})
		if method != "GET" {
			stage("token of everything", all)
		}
		if r.own.session != r.own.token || !strings.Contains(path, "{domain}") {
			stage("own session", func(s *scene) { s.want(s.own[1], "own session", r.own.session) })
			stage("session of everything", func(s *scene) { s.want(s.all[1], "session of everything", r.all.session) })
		}
	}
}

// outsiders asks as those who may not, sees that nothing has come of it, and then as
// the domain's own token.
func (s *scene) outsiders(r rights) {
	s.want(s.nobody, "nobody", 401)
	for i, status := range []int{r.foreign.token, r.foreign.session} {
		kind := []string{"foreign token", "foreign session"}[i]
		got := s.want(s.foreign[i], kind, status)
		if status == 404 && strings.Contains(s.path, "{domain}") {
			nowhere := s.ask(s.foreign[i], s.with("domain", noDomain))
			if nowhere.StatusCode != got.StatusCode || nowhere.text != got.text {
				s.t.Errorf("as %s: what is another's is told from what is not there:\n%s\n%s", kind, got.text, nowhere.text)
			}
		}
	}
	if r.foreign.token != 0 && r.foreign.session != 0 {
		if after := s.state(); after != s.before {
			s.t.Errorf("something was done:\n%s\nbefore:\n%s", after, s.before)
		}
	}
	s.foreignThings["list"] = s.listOf(s.foreign[0])
	for param, thing := range s.foreignThings { // one's own domain, but another's account, run, ...
		if !strings.Contains(s.path, "{"+param+"}") {
			continue
		}
		if got := s.ask(s.own[0], s.with(param, thing)); got.StatusCode != 404 {
			s.t.Errorf("another domain's %s: %s\n%s", param, got.Status, got.text)
		}
	}
	if another := s.listOf(s.own[1]); strings.Contains(s.path, "{list}") {
		if got := s.ask(s.own[0], s.with("list", another)); got.StatusCode != 404 {
			s.t.Errorf("a list that somebody else of the domain uploaded: %s\n%s", got.Status, got.text)
		}
	}
	s.foreignInBody()
	s.want(s.own[0], "own token", r.own.token)
}

// foreignInBody names another domain's accounts, messages and list where the body of an
// operation can name any: all as what is not there.
func (s *scene) foreignInBody() {
	for _, x := range []struct {
		name  string
		thing any
	}{
		{"accounts", []store.AccountID{2}}, {"messages", []string{s.foreignThings["message"]}},
		{"list", s.foreignThings["list"]}, {"list", s.listOf(s.own[1])}, // of somebody else of the domain
	} {
		name, thing := x.name, x.thing
		if !s.takes(name) {
			continue
		}
		path := apiPath + strings.NewReplacer("{domain}", ownDomain, "{account}", s.things["account"]).Replace(s.path)
		if got := s.own[0].do(s.method, path, map[string]any{name: thing}); got.StatusCode != 404 {
			s.t.Errorf("%s %s with another domain's %s: %s\n%s", s.method, s.path, name, got.Status, got.text)
		}
	}
}

// takes reports whether the operation's body can name things of a kind that are there.
func (s *scene) takes(name string) bool {
	if s.op == nil || s.op.RequestBody == nil || s.op.RequestBody.Value.Content.Get("application/json") == nil {
		return false
	}
	property := s.op.RequestBody.Value.Content.Get("application/json").Schema.Value.Properties[name]
	return property != nil && (property.Value.Items == nil || !property.Value.Items.Value.Type.Is("object"))
}

// with is the things of the path with another one among them.
func (s *scene) with(param, thing string) map[string]string {
	things := maps.Clone(s.things)
	things[param] = thing
	return things
}

// want asks and wants a status, or (0) what the operation answers when it is done.
func (s *scene) want(c *caller, kind string, status int) reply {
	s.t.Helper()
	things := s.things
	if list := s.listOf(c); list != "" && strings.Contains(s.path, "{list}") {
		things = s.with("list", list)
	}
	got := s.ask(c, things)
	switch {
	case status != 0 && got.StatusCode != status:
		s.t.Errorf("%s %s as %s: %s, want %d\n%s", s.method, s.path, kind, got.Status, status, got.text)
	case status == 0 && (got.StatusCode/100 != 2 || s.op.Responses.Status(got.StatusCode) == nil):
		s.t.Errorf("%s %s as %s: %s\n%s", s.method, s.path, kind, got.Status, got.text)
	}
	return got
}

// ask sends the operation's example.
func (s *scene) ask(c *caller, things map[string]string) reply {
	s.t.Helper()
	path, query := apiPath+s.path, url.Values{}
	for _, ref := range s.op.Parameters {
		if p := ref.Value; p.In == "query" && p.Example != nil {
			query.Set(p.Name, fmt.Sprint(p.Example))
		}
	}
	for name, thing := range things {
		path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(thing))
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.do(s.method, path, s.body())
}

// body is the example of what the operation takes, as openapi.yaml has it.
func (s *scene) body() any {
	s.t.Helper()
	if s.op.RequestBody == nil {
		return nil
	}
	content := s.op.RequestBody.Value.Content
	if text := content.Get("text/plain"); text != nil && text.Example != nil {
		return text.Example
	}
	kind := content.Get("application/json")
	if kind == nil || kind.Schema.Value.Example == nil {
		s.t.Fatalf("%s %s takes a body without an example in openapi.yaml", s.method, s.path)
	}
	example := maps.Clone(kind.Schema.Value.Example.(map[string]any))
	for name, value := range example {
		switch value {
		case "the code of the link":
			example[name] = s.newCode()
		case "a long password":
			example[name] = testPassword
		}
	}
	return example
}

// newAPIScene sets the page up for an operation, with the things of openapi.yaml's examples.
func newAPIScene(t *testing.T, method, path string, op *openapi3.Operation) *scene {
	t.Helper()
	things := map[string]string{}
	for _, ref := range slices.Concat(operationsItem(t, path).Parameters, op.Parameters) {
		if p := ref.Value; p.In == "path" {
			if p.Example == nil {
				t.Fatalf("%s: the parameter %s has no example", path, p.Name)
			}
			things[p.Name] = fmt.Sprint(p.Example)
		}
	}
	return newScene(t, &scene{method: method, path: path, op: op, things: things})
}

// newScene sets the page up. The state is such that what is asked for can be done.
func newScene(t *testing.T, s *scene) *scene {
	t.Helper()
	s.page = startPage(t)
	s.addDomain(ownDomain, "imap.old-provider.example") // as in the examples: it has accounts, so the server stays
	s.addDomain(otherDomain, "old.other.example")
	s.own[0], s.foreign[0], s.all[0] = s.program(ownDomain), s.program(otherDomain), s.program("")
	s.own[1], s.foreign[1], s.all[1] = s.admin("bert", ownDomain), s.admin("carl", otherDomain), s.admin("anna", "")
	s.nobody = s.browser()
	s.fill()
	s.fillSignIn()
	s.addWebhook(ownDomain, store.Webhook{ID: "w1", URL: "https://takes.example/", Key: "0123456789abcdef", Language: "en"})
	s.ferry.SawCalls()
	s.before = s.state()
	return s
}

// operationsItem is what openapi.yaml says of a path.
func operationsItem(t *testing.T, path string) *openapi3.PathItem {
	t.Helper()
	doc, err := contract()
	if err != nil {
		t.Fatal(err)
	}
	return doc.Paths.Value(path)
}

// fill puts accounts, messages in quarantine, a check, a verification and a run into
// both domains.
func (s *scene) fill() {
	own, other := s.put(ownDomain, "anna@"+ownDomain)[0], s.put(otherDomain, "carl@"+otherDomain)[0]
	s.ferry.Quarantined[own] = []report.QuarantineRecord{{ID: "1.1.0001"}}
	s.ferry.Quarantined[other] = []report.QuarantineRecord{{ID: "2.1.0001"}}
	s.foreignThings = map[string]string{"account": fmt.Sprint(other), "message": "2.1.0001", "token": "2"}
	if s.method == "DELETE" && s.path == "/domains/{domain}" || s.path == "/d/{domain}/delete" { // only one without accounts
		if err := s.store.RemoveAccounts(s.t.Context(), []store.AccountID{own}); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	for i, domain := range []string{ownDomain, otherDomain} {
		c := []*caller{s.own[0], s.foreign[0]}[i]
		d := "/api/v1/domains/" + domain
		c.want(202, "POST", d+"/check", selection.Selection{All: true}, nil)
		c.want(202, "POST", d+"/verify", map[string]any{"all": true}, nil)
		eventually(s.t, "check and verification end", func() bool {
			return s.app.Checks.View(domain).State == "done" && s.app.Verifications.View(domain).State == "done"
		})
		if i == 1 || !strings.HasSuffix(s.path, "/accounts/remove") { // only what never began can be removed
			var run transfers.Affected
			c.want(200, "POST", d+"/begin", selection.Selection{All: true}, &run)
			s.foreignThings["run"] = fmt.Sprint(run.Run) // the last one's
		}
		s.fillEnd(c, d, domain)
	}
	if strings.Contains(s.path, "/mailbox") {
		p := &store.Problem{Kind: store.OtherMailbox, Server: store.NewSide, Advice: store.NeedsFix}
		for _, id := range []store.AccountID{own, other} {
			if err := s.store.SetProblem(s.t.Context(), id, p); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// fillEnd prepares the end of a domain's move where that is what is asked about.
func (s *scene) fillEnd(c *caller, address, domain string) {
	if strings.HasSuffix(s.path, "/forget") { // what is copied can't be forgotten
		c.want(200, "POST", address+"/stop", selection.Selection{All: true}, nil)
		return
	}
	report := strings.Contains(s.path, "/reports/")
	if !strings.Contains(s.path, "/finish") && !report || s.method == "POST" && strings.HasSuffix(s.path, "/prepare") {
		return
	}
	c.want(202, "POST", address+"/finish/prepare", nil, nil)
	eventually(s.t, "the preparation ends", func() bool { return s.app.Finishing.ViewPrepare(domain).State == "done" })
	if report {
		c.want(200, "POST", address+"/finish", finishing.FinishInput{Accept: true}, nil)
	}
}

// listOf uploads a list for an operation about one, by whom it is for; "" for others.
func (s *scene) listOf(c *caller) string {
	if !strings.Contains(s.path, "{list}") && !s.takes("list") || c == s.nobody {
		return ""
	}
	domain := ownDomain
	if c == s.foreign[0] || c == s.foreign[1] {
		domain = otherDomain
	}
	var list admin.ListView
	c.want(201, "POST", "/api/v1/domains/"+domain+"/lists", "x@"+domain+" password\n", &list)
	return list.ID
}

// state is all that an outsider could have changed.
func (s *scene) state() string {
	ctx := s.t.Context()
	accounts, err := s.store.Accounts(ctx)
	var out strings.Builder
	for _, a := range accounts {
		full, err := s.store.AccountByID(ctx, a.ID)
		problem := full.Problem
		full.Problem = nil // its address says nothing
		fmt.Fprintln(&out, full, problem, full.Old.Password.Reveal(), full.New.Password.Reveal(), err)
	}
	domains, err1 := s.store.Domains(ctx)
	schedules, err2 := s.store.Schedules(ctx)
	admins, err3 := s.store.Admins(ctx)
	tokens, err4 := s.store.Tokens(ctx)
	signIns, err5 := s.store.SignIns(ctx)
	consents, err6 := s.store.Consents(ctx, "")
	fmt.Fprintln(&out, domains, schedules, signIns, consents, err, err1, err2, err3, err4, err5, err6)
	for _, a := range admins {
		fmt.Fprintln(&out, a.Name, a.Scope, a.Changed)
	}
	for _, x := range tokens {
		fmt.Fprintln(&out, x.ID, x.Name, x.Scope)
	}
	for _, d := range []string{ownDomain, otherDomain} {
		runs, err := s.store.Runs(ctx, d)
		audit, err1 := s.store.Audit(ctx, store.AuditQuery{Domain: d, Limit: 1000})
		fmt.Fprintln(&out, d, len(runs), err, len(audit), err1, s.app.Checks.View(d), s.app.Verifications.View(d))
	}
	return out.String() + strings.Join(s.ferry.SawCalls(), "\n")
}

// addDomain sets a domain up whose old server is a host.
func (p *page) addDomain(name, old string) {
	p.t.Helper()
	p.keepDomain(store.Domain{Name: name, Old: "imaps://" + old, New: "imaps://new.example", Created: time.Now()})
}
