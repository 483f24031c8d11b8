package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postferry/internal/lab"
)

// TestFinishLetsGoOfPasswords: after the end of a move nothing in a daemon refers to the passwords any more, neither those of the
// list nor the one of a client's login, though that client stays connected. The collector overwrites here what it frees (clobberfree), so that whatever is found in
// the memory is still held.
func TestFinishLetsGoOfPasswords(t *testing.T) {
	t.Parallel()
	// Constants would stand in the memory of the program itself, and short ones in buffers on stacks that are used no more.
	passwords := map[string]string{"old": rand.Text() + rand.Text(), "new": rand.Text() + rand.Text()}
	p := &pair{t: t, ca: lab.NewCA(t), newCA: true}
	p.old = lab.StartDovecot(t, lab.DovecotOptions{CA: p.ca, Users: []lab.User{{Login: anna, Password: passwords["old"]}}})
	p.new = lab.StartDovecot(t, lab.DovecotOptions{CA: p.ca, Users: []lab.User{{Login: anna, Password: passwords["new"]}}, AutoCreate: true})
	p.oldURL, p.newURL = p.old.Insecure().String(), p.new.ImplicitTLS().String()
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 20, 2000))
	d := startDaemon(t, p.config(), "GODEBUG=clobberfree=1", "GOGC=1")
	list := filepath.Join(t.TempDir(), "accounts")
	writeFile(t, list, fmt.Sprintf("%s %s %s %s\n", anna, passwords["old"], anna, passwords["new"]))
	mustRun(t, "import", "-c", d.Config, list)
	c := p.client(d)
	if err := c.Login(anna, passwords["new"]).Wait(); err != nil {
		t.Fatal(err)
	}
	// crypto/tls keeps what a client has sent until something as long comes.
	if _, err := c.List("", strings.Repeat("none", 100), nil).Collect(); err != nil {
		t.Fatal(err)
	}
	mustRun(t, "sync", "-c", d.Config, anna)
	if found := remembered(t, d, passwords); found["old"] == 0 || found["new"] == 0 {
		t.Fatalf("before the end the daemon's memory has %v: what the search finds is not what it should", found)
	}
	mustRun(t, "finish", "-c", d.Config, "--yes", anna)
	var found map[string]int
	for end := time.Now().Add(4 * daemonLimit); time.Now().Before(end); {
		mustRun(t, "backup", "-c", d.Config, filepath.Join(t.TempDir(), "backup")) // work that makes the collector run
		if found = remembered(t, d, passwords); len(found) == 0 {
			return
		}
	}
	t.Errorf("the daemon's memory has %v", found)
}

// remembered is how often the memory that a daemon writes to has each form of passwords.
func remembered(t *testing.T, d *testDaemon, passwords map[string]string) map[string]int {
	t.Helper()
	forms := maps.Clone(passwords)
	for name, p := range passwords {
		forms[name+", base64"] = base64.StdEncoding.EncodeToString([]byte(p))
		forms[name+", PLAIN"] = base64.StdEncoding.EncodeToString([]byte("\x00" + anna + "\x00" + p))
	}
	proc := fmt.Sprintf("/proc/%d/", d.cmd.Process.Pid)
	regions, err := os.ReadFile(proc + "maps")
	if err != nil {
		t.Fatal(err)
	}
	memory, err := os.Open(proc + "mem")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	// With the race detector the heap is where it always was, among much of the detector's; without it is anywhere.
	raced := strings.Contains(string(regions), "\nc000000000-")
	found := map[string]int{}
	for region := range strings.Lines(string(regions)) {
		var from, to int64
		var rights string
		_, err := fmt.Sscanf(region, "%x-%x %s", &from, &to, &rights)
		if err != nil || !strings.HasPrefix(rights, "rw") || to-from > 128<<20 || raced && from>>32 != 0xc0 && !strings.HasSuffix(region, ".test\n") {
			continue
		}
		part := make([]byte, to-from)
		n, _ := memory.ReadAt(part, from)
		for name, form := range forms {
			if c := bytes.Count(part[:n], []byte(form)); c > 0 {
				found[name] += c
			}
		}
	}
	return found
}
