package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"postferry/internal/lab/inmemory"
	"postferry/internal/pause"
	"postferry/proxy/admission"
	"postferry/store"
)

// known is an imported account with other credentials at the new server, which were given
// together.
func known(oldPassword, newLogin, newPassword string) store.Account {
	return store.Account{
		ID: 7, Domain: "example.com", Login: "joe@example.com", State: store.Active, Origin: store.Imported,
		Old:      store.Credentials{Login: "joe@example.com", Password: store.Secret(oldPassword)},
		New:      store.Credentials{Login: newLogin, Password: store.Secret(newPassword)},
		OldOpens: true,
	}
}

// alone is an account whose old password was set without the new one.
func alone(oldPassword, newLogin, newPassword string) store.Account {
	a := known(oldPassword, newLogin, newPassword)
	a.OldOpens = false
	return a
}

// ofDomain is an account as it is in another domain.
func ofDomain(domain, login string, a store.Account) store.Account {
	a.Domain, a.Login = domain, login
	return a
}

const (
	welcome = "OK [CAPABILITY IMAP4rev1 LITERAL+ IDLE] Logged in\n"
	wrong   = "NO [AUTHENTICATIONFAILED] Authentication failed.\n"         // says the new server
	unasked = "NO [AUTHENTICATIONFAILED] Login or password is not right\n" // says Postferry
	down    = "NO [UNAVAILABLE] The mail server can't be reached just now, try again later\n"
)

func TestLogins(t *testing.T) {
	t.Parallel()
	passwords := map[string]string{"j.new": "new pw", "changed": "mine", "both": "same", "solo@example.com": "pw \"x\\"}
	tests := []struct {
		name     string
		account  store.Account
		enrol    bool // the old server accepts as well
		says     string
		hears    string
		attempts []string // at the new server
		calls    []string // of the ferry, before the client is gone
		newPW    string   // recorded afterwards
		by       opener   // in the log; "" for nobody logged in
	}{
		{"old password", known("old pw", "j.new", "new pw"), false, `LOGIN joe@example.com "old pw"`, welcome,
			[]string{"j.new new pw"}, []string{"connected 7"}, "new pw", byOld},
		{"new password", known("old pw", "j.new", "new pw"), false, `LOGIN JOE@example.com "new pw"`, welcome,
			[]string{"j.new new pw"}, []string{"connected 7"}, "new pw", byNew},
		{"neither", known("old pw", "j.new", "new pw"), false, `LOGIN joe@example.com guess`, wrong,
			[]string{"j.new guess"}, nil, "new pw", ""},
		{"changed there", known("old pw", "changed", "stale"), false, `LOGIN joe@example.com mine`, welcome,
			[]string{"changed mine"}, []string{"updated [7]", "connected 7"}, "mine", byServer},
		{"changed there, to the old one", known("mine", "changed", "stale"), false, `LOGIN joe@example.com mine`, welcome,
			[]string{"changed stale", "changed mine"}, []string{"updated [7]", "connected 7"}, "mine", byServer},
		{"changed there, the recorded one is refused", known("old pw", "changed", "stale"), false, `LOGIN joe@example.com stale`, wrong,
			[]string{"changed stale"}, nil, "stale", ""},
		{"changed there, the old one is refused", known("old pw", "changed", "stale"), false, `LOGIN joe@example.com "old pw"`, wrong,
			[]string{"changed stale", "changed old pw"}, nil, "stale", ""},
		{"empty password on record", known("", "both", "same"), false, `LOGIN joe@example.com ""`, unasked, nil, nil, "same", ""},
		{"enrolled", store.Account{}, true, `LOGIN solo@example.com "pw \"x\\"`, welcome,
			[]string{`solo@example.com pw "x\`}, []string{"enrol solo@example.com example.com old solo@example.com new solo@example.com", "connected 9"}, "", byServer},
		{"not enrolled", store.Account{}, false, `LOGIN solo@example.com "pw \"x\\"`, welcome,
			[]string{`solo@example.com pw "x\`}, []string{"enrol solo@example.com example.com old solo@example.com new solo@example.com"}, "", byServer},
		{"unknown and refused", store.Account{}, true, `LOGIN solo@example.com x`, wrong, []string{"solo@example.com x"}, nil, "", ""},
		{"unknown domain", store.Account{}, true, `LOGIN solo@elsewhere.example x`, unasked, nil, nil, "", ""},
		{"control characters", store.Account{}, true, "LOGIN {3+}\nj\x01o x", unasked, nil, nil, "", ""},
		{"endless login", store.Account{}, true, "LOGIN " + strings.Repeat("x", 600) + "@example.com x", unasked, nil, nil, "", ""},
		{"initial response", known("old pw", "j.new", "new pw"), false, "AUTHENTICATE PLAIN " + saslPlain("joe@example.com", "joe@example.com", "old pw"), welcome,
			[]string{"j.new new pw"}, []string{"connected 7"}, "new pw", byOld},
		{"old password set alone", alone("evil", "j.new", "new pw"), false, `LOGIN joe@example.com evil`, wrong,
			[]string{"j.new evil"}, nil, "new pw", ""},
		{"old password set alone, new one given", alone("evil", "j.new", "new pw"), false, `LOGIN joe@example.com "new pw"`, welcome,
			[]string{"j.new new pw"}, []string{"connected 7"}, "new pw", byNew},
		{"old password set alone, the same as the new one", alone("new pw", "j.new", "new pw"), false, `LOGIN joe@example.com "new pw"`, welcome,
			[]string{"j.new new pw"}, []string{"connected 7"}, "new pw", byNew},
		{"old password set alone, the new server takes it", alone("mine", "changed", "stale"), false, `LOGIN joe@example.com mine`, welcome,
			[]string{"changed mine"}, []string{"updated [7]", "connected 7"}, "mine", byServer},
		{"account of another domain", ofDomain("other.example", "solo@example.com", known("evil", "j.new", "new pw")), false, `LOGIN solo@example.com "pw \"x\\"`, welcome,
			[]string{`solo@example.com pw "x\`}, []string{"enrol solo@example.com example.com old solo@example.com new solo@example.com"}, "new pw", byServer},
		{"account of another domain, its password", ofDomain("other.example", "solo@example.com", known("evil", "j.new", "new pw")), false, `LOGIN solo@example.com evil`, wrong,
			[]string{"solo@example.com evil"}, nil, "new pw", ""},
		{"login of no domain, account of this one", ofDomain("example.com", "solo@elsewhere.example", known("old pw", "j.new", "new pw")), false, `LOGIN solo@elsewhere.example "old pw"`, unasked,
			nil, nil, "new pw", ""},
		{"login without domain, account of another domain", ofDomain("other.example", "solo", known("old pw", "j.new", "new pw")), false, `LOGIN solo "old pw"`, wrong,
			[]string{"solo old pw"}, nil, "new pw", ""},
		{"login without domain", ofDomain("example.com", "solo", known("old pw", "j.new", "new pw")), false, `LOGIN solo "old pw"`, welcome,
			[]string{"j.new new pw"}, []string{"connected 7"}, "new pw", byOld},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := startFakeServer(t, passwords)
			p := startProxy(t, f.config(), func(p *proxyRig) {
				if tt.account.ID != 0 {
					p.store.accounts[tt.account.Login] = tt.account
				}
				if tt.enrol {
					p.ferry.enrol = func(a store.Account) (store.Account, error) { a.ID = 9; return a, nil }
				}
			})
			c := p.greeted(t)
			c.says("a " + tt.says + "\n")
			c.hears("a " + tt.hears)
			if got := f.attempts(); !slices.Equal(got, tt.attempts) {
				t.Errorf("attempts %q; want %q", got, tt.attempts)
			}
			if got := p.ferry.noted(); !slices.Equal(got, tt.calls) {
				t.Errorf("calls %q; want %q", got, tt.calls)
			}
			if got := p.store.accounts[tt.account.Login].New.Password.Reveal(); got != tt.newPW {
				t.Errorf("recorded %q; want %q", got, tt.newPW)
			}
			c.Close()
			p.stop()
			if by, _ := logged(t, p.log.String(), "logged in")["by"].(string); by != string(tt.by) {
				t.Errorf("the log says that %q let somebody in; want %q", by, tt.by)
			}
			for _, secret := range []string{"old pw", "new pw", "stale", "mine", "guess", "evil", `x\`} {
				if strings.Contains(p.log.String(), secret) {
					t.Errorf("%q is in the log: %s", secret, p.log)
				}
			}
		})
	}
}

// logged is the log's first line with a message; nil if there is none.
func logged(t *testing.T, log, message string) map[string]any {
	t.Helper()
	for line := range strings.Lines(log) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("%v in the log line %s", err, line)
		}
		if fields["message"] == message {
			return fields
		}
	}
	return nil
}

func TestRelayAfterLogin(t *testing.T) {
	f := startFakeServer(t, map[string]string{"joe@example.com": "pw"})
	p := startProxy(t, f.config(), func(p *proxyRig) {
		p.store.accounts["joe@example.com"] = known("pw", "joe@example.com", "pw")
	})
	c := p.greeted(t)
	// Everything in one breath: what follows the login is for the new server.
	c.says("a LOGIN joe@example.com pw\nb SELECT x\nc CAPABILITY\n")
	c.hears("a " + welcome + "b OK x\n* CAPABILITY IMAP4rev1 LITERAL+\nc OK x\n")
	c.Close()
	p.stop()
	want := []string{"connected 7", `visit 7 "x"`, "disconnected 7"}
	if got := p.ferry.noted(); !slices.Equal(got, want) {
		t.Errorf("calls %q; want %q", got, want)
	}
	if !strings.Contains(p.log.String(), `"message":"disconnected"`) {
		t.Errorf("log: %s", p.log)
	}
}

func TestStoppedAndFinishedAccountsAreRelayedAlone(t *testing.T) {
	for _, state := range []store.State{store.Stopped, store.Finished} {
		f := startFakeServer(t, map[string]string{"joe@example.com": "pw"})
		p := startProxy(t, f.config(), func(p *proxyRig) {
			a := known("pw", "joe@example.com", "pw")
			a.State = state
			p.store.accounts[a.Login] = a
		})
		c := p.greeted(t)
		c.says("a LOGIN joe@example.com pw\nb SELECT x\n")
		c.hears("a " + welcome + "b OK x\n")
		c.Close()
		p.stop()
		if got := p.ferry.noted(); len(got) > 0 {
			t.Errorf("%s: calls %q", state, got)
		}
	}
}

func TestNewServerUnwell(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := inmemory.NewListener()
		f := startFakeServerOn(t, l, nil)
		_, _, imap := startProxyInMemory(t, l, nil)
		c := connectInMemory(t, imap)
		c.hears(ready)
		for i, answer := range []string{"TAG NO [UNAVAILABLE]", "* BYE"} {
			f.set(answer)
			c.says(fmt.Sprintf("a%d LOGIN joe@example.com pw\n", i))
			c.hears(fmt.Sprintf("a%d %s", i, down))
		}
		f.set("hang")
		begun := time.Now()
		c.says("a LOGIN joe@example.com pw\n")
		c.hearsInTheEnd("a " + down)
		if took := time.Since(begun); took != loginBound {
			t.Errorf("a server that does not answer is waited for during %v", took)
		}
		f.Close()
		c.says("b LOGIN joe@example.com pw\n")
		c.hears("b " + down)
	})
}

func TestStoreUnwell(t *testing.T) {
	p := startProxy(t, nowhere, func(p *proxyRig) { p.store.err = errors.New("the disk is gone") })
	c := p.greeted(t)
	c.says("b LOGIN joe@example.com pw\n")
	c.hears("b " + down)
}

func TestGuessingIsSlow(t *testing.T) {
	f := startFakeServer(t, map[string]string{"joe@example.com": "pw"})
	p := startProxy(t, f.config(), func(p *proxyRig) {
		p.guard = admission.NewGuard(40, admission.Bounds{Burst: 3, Interval: time.Hour, Patience: time.Second}, perLogin())
	})
	c := p.greeted(t)
	for range 3 {
		c.says("a LOGIN joe@example.com x\n")
		c.hears("a " + wrong)
	}
	c.says("a LOGIN joe@example.com x\n")
	c.hears("a NO [UNAVAILABLE] Too many failed logins from your address, try again in a minute\n")
	if got := f.attempts(); len(got) != 3 {
		t.Errorf("attempts: %q", got)
	}
}

// TestGuessingByLogin: guesses for one login are limited from wherever they come.
func TestGuessingByLogin(t *testing.T) {
	f := startFakeServer(t, map[string]string{"joe@example.com": "pw"})
	p := startProxy(t, f.config(), func(p *proxyRig) {
		p.guard = admission.NewGuard(40, perAddress(), admission.Bounds{Burst: 3, Interval: time.Hour, Patience: time.Second})
	})
	c := p.greeted(t)
	for range 3 {
		c.says("a LOGIN joe@example.com x\n")
		c.hears("a " + wrong)
	}
	c.says("a LOGIN JOE@example.com x\n")
	c.hears("a NO [UNAVAILABLE] Too many failed logins with this login name, try again in a minute\n")
	if got := f.attempts(); len(got) != 3 {
		t.Errorf("attempts: %q", got)
	}
	if got := figures(t, p.Server)["postferry_client_logins_total result=limited"]; got != 1 {
		t.Errorf("%v are counted as limited", got)
	}
}

// TestRightPasswordPasses: who has a password that was right before, or is on record, gets in
// from an address and with a login name from which somebody is guessing. A recorded one that
// turned out to be wrong is tried once.
func TestRightPasswordPasses(t *testing.T) {
	t.Parallel()
	f := startFakeServer(t, map[string]string{"joe@example.com": "pw", "ann@example.com": "new"})
	p := startProxy(t, f.config(), func(p *proxyRig) {
		twice := admission.Bounds{Burst: 2, Interval: time.Hour, Patience: 100 * time.Millisecond}
		p.guard = admission.NewGuard(40, twice, twice)
		p.store.accounts["ann@example.com"] = known("old", "ann@example.com", "recorded")
	})
	try := func(login, password string) (let bool) {
		t.Helper()
		c := p.greeted(t)
		defer c.Close()
		c.says("a LOGIN " + login + " " + password + "\n")
		line, err := c.r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.HasPrefix(line, "a OK")
	}
	if !try("joe@example.com", "pw") {
		t.Fatal("the right password")
	}
	for range 5 {
		try("joe@example.com", "x")
	}
	if !try("joe@example.com", "pw") {
		t.Error("a password that was right before does not pass")
	}
	if n := len(f.attempts()); n != 1+2+1 {
		t.Errorf("the new server has heard %d attempts", n)
	}
	before := len(f.attempts())
	for range 3 {
		if try("ann@example.com", "recorded") {
			t.Error("let in with a password that is wrong")
		}
	}
	if n := len(f.attempts()) - before; n != 1 {
		t.Errorf("a recorded password that is wrong was tried %d times", n)
	}
}

func TestClientGoneWhileLoggingIn(t *testing.T) {
	f := startFakeServer(t, map[string]string{"joe@example.com": "pw"})
	p := startProxy(t, f.config(), func(p *proxyRig) {
		p.store.accounts["joe@example.com"] = known("pw", "joe@example.com", "pw")
	})
	c := p.greeted(t)
	c.says("a LOGIN joe@example.com pw\n")
	c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for !slices.Contains(p.ferry.noted(), "disconnected 7") {
		if ctx.Err() != nil {
			t.Fatalf("calls %q", p.ferry.noted())
		}
		pause.For(ctx, time.Millisecond)
	}
}
