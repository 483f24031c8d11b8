package main

import (
	"bytes"
	"context"
	"io"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"postferry/internal/demo"
)

// TestDemoOnce takes the whole tour.
func TestDemoOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	start := time.Now()
	status, stdout, stderr := postferry(t, "", "demo", "--once")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d\n%s\n%s", status, stdout, stderr)
	}
	for _, want := range []string{"enrolled", "Österreich", "Opened through Postferry: 9 messages", "Copied nothing", "not yet, because: The MX still leads to mx.old.example", "remembers the old MX",
		"Safe to switch off the old server: yes.", "anna@example.org is perfect", "passwords are forgotten", "logs in as before", "every step was checked"} {
		if !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) { // sentences go on in the next line
			t.Errorf("no %q in\n%s", want, stdout)
		}
	}
	if took := time.Since(start); took > patience {
		t.Errorf("it took %s", took)
	}
}

// invitation is what the demo prints, as it grows.
type invitation struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (i *invitation) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.text.Write(p)
}

func (i *invitation) String() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.text.String()
}

// TestDemoPage enters the page with what the demo prints, and sees accounts
// there: some that move and some that wait.
func TestDemoPage(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var out invitation
	ended := make(chan error, 1)
	go func() { ended <- demo.Run(ctx, startDemoDaemon, &out, io.Discard, false) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	entry := regexp.MustCompile(`  page +(\S+)\n  name +(\S+)\n  password +(\S+)\n`)
	limit := time.Now().Add(patience)
	for !entry.MatchString(out.String()) {
		select {
		case err := <-ended:
			ended <- nil
			t.Fatalf("%v\n%s", err, &out)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(limit) {
			t.Fatalf("no invitation in\n%s", &out)
		}
	}
	said := entry.FindStringSubmatch(out.String())
	api := loginPage(t, said[1], said[2], said[3])
	for limit := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		var d pageDomain
		api.get("/domains/example.org", &d)
		if d.Totals.Waiting == 2 && d.Totals.Running > 0 && d.Totals.Copied > 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("totals %+v", d.Totals)
		}
	}
}
