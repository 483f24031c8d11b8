package upstream

import (
	"testing"
	"time"

	"postferry/internal/lab"
)

// TestDovecotNotify: with NOTIFY a session hears of what comes to folders that it has not opened,
// without it only of the opened one.
func TestDovecotNotify(t *testing.T) {
	t.Parallel()
	d := startDovecot(t)
	d.Append("ann", "INBOX", lab.Generate(1, 1, 100)...)
	d.Append("ann", "Other", lab.Generate(2, 1, 100)...)
	s := dialDovecot(t, d.ImplicitTLS(), ann)
	if _, err := s.Opener.Examine(t.Context(), "INBOX"); err != nil {
		t.Fatal(err)
	}
	if all, err := s.Watcher.Notify(t.Context()); !all || err != nil || !s.Watcher.Watches() {
		t.Fatalf("NOTIFY: %v, %v", all, err)
	}
	for i, folder := range []string{"Other", "INBOX", "Other"} {
		heard := make(chan error, 1)
		go func() {
			for {
				changed, err := s.Watcher.Idle(t.Context(), 20*time.Second)
				if changed || err != nil {
					heard <- err
					return
				}
			}
		}()
		d.Append("ann", folder, lab.Generate(uint64(10+i), 1, 100)...)
		select {
		case err := <-heard:
			if err != nil {
				t.Fatal(err)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("nothing is heard of %s", folder)
		}
	}
}
