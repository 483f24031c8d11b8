package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// CheckListen tries whether the listeners' addresses can be listened on, and
// lets go of them again. It is for Load, by those who are about to listen.
func CheckListen(c *Config) []Finding {
	var found []Finding
	for _, l := range []struct{ key, addr string }{
		{"proxy.imaps", c.Proxy.IMAPS},
		{"proxy.imap", c.Proxy.IMAP},
		{"admin.listen", c.Admin.Listen},
	} {
		if l.addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", l.addr)
		if err != nil {
			found = append(found, Finding{File: c.source.file, Line: c.source.lines[l.key], Key: l.key, Text: listenProblem(l.addr, err)})
			continue
		}
		ln.Close()
	}
	return found
}

// listenProblem says why an address cannot be listened on.
func listenProblem(addr string, err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Sprintf("%q is in use by another program; expected a free port", addr)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("%q needs more rights: ports below 1024 are for root or with the capability CAP_NET_BIND_SERVICE", addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Sprintf("%q is not an address of this machine", addr)
	}
	return fmt.Sprintf("%q cannot be listened on: %s", addr, err)
}
