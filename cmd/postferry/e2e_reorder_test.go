package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"

	"postferry/internal/lab"
)

var reordered = regexp.MustCompile(`"moved":(\d+),[^\n]*the folder's newest messages are the last ones on the new server again`)

// TestProgramsOverReorder: between two runs of programs that keep a copy of a folder its order is
// restored. They fetch no more a second time than what has got other UIDs, and have all of it once.
func TestProgramsOverReorder(t *testing.T) {
	t.Parallel()
	const total = 160
	p := startPair(t, anna, blocker)
	p.old.FillMaildir(anna, "INBOX", unflagged(5, total, 300)) // each program makes something else of flags
	p.proxy = "visit_wait = \"1ns\"\nvisit_window = 100"
	d := p.serveBlocked()
	direct := p.new.Client(anna)
	mbsync, curl := &mirrorProgram{p: p, dir: t.TempDir(), pull: p.mbsyncIn}, &cachingProgram{p: p, bodies: map[imap.UID]string{}}
	eventually(t, "the newest messages", func() bool { curl.run(d); return len(curl.bodies) >= 50 })
	mbsync.run(d.IMAPS())
	eventually(t, "all mail", func() bool { return messages(t, direct, "INBOX") == total })

	d.Stop()
	writeFile(t, d.Config, strings.Replace(readFile(t, d.Config), "old_connections = 2", "", 1))
	d.Restart()
	eventually(t, "the order restored", func() bool { return reordered.MatchString(d.Log()) })
	moved, err := strconv.Atoi(reordered.FindStringSubmatch(d.Log())[1])
	if err != nil || moved == 0 {
		t.Fatalf("%d moved, %v", moved, err)
	}
	again := map[string]int{"mbsync": mbsync.run(d.IMAPS()), "curl": curl.run(d)}
	for name, n := range again {
		t.Logf("%s fetched %d messages a second time, %d have got other UIDs", name, n, moved)
		if n == 0 || n > moved {
			t.Errorf("%s fetched %d messages a second time, but only %d have got other UIDs", name, n, moved)
		}
	}
	for name, all := range map[string][]string{"mbsync": mbsync.all(), "curl": curl.all()} {
		if once := slices.Compact(slices.Clone(all)); len(all) != total || len(once) != total {
			t.Errorf("%s has %d messages, %d different ones", name, len(all), len(once))
		}
	}
}

// unflagged are n messages of about size octets without flags.
func unflagged(seed uint64, n, size int) []lab.Msg {
	mail := lab.Generate(seed, n, size)
	for i := range mail {
		mail[i].Flags = nil
	}
	return mail
}

// mirrorProgram is one that keeps a maildir, with what it keeps.
type mirrorProgram struct {
	p     *pair
	dir   string
	pull  func(dir, addr string) // brings dir/mail/INBOX up to date
	files map[string]string      // its messages by the names of their files
}

// run lets it pull, and tells how many messages it has fetched that it had.
func (m *mirrorProgram) run(addr string) (again int) {
	m.p.t.Helper()
	m.pull(m.dir, addr)
	had := map[string]bool{}
	for _, text := range m.files {
		had[text] = true
	}
	was := m.files
	m.files = map[string]string{}
	paths, err := filepath.Glob(m.dir + "/mail/INBOX/*/*")
	if err != nil {
		m.p.t.Fatal(err)
	}
	for _, path := range paths {
		body, err := os.ReadFile(path)
		if err != nil {
			m.p.t.Fatal(err)
		}
		name, _, _ := strings.Cut(filepath.Base(path), ":")
		m.files[name] = string(withoutTUID(body))
		if _, known := was[name]; !known && had[m.files[name]] {
			again++
		}
	}
	return again
}

func (m *mirrorProgram) all() (all []string) {
	for _, text := range m.files {
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}

// cachingProgram is one that keeps bodies by their UIDs, and uses curl.
type cachingProgram struct {
	p        *pair
	validity string
	bodies   map[imap.UID]string
}

var (
	foundUIDs = regexp.MustCompile(`(?m)^\* SEARCH([ \d]*)`)
	validUIDs = regexp.MustCompile(`UIDVALIDITY (\d+)`)
)

// run brings the cache up to date, and tells how many messages it has fetched that it had.
func (c *cachingProgram) run(d *testDaemon) (again int) {
	t := c.p.t
	t.Helper()
	had := map[string]bool{}
	for _, text := range c.bodies {
		had[text] = true
	}
	if validity := validUIDs.FindString(string(c.p.curl(d, "", "--request", "STATUS INBOX (UIDVALIDITY)"))); validity != c.validity {
		c.validity, c.bodies = validity, map[imap.UID]string{}
	}
	found := foundUIDs.FindSubmatch(c.p.curl(d, "INBOX", "--request", "UID SEARCH ALL"))
	if found == nil {
		t.Fatal("curl finds nothing")
	}
	now := map[imap.UID]string{}
	var missing []string
	for _, word := range strings.Fields(string(found[1])) {
		uid, err := strconv.ParseUint(word, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		text, known := c.bodies[imap.UID(uid)]
		if now[imap.UID(uid)] = text; !known {
			missing = append(missing, word)
		}
	}
	dir := t.TempDir()
	if len(missing) > 0 {
		c.p.curl(d, fmt.Sprintf("INBOX;UID={%s}", strings.Join(missing, ",")), "--output", dir+"/#1")
	}
	for _, word := range missing {
		uid, _ := strconv.ParseUint(word, 10, 32) //nolint:errcheck // it was parsed before
		text := readFile(t, filepath.Join(dir, word))
		now[imap.UID(uid)] = text
		if had[text] {
			again++
		}
	}
	c.bodies = now
	return again
}

func (c *cachingProgram) all() (all []string) {
	for _, text := range c.bodies {
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}
