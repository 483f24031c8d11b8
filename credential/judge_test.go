package credential

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
)

// refusal is what a server says no with.
func refusal(text string, class link.Class, tokens bool) error {
	e := &link.Error{Server: "imap.example:993", Role: link.RoleOld, Op: "login", Class: class, Text: text, Code: imap.ResponseCodeAuthenticationFailed}
	if tokens {
		e.Token = &link.TokenRefusal{}
	}
	return e
}

// claims is a token that says something of itself.
func claims(text string) store.Secret {
	return store.Secret("e30." + base64.RawURLEncoding.EncodeToString([]byte(text)) + ".c2ln")
}

// TestJudge: what a refusal means, by what is known of the other mailboxes and of the token.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method config.SignInMethod
		let    bool // another mailbox was let in before
		err    error
		secret store.Secret // "" for the one that the provider gave
		kind   store.ProblemKind
		tenant bool
		lasts  bool
	}{
		{"the first mailbox", config.Microsoft, false, refusal("AUTHENTICATE failed.", link.Fix, true), "", store.PrincipalMissing, true, false},
		{"one of many", config.Microsoft, true, refusal("AUTHENTICATE failed.", link.Fix, true), "", store.MailboxRefused, false, true},
		{"not connected", config.Microsoft, false, refusal("User is authenticated but not connected.", link.Later, true), "", store.MailboxRefused, false, false},
		{"no permission", config.Microsoft, false, refusal("AUTHENTICATE failed.", link.Fix, true), claims(`{"iss":"x"}`), store.PermissionMissing, true, false},
		{"another permission", config.Microsoft, true, refusal("AUTHENTICATE failed.", link.Fix, true), claims(`{"iss":"x","roles":["Mail.Read"]}`), store.PermissionMissing, true, false},
		{"the permission", config.Microsoft, true, refusal("AUTHENTICATE failed.", link.Fix, true), claims(`{"iss":"x","roles":["IMAP.AccessAsApp"]}`), store.MailboxRefused, false, true},
		{"IMAP is off", config.Google, true, refusal("Your account is not enabled for IMAP use.", link.Fix, true), "", store.IMAPOff, false, true},
		{"IMAP is off for all", config.Google, false, refusal("IMAP access is disabled for your domain.", link.Fix, true), "", store.IMAPOff, true, true},
		{"Gmail", config.Google, true, refusal("Invalid credentials (Failure)", link.Fix, true), "", store.TokenRefused, false, true},
		{"master", config.Master, false, refusal("no", link.Fix, false), "", store.MasterRefused, true, false},
		{"master, one of many", config.Master, true, refusal("no", link.Fix, false), "", store.MailboxRefused, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.serve(t, tt.method == config.Google)
			server := w.signIn(tt.method, nil)
			since := time.Now()
			in, err := w.SignIn(t.Context(), server, "anna@contoso.example")
			if err != nil {
				t.Fatal(err)
			}
			if tt.secret != "" { // what it gave says something of itself
				in.Secret = tt.secret
				w.tenant(server).source("anna@contoso.example").now.secret = tt.secret
			}
			if tt.let {
				if again, err := w.Judge(server, "bert@contoso.example", in, since, nil); again || err != nil {
					t.Fatal(again, err)
				}
			}
			again, err := w.Judge(server, "anna@contoso.example", in, since, tt.err)
			e, _ := errors.AsType[*Error](err)
			if tt.lasts && in.Token && !tt.tenant && e != nil && e.Lasting {
				t.Error("one refusal counts for good")
			}
			if tt.lasts && in.Token {
				again, err = w.Judge(server, "anna@contoso.example", in, since, tt.err)
				e, _ = errors.AsType[*Error](err)
			}
			if again || e == nil || e.Kind != tt.kind || e.Tenant != tt.tenant || e.Lasting != tt.lasts {
				t.Errorf("again %v, %+v", again, err)
			}
			if !errors.Is(err, tt.err) {
				t.Error("the server's own words are lost")
			}
			w.wantSilence(t, err)
		})
	}
}

// TestTokenEndsEarly: a token that is not new, and is refused, is given up for another; once for all
// who hold it, and the next one only when it is refused in turn.
func TestTokenEndsEarly(t *testing.T) {
	w := newWorld(t)
	w.serve(t, false)
	server := w.signIn(config.Microsoft, nil)
	inTime(t, 0, func(t *testing.T) {
		first, err := w.SignIn(t.Context(), server, "anna@contoso.example")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		since, no := time.Now(), refusal("AUTHENTICATE failed.", link.Fix, true)
		for _, login := range []string{"anna@contoso.example", "bert@contoso.example"} {
			if again, _ := w.Judge(server, login, first, since, no); !again {
				t.Errorf("%s: no other token is tried", login)
			}
		}
		second, err := w.SignIn(t.Context(), server, "anna@contoso.example")
		if err != nil || second.Secret == first.Secret || w.microsoft.Issued() != 2 {
			t.Fatalf("%v, %d tokens", err, w.microsoft.Issued())
		}
		// It was fetched for this attempt: now it is a problem.
		if again, err := w.Judge(server, "anna@contoso.example", second, since, no); again || kindOf(err) != store.PrincipalMissing {
			t.Errorf("again %v, %v", again, err)
		}
		// For a later attempt within the next seconds it may be the token, but no other one is fetched.
		time.Sleep(time.Second)
		again, err := w.Judge(server, "bert@contoso.example", second, time.Now(), no)
		if e, _ := errors.AsType[*Error](err); again || e == nil || e.Lasting {
			t.Errorf("again %v, %v", again, err)
		}
		time.Sleep(10 * time.Second)
		if again, _ := w.Judge(server, "bert@contoso.example", second, time.Now(), no); !again {
			t.Error("no other token is tried later")
		}
	})
}

// TestToldOnce: what is wrong with all mailboxes is told once, and once that it is over.
func TestToldOnce(t *testing.T) {
	w := newWorld(t)
	w.serve(t, false)
	server := w.signIn(config.Microsoft, func(in *config.SignIn) { in.Secret = "other" })
	inTime(t, 0, func(t *testing.T) {
		for range 20 {
			if _, err := w.SignIn(t.Context(), server, "anna@contoso.example"); kindOf(err) != store.ApplicationRefused {
				t.Fatal(err)
			}
		}
		w.microsoft.Apps[0].Secret = "other"
		time.Sleep(10 * time.Minute)
		in, err := w.SignIn(t.Context(), server, "anna@contoso.example")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Judge(server, "anna@contoso.example", in, time.Now(), nil); err != nil || w.Problem(domain, store.OldSide) != nil {
			t.Error(err)
		}
		var lines int
		for _, c := range w.log.Bytes() {
			if c == '\n' {
				lines++
			}
		}
		if lines != 2 {
			t.Errorf("told %d times:\n%s", lines, &w.log)
		}
		w.wantSilence(t, nil)
	})
}

// TestEndedAtTheServer: a server that ends a connection because the token has come to its end, instead of refusing it, is shown
// another one as well; but not one after the other.
func TestEndedAtTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.serve(t, false)
	server, ended := w.signIn(config.Microsoft, nil), refusal("Session invalidated - AccessTokenExpired", link.Later, false)
	first, err := w.SignIn(t.Context(), server, anna)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Millisecond)
	since := time.Now()
	if again, _ := w.Judge(server, anna, first, since, refusal("Server is busy", link.Later, false)); again {
		t.Error("whatever the server says, it is shown another token")
	}
	if again, _ := w.Judge(server, anna, first, since, ended); !again {
		t.Error("it is not shown another token")
	}
	second, err := w.SignIn(t.Context(), server, anna)
	if err != nil || second.Secret == first.Secret {
		t.Errorf("the same token again, %v", err)
	}
	again, err := w.Judge(server, anna, second, since, ended)
	if e, _ := errors.AsType[*link.Error](err); again || e == nil || e.Class != link.Later {
		t.Errorf("ended with a token that is new: %v, %v", again, err)
	}
}
