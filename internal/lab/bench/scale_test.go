package bench

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"postferry/internal/lab"
)

// accountsEnv names how many accounts BenchmarkScale works with.
const accountsEnv = "SCALE_ACCOUNTS"

// BenchmarkScale lets a daemon move many small accounts between servers in memory, of which
// it sees nothing but their answers, and tells what importing and starting took, how fast it
// was, how large it grew, and how soon status answered.
func BenchmarkScale(b *testing.B) {
	n, err := strconv.Atoi(cmp.Or(os.Getenv(accountsEnv), "10000"))
	if err != nil || n < 1 {
		b.Fatalf("%s=%q is no number of accounts", accountsEnv, os.Getenv(accountsEnv))
	}
	old, nu := startLightServer(b, slices.Repeat([]int{3}, n)), startLightServer(b, make([]int, n))
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("%s %s", lightLogin(i), password))
	}
	binary := buildPostferry(b)
	began := time.Now()
	f := newFerry(b, binary, old, nu, list, `interval = "24h"`, `[proxy]`, `imaps = "127.0.0.1:0"`, `imap = ""`, `[admin]`, `listen = ""`)
	imported := time.Since(began)
	for b.Loop() {
		d := f.serve()
		took := d.untilCopied(n)
		began := time.Now()
		d.status()
		asked := time.Since(began)
		peak, _ := lab.PeakMemory(d.cmd.Process.Pid)
		d.stop()
		b.Logf("%d accounts: imported in %.1f s, all copied after %.1f s (%.0f a second), %d MB resident at most, CPU %.1f s, status in %.2f s",
			n, imported.Seconds(), took.Seconds(), float64(n)/took.Seconds(), peak>>20,
			(d.cmd.ProcessState.UserTime() + d.cmd.ProcessState.SystemTime()).Seconds(), asked.Seconds())
	}
}

func lightLogin(i int) string { return fmt.Sprintf("user%06d@example.com", i) }

// startLightServer is a server in memory whose people have so many messages each.
func startLightServer(b *testing.B, messages []int) (addr string) {
	b.Helper()
	memory := imapmemserver.New()
	for i, n := range messages {
		user := imapmemserver.NewUser(lightLogin(i), password)
		if err := user.Create("INBOX", nil); err != nil {
			b.Fatal(err)
		}
		for m := range n {
			text := fmt.Sprintf("Message-ID: <%d.%d@example.com>\r\nSubject: x\r\n\r\nHello\r\n", i, m)
			if _, err := user.Append("INBOX", lightMessage{strings.NewReader(text), int64(len(text))}, &imap.AppendOptions{}); err != nil {
				b.Fatal(err)
			}
		}
		memory.AddUser(user)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapNamespace: {}, imap.CapUIDPlus: {},
			imap.CapListExtended: {}, imap.CapListStatus: {}, imap.CapLiteralPlus: {}},
		InsecureAuth: true, // loopback only
		Logger:       log.New(io.Discard, "", 0),
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	b.Cleanup(func() { server.Close(); <-served })
	return listener.Addr().String()
}

// lightMessage is one that is handed to a server in memory.
type lightMessage struct {
	io.Reader
	size int64
}

func (m lightMessage) Size() int64 { return m.size }

// served is a daemon that runs.
type served struct {
	f   *ferry
	cmd *exec.Cmd
	out strings.Builder
}

// serve starts the daemon.
func (f *ferry) serve() *served {
	f.b.Helper()
	d := &served{f: f, cmd: exec.CommandContext(f.b.Context(), f.binary, "serve", "-c", f.config)}
	d.cmd.Stdout, d.cmd.Stderr = &d.out, &d.out
	if err := d.cmd.Start(); err != nil {
		f.b.Fatal(err)
	}
	return d
}

// status is how many accounts are complete, as the daemon says; 0 while it doesn't answer yet.
func (d *served) status() int {
	out, err := exec.CommandContext(d.f.b.Context(), d.f.binary, "status", "-c", d.f.config, "--json").Output()
	var says struct{ Totals struct{ Complete int } }
	if err != nil || json.Unmarshal(out, &says) != nil {
		return 0
	}
	return says.Totals.Complete
}

// untilCopied waits until n accounts are complete.
func (d *served) untilCopied(n int) time.Duration {
	d.f.b.Helper()
	began := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for done := -1; ; {
		if done = d.status(); done == n {
			return time.Since(began)
		}
		select {
		case <-tick.C:
		case <-d.f.b.Context().Done():
			d.f.b.Fatalf("%d of %d accounts were copied\n%s", done, n, d.out.String())
		}
	}
}

// stop ends the daemon as an administrator does.
func (d *served) stop() {
	d.f.b.Helper()
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		d.f.b.Fatal(err)
	}
	if err := d.cmd.Wait(); err != nil {
		d.f.b.Fatalf("%v\n%s", err, d.out.String())
	}
}
