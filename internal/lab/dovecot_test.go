package lab

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2/imapclient"
)

func TestDovecotServes(t *testing.T) {
	for _, format := range []string{"maildir", "sdbox", "mdbox"} {
		t.Run(format, func(t *testing.T) {
			start := time.Now()
			d := StartDovecot(t, DovecotOptions{Format: format, Users: []User{{"anna@example.com", "pass word"}}})
			t.Logf("started in %v", time.Since(start))
			c, err := imapclient.DialTLS(d.IMAPS, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: d.CA.Pool()}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := c.Login("anna@example.com", "pass word").Wait(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Select("INBOX", nil).Wait(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
