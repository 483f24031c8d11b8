package upstream

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
	"postferry/upstream/transcript"

	"github.com/rs/zerolog"
)

// pop3Script is parseScript with two lines more for what most conversations
// begin with: "@ CAPS" for greeting, capabilities and login of ann, and "@-"
// for the same at a server without CAPA.
func pop3Script(t testing.TB, text string) transcript.Script {
	t.Helper()
	var out strings.Builder
	for line := range strings.Lines(text) {
		caps, known := strings.CutPrefix(strings.TrimSpace(line), "@ ")
		capa := "C: CAPA\nS: -ERR what?\n"
		if known {
			capa = "C: CAPA\nS: +OK\nS: USER\nS: " + strings.ReplaceAll(caps, " ", "\nS: ") + "\nS: .\n"
		}
		switch {
		case known:
			out.WriteString("S: +OK hello\n" + capa + "C: USER ann\nS: +OK\nC: PASS secret\nS: +OK\n" + capa)
		case strings.TrimSpace(line) == "@-":
			out.WriteString("S: +OK hello\n" + capa + "C: USER ann\nS: +OK\nC: PASS secret\nS: +OK\n")
		default:
			out.WriteString(line)
		}
	}
	return transcript.Parse(t, out.String())
}

// pop3Options are those of a server of which nothing is known.
func pop3Options(t testing.TB) link.Options {
	return link.Options{Stall: 5 * time.Second, Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)}
}

var pop3Ann = store.Credentials{Login: "ann", Password: "secret"}

func sayPOP3Error(say func(string, ...any), err error) { say("%s", transcript.Verdict(err)) }

func servePOP3(t testing.TB, sc transcript.Script) config.Server {
	server := transcript.Serve(t, sc)
	server.Protocol = config.POP3
	return server
}

// pop3Actions are what the client does in the conversations in testdata/pop3,
// by the first word of their name.
var pop3Actions = map[string]func(ctx context.Context, s *POP3, say func(string, ...any)){
	"dial": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		say("%q %q", s.link.Welcome, s.Capabilities())
		sayPOP3Error(say, s.Logout(ctx))
	},
	"login": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		sayPOP3Error(say, s.Login(ctx, pop3Ann))
	},
	"token": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		secret := store.Secret("t0ken")
		if s.Has("X-LONG") {
			secret = store.Secret(strings.Repeat("t0ken", 60))
		}
		sayPOP3Error(say, s.SignIn(ctx, link.SignIn{Login: "ann", Secret: secret, Token: true}))
	},
	"proxy": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		sayPOP3Error(say, s.SignIn(ctx, link.SignIn{Login: "ann", Secret: "secret", As: "anna"}))
	},
	"odd": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		sayPOP3Error(say, s.Login(ctx, store.Credentials{Login: "ann", Password: store.Secret(strings.Repeat("p ", 120))}))
	},
	"list": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		sayPOP3Error(say, s.Login(ctx, pop3Ann))
		n, list, err := s.List(ctx)
		say("%d", n)
		for _, m := range list {
			say("%d %d %q", m.Number, m.Size, m.UID)
		}
		sayPOP3Error(say, err)
	},
	"retrieve": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		sayPOP3Error(say, s.Login(ctx, pop3Ann))
		list := []POP3Message{{Number: 1}, {Number: 2}, {Number: 3}}
		sayPOP3Error(say, s.each(ctx, asking{verb: "RETR", window: 16}, list, func(m POP3Message, r io.Reader) error {
			body, err := io.ReadAll(r)
			say("%d %q %v", m.Number, body, err)
			return nil
		}))
		sayPOP3Error(say, s.Alive(ctx))
	},
	"bodies": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		sayPOP3Error(say, s.Login(ctx, pop3Ann))
		list := []POP3Message{{Number: 1, Size: 3}, {Number: 2, Size: 3}, {Number: 3, Size: 3}, {Number: 4, Size: 3}}
		sayPOP3Error(say, s.Bodies(ctx, list, func(m POP3Message, size int64, r io.Reader) error {
			body, err := io.ReadAll(r)
			say("%d %d %q %v", m.Number, size, body, err)
			return nil
		}))
		say("%q", s.opt.Quirks.Broken())
	},
	"headers": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		sayPOP3Error(say, s.Login(ctx, pop3Ann))
		list := []POP3Message{{Number: 1, Size: 9}, {Number: 2, Size: 9}}
		sayPOP3Error(say, s.Headers(ctx, list, true, func(m POP3Message, header []byte) error {
			say("%d %d %q", m.Number, m.Size, header)
			return nil
		}))
		say("%q", s.opt.Quirks.Broken())
	},
	"quit": func(ctx context.Context, s *POP3, say func(string, ...any)) {
		sayPOP3Error(say, s.Login(ctx, pop3Ann))
		sayPOP3Error(say, s.Logout(ctx))
		sayPOP3Error(say, s.Logout(ctx))
	},
}

func TestPOP3Transcripts(t *testing.T) {
	transcript.Each(t, "testdata/pop3", pop3Script, func(t *testing.T, text, verb string, say func(string, ...any)) {
		server := servePOP3(t, pop3Script(t, text))
		if strings.Contains(text, "C: STLS") {
			server.Security = config.StartTLS
		}
		s, err := DialPOP3(t.Context(), server, pop3Options(t))
		if err != nil {
			sayPOP3Error(say, err)
			return
		}
		t.Cleanup(func() { s.Close() })
		pop3Actions[verb](t.Context(), s, say)
	})
}
