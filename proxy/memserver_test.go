package proxy

import (
	"crypto/tls"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"postferry/config"
)

// startMemServer is a new server in memory.
func startMemServer(t *testing.T) config.Server {
	t.Helper()
	user := imapmemserver.NewUser(bert, "pw")
	if err := user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	mem := imapmemserver.New()
	mem.AddUser(user)
	srv := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return mem.NewSession(), nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapLiteralPlus: {}, imap.CapIMAP4rev2: {}},
		InsecureAuth: true,
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	addr := l.Addr().(*net.TCPAddr)
	return config.Server{Security: config.Insecure, Host: addr.IP.String(), Port: addr.Port}
}

// TestIndependentClient works through the proxy with go-imap's client.
func TestIndependentClient(t *testing.T) {
	p := startProxy(t, startMemServer(t), nil)
	exists := make(chan uint32, 10)
	options := &imapclient.Options{
		TLSConfig: &tls.Config{InsecureSkipVerify: true},
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Mailbox: func(data *imapclient.UnilateralDataMailbox) {
				if data.NumMessages != nil {
					exists <- *data.NumMessages
				}
			},
		},
	}
	c, err := imapclient.DialStartTLS(p.IMAPAddr().String(), options)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	must("login", c.Login(bert, "pw").Wait())
	must("create", c.Create("Entwürfe & mehr", nil).Wait())
	appendTo(t, c, "INBOX", "Subject: 1\r\n\r\n{5}\r\n")
	selected, err := c.Select("INBOX", nil).Wait()
	must("select", err)
	if selected.NumMessages != 1 {
		t.Errorf("%d messages", selected.NumMessages)
	}
	list, err := c.List("", "*", nil).Collect()
	must("list", err)
	if len(list) != 2 {
		t.Errorf("%d folders", len(list))
	}
	section := &imap.FetchItemBodySection{}
	msgs, err := c.Fetch(imap.SeqSetNum(1), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	must("fetch", err)
	if got := string(msgs[0].FindBodySection(section)); got != "Subject: 1\r\n\r\n{5}\r\n" {
		t.Errorf("body %q", got)
	}
	idle, err := c.Idle()
	must("idle", err)
	other, err := imapclient.DialTLS(p.IMAPSAddr().String(), &imapclient.Options{TLSConfig: options.TLSConfig})
	must("second client", err)
	defer other.Close()
	must("login", other.Login(bert, "pw").Wait())
	for heard, begun := false, time.Now(); !heard; { // the server may begin to listen a moment after it has said so
		appendTo(t, other, "INBOX", "Subject: 2\r\n\r\n")
		select {
		case <-exists:
			heard = true
		case <-time.After(time.Second):
			if heard = time.Since(begun) > patience; heard {
				t.Error("no news while idle")
			}
		}
	}
	must("done", idle.Close())
	must("idle", idle.Wait())
	must("logout", c.Logout().Wait())
	if slices.ContainsFunc(p.ferry.noted(), func(call string) bool { return call[:5] == "visit" }) {
		t.Errorf("visits of an unknown account: %q", p.ferry.noted())
	}
}

func appendTo(t *testing.T, c *imapclient.Client, folder, text string) {
	t.Helper()
	cmd := c.Append(folder, int64(len(text)), nil)
	if _, err := cmd.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}
