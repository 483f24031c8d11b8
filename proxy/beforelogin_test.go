package proxy

import (
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"postferry/proxy/admission"
	"postferry/store"
	"postferry/wire"
)

// beforeLogin are conversations with which FuzzBeforeLogin begins, and whether they log in.
var beforeLogin = map[string]bool{
	"a LOGIN joe@example.com pw\r\n":                                            true,
	"a NOOP\r\nb CAPABILITY\r\nc login {15}\r\njoe@example.com {2+}\r\npw\r\n":  true,
	"a LOGIN \"joe\\@example.com\" \"pw\"\r\n":                                  true, // a backslash too many
	"a LOGIN Joe@Example.com wrong\r\nb LOGIN JOE@example.com pw\r\n":           true,
	"a LOGIN ann@example.com hers\r\n":                                          true, // there is no account for her, and she has her mail at the new server all the same
	"a LOGIN {3}\r\njoe {2+}\r\npw\r\n":                                         false,
	"a AUTHENTICATE PLAIN AGpvZUBleGFtcGxlLmNvbQBwdw==\r\n":                     true,
	"a AUTHENTICATE PLAIN\r\nAGpvZUBleGFtcGxlLmNvbQBwdw==\r\n":                  true,
	"a AUTHENTICATE PLAIN\r\n*\r\nb AUTHENTICATE PLAIN =\r\nc LOGOUT\r\n":       false,
	"a AUTHENTICATE PLAIN\r\nAGpvZQBwdw==\r\nb STARTTLS\r\nc NOOP\r\n":          false,
	"a ID (\"x\" NIL)\r\nb CAPABILITY\r\n\r\nc LOGOUT\r\n":                      false,
	"a STARTTLS\r\nb LOGIN joe@example.com pw\r\n":                              false,
	"a SELECT INBOX\r\nb LIST \"\" *\r\nc LOGIN joe@example.com\r\nd x {9}\r\n": false,
}

// FuzzBeforeLogin throws bytes at a session, behind which there is a new server. It must
// answer or end, within its bounds; let nobody in whom the new server doesn't; and pass
// nothing on to that one but logins.
func FuzzBeforeLogin(f *testing.F) {
	for input := range beforeLogin {
		f.Add([]byte(input))
	}
	door := newGuardedDoor(f)
	f.Fuzz(func(t *testing.T, input []byte) { door.enter(t, input) })
}

// TestBeforeLoginSeeds: the fuzz test begins with conversations some of which log in.
func TestBeforeLoginSeeds(t *testing.T) {
	door := newGuardedDoor(t)
	for input, want := range beforeLogin {
		if got := door.enter(t, []byte(input)); got != want {
			t.Errorf("%q: logged in %t", input, got)
		}
	}
}

// guardedDoor is a proxy with one person that it and the new server know.
type guardedDoor struct {
	*proxyRig
	server *fakeServer
}

func newGuardedDoor(t testing.TB) *guardedDoor {
	t.Helper()
	d := &guardedDoor{server: startFakeServer(t, map[string]string{"joe@example.com": "pw", "ann@example.com": "hers"})}
	d.proxyRig = startProxy(t, d.server.config(), func(p *proxyRig) {
		p.guard = admission.NewGuard(40, admission.Bounds{Burst: 1_000_000, Interval: time.Second, Patience: time.Second}, admission.Bounds{Burst: 1_000_000, Interval: time.Second, Patience: time.Second})
		p.Server.log = zerolog.Nop()
	})
	return d
}

// enter says all of input to a new session and looks at what came of it.
func (d *guardedDoor) enter(t testing.TB, input []byte) (in bool) {
	t.Helper()
	d.forget()
	ours, theirs := pipe(t)
	s := newSession(d.Server, &admission.Guest{Conn: theirs})
	ended := make(chan *entry)
	go func() {
		in := s.run(t.Context())
		theirs.Close()
		ended <- in
	}()
	go func() {
		ours.Write(input)
		closeWrite(ours)
	}()
	said := hearAll(t, ours)
	e := <-ended
	if e != nil {
		e.up.Close()
	}
	d.check(t, input, said, e != nil)
	return e != nil
}

// forget undoes what sessions have left behind.
func (d *guardedDoor) forget() {
	d.store.mu.Lock()
	d.store.accounts = map[string]store.Account{"joe@example.com": known("pw", "joe@example.com", "pw")}
	d.store.mu.Unlock()
	d.server.mu.Lock()
	d.server.tried, d.server.heard = nil, nil
	d.server.mu.Unlock()
}

// hearAll reads until the connection ends.
func hearAll(t testing.TB, conn net.Conn) string {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	var said []byte
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if said = append(said, buf[:n]...); err != nil {
			if strings.Contains(err.Error(), "timeout") {
				t.Fatal("neither answered nor ended")
			}
			return string(said)
		}
	}
}

// loginVerb is in each command that may log in.
var loginVerb = regexp.MustCompile(`(?i)LOGIN|AUTHENTICATE`)

// check compares what the client and the new server heard with what the client said.
func (d *guardedDoor) check(t testing.TB, input []byte, said string, in bool) {
	t.Helper()
	d.server.mu.Lock()
	tried, heard := slices.Clone(d.server.tried), slices.Clone(d.server.heard)
	d.server.mu.Unlock()
	if welcome := strings.Contains(said, "] Logged in\r\n"); welcome != in {
		t.Errorf("logged in %t, but the client heard %q", in, said)
	}
	if in && !slices.Contains([]string{"joe@example.com pw", "ann@example.com hers"}, tried[len(tried)-1]) {
		t.Errorf("let in with %q", tried)
	}
	if n := len(loginVerb.FindAll(input, -1)); len(tried) > n {
		t.Errorf("%d commands, but the new server was asked about %q", n, tried)
	}
	for _, verb := range heard {
		if !slices.Contains([]wire.Verb{wire.VerbCapability, wire.VerbLogin, wire.VerbLogout}, verb) {
			t.Errorf("the new server heard %v", heard)
		}
	}
}
