package proxy

import (
	"context"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"postferry/internal/pause"
	"postferry/proxy/admission"
	"postferry/wire"
)

// TestIdentity: the client's own words are passed on, but not what is a proxy's to tell.
func TestIdentity(t *testing.T) {
	ours, theirs := pipe(t)
	p := startProxy(t, nowhere, nil)
	s := newSession(p.Server, &admission.Guest{Conn: theirs})
	for range 40 {
		s.id = append(s.id, wire.Field{Name: "name", Value: "x"})
	}
	s.id = append([]wire.Field{{Name: "x-originating-ip", Value: "192.0.2.66"}, {Name: "x-session-id", Value: "forged"}, {Name: "x-proxy-ttl", Value: "1"}}, s.id...)
	got := map[string]string{}
	fields := s.identity()
	for _, f := range fields {
		got[f.Name] = f.Value
	}
	from, to := ours.LocalAddr().(*net.TCPAddr), ours.RemoteAddr().(*net.TCPAddr)
	want := map[string]string{
		"name": "x", "x-originating-ip": "127.0.0.1", "x-originating-port": fmt.Sprint(from.Port),
		"x-connected-ip": "127.0.0.1", "x-connected-port": fmt.Sprint(to.Port), "x-session-id": s.number,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) || len(fields) > 30 || len(s.number) < 10 {
		t.Errorf("%d fields: %v, want %v", len(fields), got, want)
	}
}

// TestDovecotSeesTheClient: Dovecot's log has the client's address and the session's name, which is
// in ours too, whatever the client says of itself.
func TestDovecotSeesTheClient(t *testing.T) {
	d := startDovecot(t)
	p := dovecotProxy(t, d)
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 5)}}
	conn, err := dialer.Dial("tcp", p.IMAPAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := newPeer(t, "client", conn)
	c.says("a ID (\"name\" \"Test\" \"x-originating-ip\" \"127.0.0.66\" \"os\" {3+}\nabc)\nb LOGIN " + bert + " pw\n")
	c.hears("* OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID STARTTLS AUTH=PLAIN] Postferry ready\n* ID NIL\na OK Done\nb OK [CAPABILITY ")
	number, _ := logged(t, p.log.String(), "logged in")["session"].(string)
	want := regexp.MustCompile(`Login: user=<` + bert + `>.*rip=127\.0\.0\.5.*session=<` + number + `>`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		log, err := os.ReadFile(d.Dir + "/dovecot.log")
		if err != nil {
			t.Fatal(err)
		}
		if number != "" && want.Match(log) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("session %q is not in the log:\n%s", number, log)
		}
		pause.For(ctx, 20*time.Millisecond)
	}
}

// TestLongID: as long as it may be, it is taken, and beyond that the session ends as with
// other input.
func TestLongID(t *testing.T) {
	p := startProxy(t, nowhere, nil)
	c := p.greeted(t)
	c.says("a ID (" + strings.TrimSpace(strings.Repeat(fmt.Sprintf("\"name\" %q ", strings.Repeat("x", 1000)), 30)) + ")\n")
	c.hears("* ID NIL\na OK Done\n")
	c.says("b ID (" + strings.TrimSpace(strings.Repeat(fmt.Sprintf("\"name\" %q ", strings.Repeat("x", 1000)), 60)) + ")\n")
	c.hears("* ID NIL\nb OK Done\n")
	c.says("c ID (" + strings.Repeat("x", maxCommand))
	c.hears("* BYE Too much input before login\n")
}
