package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postferry/internal/lab"
	"postferry/internal/lab/powercut"
	"postferry/store"
	"postferry/store/bolt"
)

// powerFolders are what is copied in TestIntentsReachDiskFirst.
var powerFolders = map[string]int{"INBOX": 30, "Work": 12}

// powerMark is in one message only.
func powerMark(folder string, uid uint32) string {
	return fmt.Sprintf("Message-ID: <power-%s-%d@example.com>", folder, uid)
}

// powerPair are servers in memory, without TLS, so that what goes to the new one can be
// read; the new one has the capabilities caps. anna has been imported.
func powerPair(t *testing.T, caps string) (new *lab.Odd, config string) {
	t.Helper()
	old := lab.StartOdd(t, lab.OddOptions{})
	new = lab.StartOdd(t, lab.OddOptions{Caps: caps})
	for folder, n := range powerFolders {
		if folder != "INBOX" {
			old.Create(folder)
		}
		for uid := range uint32(n) {
			old.Deliver(folder, fmt.Sprintf("%s\r\nFrom: a@example.com\r\n\r\n%s\r\n", powerMark(folder, uid+1), strings.Repeat("text ", int(uid*10))), "01-Mar-2019 10:00:00 +0100")
		}
	}
	config = filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, fmt.Sprintf("state = \"state\"\n[[domain]]\nname = \"example.com\"\nold = %q\nnew = %q\n", old.Server(), new.Server()))
	takeOverAll(t, config, anna)
	return new, config
}

// TestIntentsReachDiskFirst records a pass and looks, for each message, at what the disk
// held for certain when the first octet of its APPEND went out: its intent must be there.
func TestIntentsReachDiskFirst(t *testing.T) {
	t.Parallel()
	for _, caps := range []string{lab.OddCaps, strings.ReplaceAll(lab.OddCaps, " MULTIAPPEND", ""), "IMAP4rev1"} {
		t.Run(caps, func(t *testing.T) {
			server, config := powerPair(t, caps)
			dir := filepath.Join(filepath.Dir(config), "state")
			disk, again := powercut.NewDisk(t, dir), powercut.NewDisk(t, dir)
			exe, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), exe, "sync", "-c", config)
			cmd.Env = append(os.Environ(), runEnv+"=1")
			recording := powercut.Record(t, cmd, dir)
			port := server.Server().Port
			if err := intentsFirst(t, disk, recording, port, dir); err != nil {
				t.Error(err)
			}
			if err := intentsFirst(t, again, recording.Without(powercut.FileSynced), port, dir); err == nil {
				t.Error("without the calls that sync all is on the disk in time as well")
			}
		})
	}
}

// intentsFirst says which message was sent, in part at least, before its intent was on the disk.
func intentsFirst(t *testing.T, disk *powercut.Disk, r *powercut.Recording, port int, dir string) error {
	t.Helper()
	sent := appendsOf(r, port)
	want, seen, looked := 0, 0, 0
	for _, n := range powerFolders {
		want += n
	}
	for i, c := range r.Calls {
		disk.Apply(c)
		for ; seen < len(sent) && sent[seen].call == i; seen++ {
			known := certainlyKnown(t, disk, dir)
			for _, m := range sent[seen].messages {
				if looked++; !known[m] {
					return fmt.Errorf("call %d of %d begins to send %q, of which the disk holds nothing for certain", i, len(r.Calls), m)
				}
			}
		}
	}
	if known := certainlyKnown(t, disk, dir); len(known) != want || looked != want {
		return fmt.Errorf("%d messages were sent, and in the end the disk holds %d for certain; want %d", looked, len(known), want)
	}
	return nil
}

// sentAppend is an APPEND command: the call that sent its first octet, and the marks of
// the messages in it.
type sentAppend struct {
	call     int
	messages []string
}

var (
	appendLine = regexp.MustCompile(`(?m)^\S+ APPEND `)
	markText   = regexp.MustCompile(`Message-ID: <power-[^>]*>`)
)

// appendsOf are the APPEND commands that went to a port, in the order of their beginnings.
func appendsOf(r *powercut.Recording, port int) (all []sentAppend) {
	type stream struct {
		text  []byte
		calls []int // of each octet
	}
	streams := map[int]*stream{}
	for i, c := range r.Calls {
		if c.Kind != powercut.Sent || c.Port != port {
			continue
		}
		if streams[c.Conn] == nil {
			streams[c.Conn] = &stream{}
		}
		s := streams[c.Conn]
		s.text, s.calls = append(s.text, c.Data...), append(s.calls, slices.Repeat([]int{i}, len(c.Data))...)
	}
	for _, s := range streams {
		lines := appendLine.FindAllIndex(s.text, -1)
		for n, at := range lines {
			end := len(s.text)
			if n+1 < len(lines) {
				end = lines[n+1][0]
			}
			all = append(all, sentAppend{s.calls[at[0]], markText.FindAllString(string(s.text[at[0]:end]), -1)})
		}
	}
	slices.SortFunc(all, func(a, b sentAppend) int { return a.call - b.call })
	return all
}

// certainlyKnown are the marks of the messages of which the disk holds an intent or a proof for certain.
func certainlyKnown(t *testing.T, disk *powercut.Disk, dir string) map[string]bool {
	t.Helper()
	left := t.TempDir()
	disk.Certain(t, dir, left)
	st, err := bolt.Open(left, bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	a, err := st.Account(t.Context(), anna)
	if err != nil {
		t.Fatal(err)
	}
	folders, err := st.Folders(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range folders {
		l, err := st.Ledger(t.Context(), a.ID, f.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range l.Entries {
			known[markOf(f, e.Key)] = true
		}
		for _, in := range l.Intents {
			known[markOf(f, in.Key)] = true
		}
	}
	return known
}

// markOf is the mark of a folder's message: its UID are the last four octets of the key.
func markOf(f store.Folder, k store.Key) string {
	return powerMark(f.Old, binary.BigEndian.Uint32([]byte(k)[len(k)-4:]))
}
