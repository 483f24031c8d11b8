package server

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"postferry/admin"
	"postferry/admin/access"
	"postferry/admin/finishing"
	"postferry/config"
	"postferry/internal/demo/clouds"
	"postferry/store"
)

// held lets questions to a provider wait: once all of them have come, they wait for what ends to have ended.
type held struct {
	come chan struct{}
	open chan struct{}
}

func (p *page) hold(path string) *held {
	h := &held{come: make(chan struct{}, 100), open: make(chan struct{})}
	p.asked = func(at string) {
		if at == path {
			h.come <- struct{}{}
			<-h.open
		}
	}
	return h
}

// around does something while so many questions wait.
func (h *held) around(n int, do func()) {
	for range n {
		<-h.come
	}
	do()
	close(h.open)
}

// endings are what removes what people have agreed to in a domain, all of it.
func endings(p *page, c *caller, domain string) map[string]func() {
	d := "/api/v1/domains/" + domain
	accounts := func(do string) { c.want(200, "POST", d+do, map[string]any{"all": true}, nil) }
	return map[string]func(){
		"removed":   func() { accounts("/accounts/remove") },
		"forgotten": func() { c.want(204, "POST", d+"/forget", nil, nil) },
		"finished": func() {
			accounts("/begin")
			c.want(202, "POST", d+"/finish/prepare", nil, nil)
			eventually(p.t, "it is prepared", func() bool { return p.app.Finishing.ViewPrepare(domain).State == "done" })
			c.want(200, "POST", d+"/finish", finishing.FinishInput{Accept: true}, nil)
		},
		"domain removed": func() {
			accounts("/accounts/remove")
			c.want(204, "DELETE", d, nil, nil)
		},
		"sign-in forgotten": func() { c.want(200, "DELETE", d+"/sign-in/old", nil, nil) },
		"signed in otherwise": func() {
			in := admin.SignInInput{Method: config.Master, Login: "boss", Secret: "of the boss", Separator: "*"}
			if err := p.app.Tenants.PutSignIn(p.t.Context(), access.CommandLine(), domain, store.OldSide, in); err != nil {
				p.t.Error(err)
			}
		},
	}
}

// TestEndedWhileItIsAgreedTo: several people's agreements are on their way, their codes being exchanged, when what they agree to
// ends in that instant, in whatever way. None of them is kept, and none stays at the provider.
func TestEndedWhileItIsAgreedTo(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "")
	const domain = "c.example"
	for name, end := range endings(p, c, domain) {
		for way, set := range map[string]func(*caller, string, []string, *clouds.OpenID) (wait func()){"browser": onTheWay, "code": codesEntered} {
			if way == "code" && name != "finished" && name != "sign-in forgotten" { // a provider is asked once a second whether a code has been entered
				continue
			}
			p.asked = nil
			provider := p.agreeing(domain, store.OldSide)
			people := []string{"anna@" + domain, "bert@" + domain, "clara@" + domain}
			p.put(domain, people...)
			h := p.hold("/token")
			wait := set(c, domain, people, provider)
			h.around(len(people), end)
			wait()
			eventually(t, name+", "+way+": no agreement stays at the provider", func() bool { return provider.Refreshes() == 0 && provider.Issued() >= len(people) })
			if all, err := p.store.Consents(t.Context(), domain); err != nil || len(all) > 0 {
				t.Errorf("%s, %s: %d agreements are kept, %v", name, way, len(all), err)
			}
			if _, there := p.directory.DomainNamed(domain); there {
				c.want(204, "POST", "/api/v1/domains/"+domain+"/forget", nil, nil)
			}
		}
	}
	p.tellsNothing(clientSecret, "refresh-", "access-")
}

// onTheWay has people's browsers come back from the provider.
func onTheWay(c *caller, domain string, people []string, _ *clouds.OpenID) (wait func()) {
	var coming sync.WaitGroup
	for _, who := range people {
		back, err := clouds.Answer(clouds.Browser(), c.sendTo(domain, store.OldSide, who), who)
		if err != nil {
			c.t.Fatal(err)
		}
		coming.Go(func() {
			if got := c.comeBack(back); got.StatusCode == 303 {
				c.t.Errorf("%s has agreed", who)
			}
		})
	}
	return coming.Wait
}

// codesEntered has people enter codes at the provider.
func codesEntered(c *caller, domain string, people []string, provider *clouds.OpenID) (wait func()) {
	for _, who := range people {
		var code admin.ConsentCodeView
		c.want(202, "POST", "/api/v1/domains/"+domain+"/consents/old/codes", map[string]any{"mailbox": who}, &code)
		if !provider.Accept(code.Code, who) {
			c.t.Fatal("the code is not known")
		}
	}
	return func() {}
}

// putting is a store in which something happens whenever a way to sign in has just been kept.
type putting struct {
	admin.Store
	kept func()
}

func (s *putting) PutSignIn(ctx context.Context, in store.SignIn) error {
	err := s.Store.PutSignIn(ctx, in)
	if s.kept != nil {
		s.kept()
	}
	return err
}

// TestPutByTwo: two say in the same instant how to sign in, or one that and the other that it is forgotten. What is known afterwards
// is what is kept.
func TestPutByTwo(t *testing.T) {
	var st *putting
	p := startPage(t, func(opt *Options) {
		st = &putting{Store: opt.Store}
		opt.Store = st
	})
	const domain = "c.example"
	p.putDomain(domain, "imaps://old.example", "imaps://new.example")
	put := func(login string) error {
		return p.app.Tenants.PutSignIn(t.Context(), access.CommandLine(), domain, store.OldSide,
			admin.SignInInput{Method: config.Master, Login: login, Secret: "of the boss", Separator: "*"})
	}
	forget := func() error {
		_, err := p.app.Tenants.ForgetSignIn(t.Context(), access.CommandLine(), domain, store.OldSide)
		return err
	}
	for name, other := range map[string]func() error{"put": func() error { return put("second") }, "forgotten": forget} {
		ended := make(chan error, 1)
		st.kept = func() {
			st.kept = nil
			go func() { ended <- other() }()
			select { // it has to wait
			case err := <-ended:
				ended <- err
			case <-time.After(100 * time.Millisecond):
			}
		}
		if err := errors.Join(put("first"), <-ended); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		kept, err := p.store.SignIns(t.Context())
		want, known := "", ""
		if len(kept) > 0 {
			want = kept[0].Login
		}
		if d, _ := p.directory.DomainNamed(domain); d.Old.SignIn != nil {
			known = d.Old.SignIn.Login
		}
		if err != nil || known != want || st.kept != nil {
			t.Errorf("%s: %q is known, %q is kept, %v", name, known, want, err)
		}
	}
}

// TestEndedWhileItIsPut: how to sign in is being put when it ends in that instant, in whatever way but for those that wait. It is known afterwards if it is
// kept, and only then; also if the domain is set up again.
func TestEndedWhileItIsPut(t *testing.T) {
	var st *putting
	p := startPage(t, func(opt *Options) {
		st = &putting{Store: opt.Store}
		opt.Store = st
	})
	c := p.admin("anna", "")
	const domain = "c.example"
	for name, end := range endings(p, c, domain) {
		if name == "signed in otherwise" || name == "sign-in forgotten" { // TestPutByTwo
			continue
		}
		p.putDomain(domain, "imaps://old.example", "imaps://new.example")
		p.put(domain, "anna@"+domain)
		struck := false
		st.kept = func() {
			struck = true
			end()
		}
		_ = p.app.Tenants.PutSignIn(t.Context(), access.CommandLine(), domain, store.OldSide,
			admin.SignInInput{Method: config.Master, Login: "boss", Secret: "of the boss", Separator: "*"}) // a domain that is gone is told of
		p.putDomain(domain, "imaps://old.example", "imaps://new.example")
		kept, err := p.store.SignIns(t.Context())
		d, _ := p.directory.DomainNamed(domain)
		if want := name == "removed"; err != nil || !struck || len(kept) > 0 != want || d.Old.SignIn != nil != want {
			t.Errorf("%s: %d kept, known: %v, %v", name, len(kept), d.Old.SignIn != nil, err)
		}
		c.want(204, "POST", "/api/v1/domains/"+domain+"/forget", nil, nil)
	}
}
