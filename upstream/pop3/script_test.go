package pop3

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/store"
	"postferry/upstream/link"
	"postferry/upstream/transcript"
)

// parseScript is parseScript with two lines more for what most conversations
// begin with: "@ CAPS" for greeting, capabilities and login of ann, and "@-"
// for the same at a server without CAPA.
func parseScript(t testing.TB, text string) transcript.Script {
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
			out.WriteString("S: +OK hello\n" + capa + "C: USER ann\nS: +OK\nC: PASS hush-0f-ann\nS: +OK\n" + capa)
		case strings.TrimSpace(line) == "@-":
			out.WriteString("S: +OK hello\n" + capa + "C: USER ann\nS: +OK\nC: PASS hush-0f-ann\nS: +OK\n")
		default:
			out.WriteString(line)
		}
	}
	return transcript.Parse(t, out.String())
}

// testOptions are those of a server of which nothing is known.
func testOptions(t testing.TB) link.Options {
	return link.Options{Stall: 5 * time.Second, Log: zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.InfoLevel)}
}

var ann = store.Credentials{Login: "ann", Password: "hush-0f-ann"}

func sayError(say func(string, ...any), err error) { say("%s", transcript.Verdict(err)) }

func serve(t testing.TB, sc transcript.Script) config.Server {
	server := transcript.Serve(t, sc)
	server.Protocol = config.POP3
	return server
}

// actions are what the client does in the conversations in testdata/transcripts,
// by the first word of their name.
var actions = map[string]func(ctx context.Context, s *Session, say func(string, ...any)){
	"dial": func(ctx context.Context, s *Session, say func(string, ...any)) {
		say("%q %q", s.link.Welcome, s.Capabilities())
		sayError(say, s.Logout(ctx))
	},
	"login": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Login(ctx, ann))
	},
	"token": func(ctx context.Context, s *Session, say func(string, ...any)) {
		secret := store.Secret("t0ken")
		if s.Has("X-LONG") {
			secret = store.Secret(strings.Repeat("t0ken", 60))
		}
		sayError(say, s.SignIn(ctx, link.SignIn{Login: "ann", Secret: secret, Token: true}))
	},
	"proxy": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.SignIn(ctx, link.SignIn{Login: "ann", Secret: "hush-0f-ann", As: "anna"}))
	},
	"odd": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Login(ctx, store.Credentials{Login: "ann", Password: store.Secret(strings.Repeat("p ", 120))}))
	},
	"list": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Login(ctx, ann))
		n, list, err := s.List(ctx)
		say("%d", n)
		for _, m := range list {
			say("%d %d %q", m.Number, m.Size, m.UID)
		}
		sayError(say, err)
	},
	"retrieve": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Login(ctx, ann))
		list := []Message{{Number: 1}, {Number: 2}, {Number: 3}}
		sayError(say, s.each(ctx, asking{verb: "RETR", window: 16}, list, func(m Message, r io.Reader) error {
			body, err := io.ReadAll(r)
			say("%d %q %v", m.Number, body, err)
			return nil
		}))
		sayError(say, s.Alive(ctx))
	},
	"bodies": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Login(ctx, ann))
		list := []Message{{Number: 1, Size: 3}, {Number: 2, Size: 3}, {Number: 3, Size: 3}, {Number: 4, Size: 3}}
		sayError(say, s.Bodies(ctx, list, func(m Message, size int64, r io.Reader) error {
			body, err := io.ReadAll(r)
			say("%d %d %q %v", m.Number, size, body, err)
			return nil
		}))
		say("%q", s.opt.Quirks.Broken())
	},
	"headers": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Login(ctx, ann))
		list := []Message{{Number: 1, Size: 9}, {Number: 2, Size: 9}}
		sayError(say, s.Headers(ctx, list, true, func(m Message, header []byte) error {
			say("%d %d %q", m.Number, m.Size, header)
			return nil
		}))
		say("%q", s.opt.Quirks.Broken())
	},
	"quit": func(ctx context.Context, s *Session, say func(string, ...any)) {
		sayError(say, s.Login(ctx, ann))
		sayError(say, s.Logout(ctx))
		sayError(say, s.Logout(ctx))
	},
}

func TestTranscripts(t *testing.T) {
	transcript.Each(t, "testdata/transcripts", parseScript, func(t *testing.T, text, verb string, say func(string, ...any)) {
		server := serve(t, parseScript(t, text))
		if strings.Contains(text, "C: STLS") {
			server.Security = config.StartTLS
		}
		s, err := Dial(t.Context(), server, testOptions(t))
		if err != nil {
			sayError(say, err)
			return
		}
		t.Cleanup(func() { s.Close() })
		actions[verb](t.Context(), s, say)
	})
}
