package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"postferry/internal/lab"
)

// byDsync copies with Dovecot's own tool: the old side over IMAP (imapc), the
// new one straight into the files of a server that stores mail as at does, which
// no IMAP is spoken with.
func byDsync(at *lab.Dovecot) copier {
	return func(b *testing.B, old, new side, _ []string) usage {
		b.Helper()
		host, port := split(b, old.addr)
		cmd := exec.CommandContext(b.Context(), "doveadm", "-c", filepath.Join(at.Dir, "dovecot.conf"),
			"-o", "imapc_host="+host, "-o", "imapc_port="+port, "-o", "imapc_user="+old.login, "-o", "imapc_password="+old.password,
			"-o", "imapc_features=rfc822.size fetch-headers", "-o", "mail_prefetch_count=20",
			"backup", "-R", "-u", new.login, "imapc:")
		cmd.Env = append(os.Environ(), fmt.Sprintf("HOME=%s", at.UserDir(new.login)))
		return execute(b, cmd)
	}
}
