package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
	"postferry/internal/lab/light"
)

// idleVariable says how many clients TestIdleClients connects.
const idleVariable = "POSTFERRY_TEST_IDLE"

// TestIdleClients connects clients that idle, with TLS on both sides, and tells what each costs the
// daemon in memory. make relay does it with many.
func TestIdleClients(t *testing.T) {
	n, bound := 200, 1<<20 // the race detector takes several times as much as the program
	if many := os.Getenv(idleVariable); many != "" {
		bound = 100 << 10
		var err error
		if n, err = strconv.Atoi(many); err != nil {
			t.Fatal(err)
		}
	}
	ca := lab.NewCA(t)
	server := light.Start(t, light.Options{CA: ca})
	p := &pair{t: t, ca: ca, newCA: true, oldURL: "imap+insecure://127.0.0.1:1", newURL: server.Server().String(), proxy: fmt.Sprintf("max_connections = %d", 4*n)}
	d := startDaemon(t, p.config())
	idle := func(i int) {
		k := talkTo(t, d.IMAPS(), &tls.Config{InsecureSkipVerify: true})
		if got := completion(k.ask("LOGIN user%d@example.com pw", i)); !strings.HasPrefix(got, "TAG OK") {
			t.Fatalf("login: %s", got)
		}
		k.send("i IDLE\r\n")
		if got := k.response(); got != "+ idling" {
			t.Fatalf("IDLE: %s", got)
		}
	}
	for i := range 20 { // what is there once for all
		idle(i)
	}
	before := resident(t, d.cmd.Process.Pid)
	for i := range n {
		idle(20 + i)
	}
	wait(t, 500*time.Millisecond)
	each := (resident(t, d.cmd.Process.Pid) - before) / n
	t.Logf("%d idle clients with TLS on both sides: %.1f KB of resident memory each", n, float64(each)/1024)
	if each > bound {
		t.Errorf("an idle client costs %d octets", each)
	}
}

// resident is the resident memory of a process, in octets.
func resident(t *testing.T, pid int) int {
	t.Helper()
	text := readFile(t, fmt.Sprintf("/proc/%d/statm", pid))
	pages, err := strconv.Atoi(strings.Fields(text)[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}
