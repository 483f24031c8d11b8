package bench

import (
	"fmt"
	"testing"

	"postferry/internal/lab"
)

// dovecot logs people in and then passes everything on, as a proxy of Dovecot's does.
func (s *relayServers) dovecot(b *testing.B) *relayed {
	to := s.tls.Server()
	server := lab.StartDovecot(b, lab.DovecotOptions{ExtraConfig: fmt.Sprintf(`
passdb {
  driver = static
  args = nopassword=y proxy=y host=127.0.0.1 port=%d ssl=any-cert
}
service imap-login {
  process_limit = 2
  client_limit = 20000
  vsz_limit = 4G
}
`, to.Port)})
	r := &relayed{name: "dovecot proxy", addr: server.IMAPS}
	c, err := r.logIn(0, 512) // which starts what it needs for that
	if err != nil {
		b.Fatal(err)
	}
	c.conn.Close()
	r.pids = append(lab.ChildrenOf(server.Pid()), server.Pid())
	return r
}
