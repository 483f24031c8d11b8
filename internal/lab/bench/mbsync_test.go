package bench

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// mbsyncConfig takes both sides and the directory for mbsync's own state.
const mbsyncConfig = `
IMAPAccount far
Host %s
Port %s
User %s
Pass %s
%s
AuthMechs LOGIN

IMAPStore far
Account far

IMAPAccount near
Host %s
Port %s
User %s
Pass %s
%s
AuthMechs LOGIN

IMAPStore near
Account near

Channel copy
Far :far:
Near :near:
Patterns *
Sync Pull
Create Near
CopyArrivalDate yes
SyncState %s/
`

// copyMbsync copies with Debian's isync.
func copyMbsync(b *testing.B, old, new side, _ []string) usage {
	b.Helper()
	return mbsync(b, b.TempDir(), old, new)
}

// mbsync makes a pass; dir keeps what it has to remember for the next one.
func mbsync(b *testing.B, dir string, old, new side) usage {
	b.Helper()
	oldHost, oldPort := mbsyncHost(b, old)
	newHost, newPort := mbsyncHost(b, new)
	config := fmt.Sprintf(mbsyncConfig, oldHost, oldPort, old.login, old.password, mbsyncTLS(old),
		newHost, newPort, new.login, new.password, mbsyncTLS(new), dir)
	path := filepath.Join(dir, "mbsyncrc")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), "mbsync", "-q", "-c", path, "-a")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	return execute(b, cmd)
}

// mbsyncHost is where a server is: by name where there is a certificate, as mbsync looks for no address in one.
func mbsyncHost(b *testing.B, s side) (host, port string) {
	b.Helper()
	host, port = split(b, s.addr)
	if s.ca != nil {
		host = "localhost"
	}
	return host, port
}

// mbsyncTLS are the lines about TLS.
func mbsyncTLS(s side) string {
	if s.ca == nil {
		return "SSLType None"
	}
	return fmt.Sprintf("SSLType IMAPS\nSystemCertificates no\nCertificateFile %s", s.ca.File)
}

func split(b *testing.B, addr string) (host, port string) {
	b.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		b.Fatal(err)
	}
	return host, port
}
