package credential

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"postferry/config"
	"postferry/store"
)

// program writes a program that a shell runs.
func program(t *testing.T, text string) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"/bin/sh", path} // a file that a process which is just being started still has open can't be executed
}

func TestCommand(t *testing.T) {
	for _, tt := range []struct {
		name, program string
		login         string
		args          []string
		want          string // the token
		kind          store.ProblemKind
	}{
		{name: "a token", program: `echo t0ken`, want: "t0ken"},
		{name: "a token for a mailbox", program: `echo "for-$1"`, args: []string{"{login}"}, want: "for-anna@contoso.example"},
		{name: "nothing for a shell", program: `echo "$#"`, login: "a;b $(c)@d.example", args: []string{"{login}"}, want: "1"},
		{name: "no option", program: `echo "$1"`, login: "--help", args: []string{"{login}"}, kind: store.TokenCommandFailed},
		{name: "JSON", program: `echo '{"access_token":"t0ken","expires_in":3599,"token_type":"Bearer"}'`, want: "t0ken"},
		{name: "JSON, number as text", program: `echo '{"access_token":"t0ken","expires_in":"3599"}'`, want: "t0ken"},
		{name: "nothing", program: `true`, kind: store.TokenCommandFailed},
		{name: "two words", program: `echo no token`, kind: store.TokenCommandFailed},
		{name: "half of JSON", program: `echo '{"access'`, kind: store.TokenCommandFailed},
		{name: "failure", program: `echo "not today" >&2; exit 3`, kind: store.TokenCommandFailed},
		{name: "more and more", program: `while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done | head -c 200000`, kind: store.TokenCommandFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			server := w.signIn(config.TokenCommand, func(in *config.SignIn) { in.Command = append(program(t, tt.program), tt.args...) })
			login := tt.login
			if login == "" {
				login = "anna@contoso.example"
			}
			got, err := w.SignIn(t.Context(), server, login)
			if kindOf(err) != tt.kind || got.Secret.Reveal() != tt.want {
				t.Errorf("%q, %v", got.Secret.Reveal(), err)
			}
			w.wantSilence(t, err, "t0ken")
		})
	}
}

// A program that hangs is ended with whoever waits for it.
func TestCommandHangs(t *testing.T) {
	w := newWorld(t)
	server := w.signIn(config.TokenCommand, func(in *config.SignIn) { in.Command = program(t, "sleep 60") })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := w.SignIn(ctx, server, "anna@contoso.example"); err == nil || time.Since(begun) > 10*time.Second {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}
