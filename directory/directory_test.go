package directory

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
	"golang.org/x/oauth2/jwt"

	"postferry/internal/demo/clouds"
)

// waits notes the pauses between questions, in a bubble: no time passes there while somebody is asked.
type waits struct {
	all  []time.Duration
	last time.Time // of a question
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (w *waits) RoundTrip(r *http.Request) (*http.Response, error) {
	now := time.Now()
	if !w.last.IsZero() && now.After(w.last) {
		w.all = append(w.all, now.Sub(w.last))
	}
	w.last = now
	return w.next.RoundTrip(r)
}

// noting is a client whose questions are noted.
func noting(client *http.Client) (*http.Client, *waits) {
	w := &waits{next: client.Transport}
	return &http.Client{Transport: w}, w
}

// serve starts a service for a test with a bubble, in which no connection may stay.
func serve(t *testing.T, service http.Handler) (url string) {
	t.Helper()
	server := httptest.NewServer(service)
	t.Cleanup(server.Close)
	server.Config.SetKeepAlivesEnabled(false)
	return server.URL
}

// inBubble does something in time that passes at once, from now on.
func inBubble(t *testing.T, do func(t *testing.T)) {
	t.Helper()
	begun := time.Now()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(begun)) // those who are asked are not in it
		do(t)
	})
}

// microsoft is a tenant and a client with an application's token.
func microsoft(t *testing.T, m *clouds.Microsoft) (Microsoft, *waits) {
	t.Helper()
	m.Tenant = "tenant-1"
	if m.Apps == nil {
		m.Apps = []clouds.App{{ID: "app", Secret: "hush", Roles: []string{clouds.RoleUsers, clouds.RoleSettings}}}
	}
	url := serve(t, m)
	cfg := clientcredentials.Config{ClientID: "app", ClientSecret: "hush", TokenURL: m.TokenURL(url), Scopes: []string{GraphScope}, AuthStyle: oauth2.AuthStyleInParams}
	client, w := noting(cfg.Client(context.Background()))
	return Microsoft{Client: client, URL: m.GraphURL(url)}, w
}

func contoso() []clouds.Mailbox {
	return []clouds.Mailbox{
		{Address: "berta@contoso.example", Name: "Berta", Aliases: []string{"b@contoso.example", "berta@other.example"}},
		{Address: "Anna@contoso.example", Name: "Anna\u202e\n"},
		{Address: "info@contoso.example", Name: "Info", Kind: clouds.Shared, Unlicensed: true},
		{Address: "hall@contoso.example", Name: "Hall", Kind: clouds.Room, Unlicensed: true},
		{Address: "left@contoso.example", Name: "Left", Suspended: true},
		{Address: "robot@contoso.example", NoMailbox: true},
		{Address: "guest@elsewhere.example", Guest: true, NoMailbox: true},
	}
}

// line is a mailbox on a line.
func line(m Mailbox) string {
	text := m.Address + " " + string(m.Kind)
	for _, mark := range []struct {
		set  bool
		name string
	}{{m.Guessed, "guessed"}, {m.Licensed, "licensed"}, {m.Suspended, "suspended"}} {
		if mark.set {
			text += " " + mark.name
		}
	}
	return strings.TrimSpace(text + " " + strings.Join(m.Aliases, ","))
}

func lines(all []Mailbox) string {
	out := make([]string, len(all))
	for i, m := range all {
		out[i] = line(m)
	}
	return strings.Join(out, "\n")
}

func TestMicrosoft(t *testing.T) {
	t.Parallel()
	want := `Anna@contoso.example user licensed
berta@contoso.example user licensed b@contoso.example,berta@other.example
hall@contoso.example room suspended
info@contoso.example shared suspended
left@contoso.example user licensed suspended`
	fake := &clouds.Microsoft{People: contoso(), PageMost: 2}
	m, _ := microsoft(t, fake)
	got, err := m.List(t.Context())
	if err != nil || lines(got) != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, lines(got), want)
	}
	if got[0].Name != "Anna" {
		t.Errorf("a name that turns the line: %q", got[0].Name)
	}

	fake.Apps[0].Roles = []string{clouds.RoleUsers}
	m, _ = microsoft(t, &clouds.Microsoft{People: contoso(), Apps: fake.Apps})
	want = strings.ReplaceAll(strings.ReplaceAll(want, "room", "shared guessed"), "info@contoso.example shared", "info@contoso.example shared guessed")
	if got, err := m.List(t.Context()); err != nil || lines(got) != want {
		t.Errorf("without %s: %v, got\n%s\nwant\n%s", GraphSettings, err, lines(got), want)
	}
}

func TestMicrosoftRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		app    clouds.App
		reason Reason
		set    string
	}{
		{"without the permission", clouds.App{ID: "app", Secret: "hush"}, Permission, GraphUsers},
		{"with another secret", clouds.App{ID: "app", Secret: "other", Roles: []string{clouds.RoleUsers}}, Token, "Microsoft Graph (" + GraphScope + ")"},
	} {
		m, w := microsoft(t, &clouds.Microsoft{People: contoso(), Apps: []clouds.App{c.app}})
		inBubble(t, func(t *testing.T) {
			_, err := m.List(t.Context())
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Reason != c.reason || e.Set != c.set || e.Later() || len(w.all) > 0 {
				t.Errorf("%s: %v (%+v), after %v", c.name, err, e, w.all)
			}
			if strings.Contains(e.Error()+e.Cause, "hush") {
				t.Errorf("%s: the secret is told: %s %s", c.name, e, e.Cause)
			}
		})
	}
}

func TestPatience(t *testing.T) {
	t.Parallel()
	fake := &clouds.Microsoft{People: contoso(), PageMost: 2}
	m, w := microsoft(t, fake)
	inBubble(t, func(t *testing.T) {
		if _, err := m.List(t.Context()); err != nil {
			t.Fatal(err)
		}
		fake.Throttle(2, 7*time.Second)
		if got, err := m.List(t.Context()); err != nil || len(got) != 5 || fmt.Sprint(w.all) != "[7s 7s]" {
			t.Errorf("twice 7 s: %v, %d mailboxes, waited %v", err, len(got), w.all)
		}
		fake.Throttle(1, time.Hour)
		_, err := m.List(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != Throttled || e.After != time.Hour || !e.Later() || len(w.all) != 2 {
			t.Errorf("an hour: %v, waited %v", err, w.all)
		}
		fake.SetDown(true)
		w.all, w.last = nil, time.Time{}
		_, err = m.List(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != Unreachable || len(w.all) != maxTries-1 || w.all[4] <= w.all[0] {
			t.Errorf("down: %v, waited %v", err, w.all)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.List(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("called off: %v", err)
		}
	})
}

// TestElsewhere: the token goes to no other server, whatever the directory says.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server was asked for %s with %q", r.URL, r.Header.Get("Authorization"))
	}))
	defer thief.Close()
	client := oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "secret"}))
	for name, answer := range map[string]func(http.ResponseWriter, *http.Request){
		"next": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"@odata.nextLink":%q}`, thief.URL+"/users")
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL+"/users", http.StatusFound)
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(answer))
		_, err := Microsoft{Client: client, URL: server.URL}.List(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != Answer {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// TestEndless: a directory that never comes to its end is left.
func TestEndless(t *testing.T) {
	t.Parallel()
	client := oauth2.NewClient(t.Context(), oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "secret"}))
	few := bounds{mailboxes: 100, pages: 20, page: 10_000}
	for name, size := range map[string]int{"pages": 1, "users": 30, "octets": 10_001} {
		var server *httptest.Server
		server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if name == "octets" {
				_, _ = w.Write([]byte(strings.Repeat(" ", size)))
				return
			}
			users := make([]graphUser, size)
			for i := range users {
				users[i] = graphUser{Mail: "a@x.example", Plans: []struct {
					Service string `json:"service"`
					Status  string `json:"capabilityStatus"`
				}{{"exchange", "Enabled"}}}
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"value": users, "@odata.nextLink": server.URL + "/users"})
		}))
		_, err := Microsoft{Client: client, URL: server.URL, bounds: few}.List(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != TooMany {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

// google is a Workspace and a client with a token that acts for somebody.
func google(t *testing.T, subject string, delegated ...string) (*clouds.Google, Google, *waits) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	account := clouds.ServiceAccount{Email: "ferry@project.example", Key: key, KeyID: "k", Delegated: delegated}
	g := &clouds.Google{Domain: "acme.example", PageMost: 2, Accounts: []clouds.ServiceAccount{account}, People: []clouds.Mailbox{
		{Address: "admin@acme.example", Name: "Admin", Admin: true}, {Address: "berta@acme.example", Name: "Berta", Aliases: []string{"b@acme.example"}},
		{Address: "left@acme.example", Suspended: true}, {Address: "none@acme.example", NoMailbox: true},
	}}
	url := serve(t, g)
	file, err := account.KeyFile(url)
	if err != nil {
		t.Fatal(err)
	}
	var parts map[string]string
	if err := json.Unmarshal(file, &parts); err != nil {
		t.Fatal(err)
	}
	cfg := jwt.Config{Email: account.Email, PrivateKey: []byte(parts["private_key"]), PrivateKeyID: "k", TokenURL: url + "/token", Subject: subject, Scopes: []string{GoogleScope}}
	client, w := noting(cfg.Client(context.Background()))
	return g, Google{Client: client, URL: g.DirectoryURL(url)}, w
}

func TestGoogle(t *testing.T) {
	t.Parallel()
	fake, g, w := google(t, "admin@acme.example", GoogleScope)
	want := `admin@acme.example user licensed
berta@acme.example user licensed b@acme.example
left@acme.example user licensed suspended
none@acme.example user`
	_, noAdmin, _ := google(t, "berta@acme.example", GoogleScope)
	_, undelegated, none := google(t, "admin@acme.example")
	inBubble(t, func(t *testing.T) {
		got, err := g.List(t.Context())
		if err != nil || lines(got) != want {
			t.Errorf("%v, got\n%s\nwant\n%s", err, lines(got), want)
		}
		fake.Throttle(1, 3*time.Second)
		g.Domain = "acme.example"
		if got, err := g.List(t.Context()); err != nil || lines(got) != want || fmt.Sprint(w.all) != "[3s]" {
			t.Errorf("throttled: %v, waited %v", err, w.all)
		}
		fake.NoDirectory = true
		_, err = g.List(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != APIOff || e.Set != GoogleAPI {
			t.Errorf("without the API: %v", err)
		}
		_, err = noAdmin.List(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != NotAdmin {
			t.Errorf("for somebody who is no administrator: %v", err)
		}
		_, err = undelegated.List(t.Context())
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != Token || e.Set != GoogleScope || len(none.all) > 0 {
			t.Errorf("without delegation: %v, waited %v", err, none.all)
		}
	})
}

// TestQuota: Google says 403 for what passes, too.
func TestQuota(t *testing.T) {
	t.Parallel()
	asked := 0
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"code":403,"errors":[{"domain":"usageLimits","reason":"userRateLimitExceeded"}]}}`)
			return
		}
		fmt.Fprint(w, `{"users":[{"primaryEmail":"a@acme.example","isMailboxSetup":true}]}`)
	}))
	client, w := noting(&http.Client{Transport: http.DefaultTransport})
	inBubble(t, func(t *testing.T) {
		got, err := Google{Client: client, URL: url}.List(t.Context())
		if err != nil || len(got) != 1 || len(w.all) != 1 {
			t.Errorf("%v, %v, waited %v", got, err, w.all)
		}
	})
}

func TestChoose(t *testing.T) {
	t.Parallel()
	all := []Mailbox{
		{Address: "c@x.example", Kind: User, Mail: true}, {Address: "B@x.example", Name: "Berta Braun", Kind: Shared, Mail: true, Suspended: true},
		{Address: "a@x.example", Kind: User, Mail: true, Suspended: true}, {Address: "hall@x.example", Kind: Room, Mail: true},
		{Address: "d@y.example", Aliases: []string{"dora@x.example"}, Kind: User, Mail: true}, {Address: "e@x.example", Kind: User},
	}
	for want, f := range map[string]Filter{
		"B@x.example c@x.example d@y.example": {},
		"B@x.example c@x.example":             {Domain: "X.example"},
		"d@y.example":                         {Search: " DORA"},
		"B@x.example":                         {Search: "braun"},
		"hall@x.example":                      {Kinds: []Kind{Room}},
		"a@x.example c@x.example d@y.example": {Kinds: []Kind{User}, Suspended: true},
	} {
		var got []string
		for _, m := range f.Choose(all) {
			got = append(got, m.Address)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%+v: %v, want %s", f, got, want)
		}
	}
}

func TestMap(t *testing.T) {
	t.Parallel()
	all := []Mailbox{{Address: "Anna@x.example"}, {Address: "b@x.example"}, {Address: "b@y.example"}, {Address: "c@x.example"}}
	for _, c := range []struct {
		rule       Rule
		want, twin string
	}{
		{Rule{}, "Anna@x.example b@x.example b@y.example c@x.example", "[]"},
		{Rule{Domain: "new.example"}, "Anna@new.example b@new.example c@new.example", "[{b@new.example b@x.example b@y.example}]"},
		{Rule{LocalPart: true}, "Anna b c", "[{b b@x.example b@y.example}]"},
		{Rule{Domain: "new.example", Exceptions: map[string]string{"anna@x.example": "a.meier", "b@y.example": "B2@new.example", "c@x.example": ""}}, "a.meier b@new.example B2@new.example", "[]"},
	} {
		moves, clashes := c.rule.Map(all)
		var got []string
		for _, m := range moves {
			got = append(got, m.New)
		}
		if strings.Join(got, " ") != c.want || fmt.Sprint(clashes) != c.twin {
			t.Errorf("%+v: %v %v, want %s %s", c.rule, got, clashes, c.want, c.twin)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 30, 8, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-5": 0, "x": 0, "99999999999": 0,
		now.Add(time.Minute).Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).Format(http.TimeFormat): 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
