package syncer_test

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"postferry/config"
	"postferry/internal/lab"
)

// TestStoppedServer: the processes of the new server are stopped in the middle of an APPEND
// for longer than a connection may be silent, and go on afterwards: what they store then is
// not stored twice.
func TestStoppedServer(t *testing.T) {
	for name, stopped := range map[string]time.Duration{"until it hangs up": 3 * time.Second, "for longer than it is waited for": 9 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := startRelocationWith(t, sdbox, sdbox, func(cfg *config.Config) { cfg.Sync.Stall = time.Second })
			c := m.old.Client(anna)
			const n = 600
			for _, msg := range lab.Generate(1, n, 8000) {
				if err := lab.Append(c, "INBOX", msg); err != nil {
					t.Fatal(err)
				}
			}
			goOn := stopInTheMiddle(t, m, n)
			ended := time.AfterFunc(stopped, goOn)
			defer ended.Stop()
			for tries := 0; ; tries++ {
				results, err := m.engine.Sync(t.Context(), nil, nil)
				if err != nil || tries == 20 {
					t.Fatalf("%v, %+v", err, results)
				}
				if results[0].Pass.Complete {
					break
				}
			}
			goOn()
			m.settleNew(n)
			if p := m.pass(); !p.Complete {
				t.Errorf("%+v", p)
			}
			m.after = m.new.Snapshot(anna)
			if got := len(m.after.Folders["INBOX"].Messages); got != n {
				t.Errorf("%d messages, want %d", got, n)
			}
		})
	}
}

// stopInTheMiddle stops the new server's sessions once some of n messages have arrived, in
// the background; goOn lets them go on.
func stopInTheMiddle(t *testing.T, m *relocation, n int) (goOn func()) {
	t.Helper()
	nu := m.new.(*lab.Dovecot)
	watcher := nu.Client(anna)
	pids := make(chan []int, 1)
	go func() {
		defer close(pids)
		for t.Context().Err() == nil {
			data, err := watcher.Status("INBOX", &imap.StatusOptions{UIDNext: true}).Wait()
			if err != nil {
				return
			}
			if got := int(data.UIDNext); got > n/10 {
				sessions := nu.Sessions()
				for _, pid := range sessions {
					syscall.Kill(pid, syscall.SIGSTOP)
				}
				pids <- sessions
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		for stopped := range pids {
			for _, pid := range stopped {
				syscall.Kill(pid, syscall.SIGCONT)
			}
		}
	})
}

// settleNew waits until the new server's inbox has not changed for a moment.
func (m *relocation) settleNew(n int) {
	m.Helper()
	c := m.new.Client(anna)
	last, since := uint32(0), time.Now()
	for time.Since(since) < time.Second {
		data, err := c.Status("INBOX", &imap.StatusOptions{NumMessages: true}).Wait()
		if err != nil {
			m.Fatal(err)
		}
		if *data.NumMessages != last {
			last, since = *data.NumMessages, time.Now()
		}
	}
	m.Logf("%d messages before the second look, %d are right", last, n)
}
