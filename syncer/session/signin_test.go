package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/problem"
	"postferry/upstream/link"
)

// signedIn is a session of which only counts that it is there.
type signedIn struct{ Session }

// tokens gives out a token after the other, and tells another attempt with those that it is told to.
type tokens struct {
	given  int
	again  int // so many refusals are worth another attempt
	err    error
	judged []error
}

func (k *tokens) SignIn(context.Context, config.Server, string) (link.SignIn, error) {
	k.given++
	return link.SignIn{Login: "anna", Secret: store.Secret([]string{"", "one", "two", "three"}[k.given]), Token: true}, k.err
}

func (k *tokens) Judge(_ config.Server, _ string, in link.SignIn, since time.Time, err error) (bool, error) {
	k.judged = append(k.judged, err)
	if time.Since(since) > time.Minute {
		return false, errors.New("since when?")
	}
	return err != nil && len(k.judged) <= k.again, err
}

// lasting is an error that a person has to mend.
type lasting struct{ error }

func (e lasting) Unwrap() error { return e.error }

func (lasting) Describe(p *store.Problem) { p.Advice, p.Kind = store.NeedsFix, store.ConsentMissing }

func TestSigningIn(t *testing.T) {
	refused := &link.Error{Server: "imap.example:993", Op: "login", Class: link.Fix, Token: &link.TokenRefusal{}}
	away := errors.New("away")
	for _, tt := range []struct {
		name      string
		passwords bool // the server takes them
		keeper    *tokens
		takes     store.Secret // the token that the server takes
		dials     int
		err       error
		ofServer  bool
	}{
		{"passwords", true, &tokens{}, "", 1, nil, true},
		{"the first token", false, &tokens{}, "one", 1, nil, true},
		{"another token", false, &tokens{again: 1}, "two", 2, nil, true},
		{"two tokens and no more", false, &tokens{again: 9}, "three", 2, refused, true},
		{"no other token", false, &tokens{}, "two", 1, refused, true},
		{"no token", false, &tokens{err: away}, "one", 0, away, false},
		{"no token until a person does something", false, &tokens{err: lasting{away}}, "one", 0, away, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dials := 0
			dial := SigningIn(func(_ context.Context, _ config.Server, c store.Credentials, opt link.Options) (signedIn, error) {
				dials++
				if tt.passwords != (opt.SignIn == nil) || c.Login != "anna" {
					t.Errorf("signs in with %v", opt.SignIn)
				}
				if !tt.passwords && opt.SignIn.Secret != tt.takes {
					return signedIn{}, refused
				}
				return signedIn{}, nil
			}, tt.keeper)
			server := config.Server{Host: "imap.example", Port: 993}
			if !tt.passwords {
				server.SignIn = &config.SignIn{Method: config.Microsoft}
			}
			_, err := dial(t.Context(), server, store.Credentials{Login: "anna"}, link.Options{Role: link.RoleOld})
			if dials != tt.dials || (err == nil) != (tt.err == nil) || tt.err != nil && !errors.Is(err, tt.err) {
				t.Errorf("%d dials, %v", dials, err)
			}
			if err != nil && OfServer(err) != tt.ofServer {
				t.Errorf("of the server: %v", OfServer(err))
			}
			if tt.err == away {
				p := problem.Of(err, "", 1)
				want := store.RetryLater
				if errors.As(tt.keeper.err, new(lasting)) {
					want = store.NeedsFix
				}
				if p.Advice != want || p.Server != store.OldSide {
					t.Errorf("%+v", p)
				}
			}
		})
	}
}

// A server does not rest because a provider gave no token.
func TestProviderAwayIsNotTheServer(t *testing.T) {
	err := unsigned(config.Server{Host: "imap.example", Port: 993}, link.Options{}, errors.New("away"))
	if !serverUnwell(errors.New("x")) || OfServer(err) {
		t.Errorf("%v", err)
	}
	if _, err := SigningIn(func(context.Context, config.Server, store.Credentials, link.Options) (signedIn, error) {
		return signedIn{}, nil
	}, nil)(
		t.Context(), config.Server{SignIn: &config.SignIn{}}, store.Credentials{}, link.Options{}); !errors.Is(err, errNoSignIns) {
		t.Errorf("without a keeper: %v", err)
	}
}
