package lab

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"

	"postferry/config"
	"postferry/internal/lab/loopback"
)

// courierCapability is what Debian's /etc/courier/imapd announces.
const courierCapability = "IMAP4rev1 UIDPLUS CHILDREN NAMESPACE THREAD=ORDEREDSUBJECT THREAD=REFERENCES SORT QUOTA IDLE"

// Courier is a running Courier IMAP server: folders below "INBOX.", no
// LITERAL+, MULTIAPPEND, CONDSTORE, LIST-EXTENDED or SPECIAL-USE. It takes
// plain IMAP and LOGIN only.
//
// The sessions are Courier's own imapd. Its listener and its login need root
// and a socket at a fixed place of the system; both are done here instead, as
// far as clients can see in the same way.
type Courier struct {
	IMAP string // address, host:port
	Dir  string // log and mail

	tb       testing.TB
	account  account
	unpacked unpacked
	log      *os.File

	mu    sync.Mutex        // guards what follows
	users map[string]string // login to password
}

// StartCourier starts a server on a free loopback port. It is stopped when the
// test ends; its log is shown if that failed.
func StartCourier(tb testing.TB, users ...User) *Courier {
	tb.Helper()
	who, err := serverAccount()
	if err != nil {
		tb.Fatalf("lab: account to run Courier as: %v", err)
	}
	c := &Courier{tb: tb, account: who, Dir: serverDir(tb, who), users: map[string]string{}}
	c.unpacked = openUnpacked(tb, who, "courier", c.Dir)
	if c.log, err = os.Create(c.Dir + "/courier.log"); err != nil {
		tb.Fatalf("lab: %v", err)
	}
	tb.Cleanup(func() {
		c.log.Close()
		if tb.Failed() {
			tb.Logf("Courier's log:\n%s", tail(c.Dir+"/courier.log", 100))
		}
	})
	c.AddUser(users...)
	c.startMonitor()
	r := loopback.NewServer(tb, c.serve)
	c.IMAP = r.Addr
	r.Start()
	return c
}

// startMonitor starts the file monitor that imapd asks about changes made by
// others; without it every session waits a second for it, again and again.
func (c *Courier) startMonitor() {
	c.tb.Helper()
	p, err := startProcess(c.account, c.Dir, c.unpacked.env(),
		c.unpacked.path("usr/libexec/gam_server"), "--notimeout", c.monitor())
	if err != nil {
		c.tb.Fatalf("lab: Courier's file monitor: %v", err)
	}
	c.tb.Cleanup(func() {
		if err := p.kill(); err != nil {
			c.tb.Errorf("lab: ending Courier's file monitor: %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	err = poll(ctx, func() bool {
		sockets, err := os.ReadFile("/proc/net/unix")
		return err == nil && bytes.Contains(sockets, []byte("-"+c.monitor()))
	})
	if err != nil {
		c.tb.Fatalf("lab: Courier's file monitor doesn't listen: %v\n%s", err, tail(c.Dir+"/output.log", 20))
	}
}

// monitor names the file monitor's socket.
func (c *Courier) monitor() string { return filepath.Base(c.Dir) }

// AddUser adds users, or changes their passwords, from the next login on.
func (c *Courier) AddUser(users ...User) {
	c.tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, u := range users {
		for _, sub := range []string{"cur", "new", "tmp"} {
			if err := c.account.mkdir(filepath.Join(c.maildir(u.Login), sub)); err != nil {
				c.tb.Fatalf("lab: %v", err)
			}
		}
		c.users[u.Login] = u.Password
	}
}

func (c *Courier) home(login string) string { return filepath.Join(c.Dir, "home", homeName(login)) }

func (c *Courier) maildir(login string) string { return filepath.Join(c.home(login), "Maildir") }

// serve logs a client in and hands its connection to an imapd.
func (c *Courier) serve(ctx context.Context, conn *net.TCPConn, _ int) {
	tag, user, err := (&courierLogin{conn: conn, accepts: c.accepts}).run()
	if err != nil {
		return // the client has gone
	}
	p, err := c.startSession(conn, tag, user)
	if err != nil {
		c.tb.Errorf("lab: starting Courier's imapd: %v", err)
		return
	}
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	if err := p.kill(); err != nil {
		c.tb.Errorf("lab: ending Courier's imapd: %v", err)
	}
}

func (c *Courier) accepts(user, password string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	want, ok := c.users[user]
	return ok && want == password
}

// startSession runs imapd on a connection as Courier's imaplogin does.
func (c *Courier) startSession(conn *net.TCPConn, tag, user string) (*process, error) {
	socket, err := conn.File()
	if err != nil {
		return nil, err
	}
	defer socket.Close()
	host, port, err := net.SplitHostPort(conn.RemoteAddr().String())
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.unpacked.path("usr/bin/imapd"), "Maildir")
	cmd.Dir = c.home(user)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = socket, socket, c.log
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "HOSTNAME=lab", "PROTOCOL=IMAP",
		"TCPREMOTEIP=" + host, "TCPREMOTEPORT=" + port,
		"IMAPLOGINTAG=" + tag, "AUTHENTICATED=" + user, "AUTHADDR=" + user,
		"GAM_CLIENT_ID=" + c.monitor(),
		"IMAP_CAPABILITY=" + courierCapability, "IMAP_KEYWORDS=1", "IMAP_ACL=1", "IMAP_USELOCKS=1",
		"IMAP_IDLE_TIMEOUT=60", "IMAP_CHECK_ALL_FOLDERS=0", "IMAP_TRASHFOLDERNAME=Trash",
	}, c.unpacked.env()...)
	return launch(c.account, cmd)
}

// Client logs a user in with go-imap's client. It is closed when the test ends.
func (c *Courier) Client(login string) *imapclient.Client {
	c.tb.Helper()
	c.mu.Lock()
	password := c.users[login]
	c.mu.Unlock()
	return Login(c.tb, c.IMAP, login, password)
}

// Snapshot reads all of a user's mail without changing it. The subscriptions
// come from Courier's file, as go-imap's client has no LSUB.
func (c *Courier) Snapshot(login string) *Snapshot {
	c.tb.Helper()
	client := c.Client(login)
	defer client.Close()
	snap := ReadSnapshot(c.tb, client)
	data, err := os.ReadFile(filepath.Join(c.maildir(login), "courierimapsubscribed"))
	if err != nil && !os.IsNotExist(err) {
		c.tb.Fatalf("lab: %v", err)
	}
	for name := range strings.Lines(string(data)) {
		snap.Subscribed = append(snap.Subscribed, strings.TrimSpace(name))
	}
	slices.Sort(snap.Subscribed)
	return snap
}

// Insecure describes the server as a configuration does.
func (c *Courier) Insecure() config.Server {
	return At(config.Server{Security: config.Insecure}, c.IMAP)
}
