package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// SocketName is the control socket's name in the state directory.
const SocketName = "control.sock"

// maxSocketPath is the longest path that fits every system's sun_path
// (unix(7): 108 octets with the final NUL on Linux, 104 on the BSDs).
const maxSocketPath = 103

// shortPath returns a path of the socket in dir that fits into an address.
// A path that is too long is reached through an open descriptor of dir;
// release closes it and must be called when the address is not needed any more.
func shortPath(dir string) (path string, release func(), err error) {
	path = filepath.Join(dir, SocketName)
	if len(path) <= maxSocketPath {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	path = "/proc/self/fd/" + strconv.Itoa(int(d.Fd())) + "/" + SocketName
	return path, func() { d.Close() }, nil
}

// Listen makes the control socket in dir, only for this user. A socket
// that a killed daemon left behind is removed first: the caller holds the
// state's lock, so nobody listens on it.
func Listen(ctx context.Context, dir string) (net.Listener, error) {
	real := filepath.Join(dir, SocketName)
	if err := RemoveSocket(real); err != nil {
		return nil, err
	}
	path, release, err := shortPath(dir)
	if err != nil {
		return nil, err
	}
	defer release()
	// The mode is set before bind, so that there is no moment at which others
	// could connect. Systems that don't take it there get it right after.
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), 0o600) })
	}}
	l, err := config.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", real, err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // its address may be a descriptor's
	if err := os.Chmod(real, 0o600); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// RemoveSocket removes a socket, and nothing else, at path.
func RemoveSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("%s is not a socket; move it away", path)
	}
	return os.Remove(path)
}

// Dial connects to the daemon whose state is in dir.
func Dial(ctx context.Context, dir string) (net.Conn, error) {
	path, release, err := shortPath(dir)
	if err != nil {
		return nil, err
	}
	defer release()
	var d net.Dialer
	return d.DialContext(ctx, "unix", path)
}
