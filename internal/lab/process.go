package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"postferry/internal/lab/loopback"
)

// account is the local account the servers run as: the one running the tests,
// or an unprivileged one if that is root (Dovecot refuses mail users with uid 0).
type account struct {
	user, group string
	uid, gid    int
	drop        bool // root must change to it
}

func serverAccount() (account, error) {
	who, err := user.Current()
	if err == nil && who.Uid == "0" {
		who, err = user.Lookup("nobody")
	}
	if err != nil {
		return account{}, err
	}
	group, err := user.LookupGroupId(who.Gid)
	if err != nil {
		return account{}, err
	}
	uid, err1 := strconv.Atoi(who.Uid)
	gid, err2 := strconv.Atoi(who.Gid)
	return account{who.Username, group.Name, uid, gid, os.Geteuid() == 0}, errors.Join(err1, err2)
}

// own gives a file to the account, where that is another one.
func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Lchown(path, a.uid, a.gid)
}

// mkdir makes a directory of the account, parents included.
func (a account) mkdir(path string) error {
	if err := os.Mkdir(path, 0o755); err == nil {
		return a.own(path)
	} else if errors.Is(err, os.ErrExist) {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := a.mkdir(filepath.Dir(path)); err != nil {
		return err
	}
	return a.mkdir(path)
}

// serverDir makes a directory the account can reach (tb.TempDir is closed to
// others), with a path short enough for Unix sockets in it.
func serverDir(tb testing.TB, a account) string {
	tb.Helper()
	base := os.TempDir()
	if len(base) > 40 || (a.drop && !reachable(base)) {
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "postferry-lab-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		err = a.own(dir)
	}
	if err != nil {
		tb.Fatalf("lab: %v", err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("lab: %v", err)
		}
	})
	return dir
}

func reachable(dir string) bool {
	for ; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode()&0o001 == 0 {
			return false
		}
	}
	return true
}

// process is a server and its children, in a process group of their own.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed once the server has been waited for
	err  error         // valid after done
}

// startProcess runs a command as the account, with dir as working directory
// and home, and env added to a bare environment. What it prints is appended to
// output.log in dir.
func startProcess(a account, dir string, env []string, name string, args ...string) (*process, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	output, err := os.OpenFile(filepath.Join(dir, "output.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	cmd.Stdout, cmd.Stderr = output, output
	return launch(a, cmd)
}

// launch runs a command as the account. The kernel ends it when this process
// dies, whatever the reason; as that is tied to the thread that started it, a
// goroutine keeps that thread until the server is gone.
func launch(a account, cmd *exec.Cmd) (*process, error) {
	cmd.SysProcAttr = childAttributes(a)
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.Path, err)
	}
	return p, nil
}

// stop asks the server to end and makes sure that it and all its children have.
func (p *process) stop(grace time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	return p.kill()
}

// kill ends the server and its children as a power cut would.
func (p *process) kill() error {
	group := p.cmd.Process.Pid
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = syscall.Kill(-group, syscall.SIGKILL) // or it is done below
	select {
	case <-p.done:
	case <-ctx.Done():
	}
	gone := poll(ctx, func() bool { // children that were being forked may have missed it
		err := syscall.Kill(-group, syscall.SIGKILL)
		return errors.Is(err, syscall.ESRCH) || !groupAlive(group)
	})
	if gone != nil {
		return fmt.Errorf("processes of group %d survive: %w", group, gone)
	}
	<-p.done
	return nil
}

// awaitGreeting waits until it is this server, known by its token, that greets
// at an address.
func (p *process) awaitGreeting(addr, token string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err := poll(ctx, func() bool {
		select {
		case <-p.done:
			return true
		default:
			return greets(addr, token)
		}
	})
	select {
	case <-p.done:
		return fmt.Errorf("it ended at once: %w", cmpErr(p.err))
	default:
		return err
	}
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// greets reports whether the first line at an address holds the token.
func greets(addr, token string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return false
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && strings.Contains(line, token)
}

// freePorts picks different free ports on loopback.
func freePorts(tb testing.TB, addrs ...*string) {
	tb.Helper()
	var held []net.Listener
	for _, addr := range addrs {
		l := loopback.Listen(tb, loopback.Address)
		held = append(held, l)
		*addr = l.Addr().String()
	}
	for _, l := range held {
		l.Close()
	}
}

// poll calls ready every few milliseconds until it says true.
func poll(ctx context.Context, ready func() bool) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ready() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// tail returns the last lines of a file, for the log of a failed test.
func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	all := strings.SplitAfter(string(data), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}
