package lab

import (
	"bytes"
	"errors"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Client logs a user in over the plain port with go-imap's client, which is
// independent of our own code. It is closed when the test ends.
func (d *Dovecot) Client(login string) *imapclient.Client {
	d.tb.Helper()
	d.mu.Lock()
	password := d.users[login].password
	d.mu.Unlock()
	return Login(d.tb, d.IMAP, login, password)
}

// Login logs in at a plain IMAP address with go-imap's client. It is closed
// when the test ends.
func Login(tb testing.TB, addr, login, password string) *imapclient.Client {
	tb.Helper()
	c, err := imapclient.DialInsecure(addr, nil)
	if err != nil {
		tb.Fatalf("lab: %v", err)
	}
	tb.Cleanup(func() { c.Close() })
	if err := c.Login(login, password).Wait(); err != nil {
		tb.Fatalf("lab: login of %s at %s: %v", login, addr, err)
	}
	return c
}

// Append appends messages to a folder over IMAP, making it if missing. It
// works with every format and counts as mail that arrives.
func (d *Dovecot) Append(login, folder string, msgs ...Msg) {
	d.tb.Helper()
	c := d.Client(login)
	defer c.Close()
	Create(d.tb, c, folder)
	for _, m := range msgs {
		if err := Append(c, folder, m); err != nil {
			d.tb.Fatalf("lab: append to %s: %v", folder, err)
		}
	}
}

// Append appends a message to a folder that exists. The error is an
// *imap.Error if the server refuses the message. (go-imap's client hangs when the
// server refuses it before the literal, as for its size.)
func Append(c *imapclient.Client, folder string, m Msg) error {
	date := m.Date
	if date.IsZero() {
		date = defaultDate
	}
	cmd := c.Append(folder, int64(len(m.Body)), &imap.AppendOptions{Flags: m.Flags, Time: date})
	_, err := bytes.NewReader(m.Body).WriteTo(cmd)
	if err == nil {
		err = cmd.Close()
	}
	if err == nil {
		_, err = cmd.Wait()
	}
	return err
}

// Create makes folders over IMAP. Existing ones are left alone.
func (d *Dovecot) Create(login string, folders ...string) {
	d.tb.Helper()
	c := d.Client(login)
	defer c.Close()
	Create(d.tb, c, folders...)
}

// Create makes folders. Existing ones are left alone.
func Create(tb testing.TB, c *imapclient.Client, folders ...string) {
	tb.Helper()
	for _, folder := range folders {
		var refused *imap.Error
		err := c.Create(folder, nil).Wait()
		if err != nil && !(errors.As(err, &refused) && refused.Code == imap.ResponseCodeAlreadyExists) {
			tb.Fatalf("lab: create %s: %v", folder, err)
		}
	}
}

// Subscribe subscribes a user to folders over IMAP.
func (d *Dovecot) Subscribe(login string, folders ...string) {
	d.tb.Helper()
	c := d.Client(login)
	defer c.Close()
	Subscribe(d.tb, c, folders...)
}

// Subscribe subscribes a user to folders.
func Subscribe(tb testing.TB, c *imapclient.Client, folders ...string) {
	tb.Helper()
	for _, folder := range folders {
		if err := c.Subscribe(folder).Wait(); err != nil {
			tb.Fatalf("lab: subscribe %s: %v", folder, err)
		}
	}
}

// Open selects folders as a mail client would: their messages are no longer
// \Recent for anybody after it, and lie in cur/.
func (d *Dovecot) Open(login string, folders ...string) {
	d.tb.Helper()
	c := d.Client(login)
	defer c.Close()
	for _, folder := range folders {
		if _, err := c.Select(folder, nil).Wait(); err != nil {
			d.tb.Fatalf("lab: select %s: %v", folder, err)
		}
	}
	if err := c.Logout().Wait(); err != nil {
		d.tb.Fatalf("lab: logout: %v", err)
	}
}
