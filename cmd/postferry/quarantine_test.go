package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postferry/internal/demo/servers"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// isolatedAt is when isolate says that it happened.
var isolatedAt = time.Unix(1_700_000_000, 0).UTC()

// isolate puts a message of the demo's INBOX that has been copied into
// quarantine, and notes another one as repaired.
func isolate(t *testing.T, config string) (isolated store.Entry) {
	t.Helper()
	st := openState(t, filepath.Join(filepath.Dir(config), "state"))
	a, err := st.Account(t.Context(), servers.Login)
	if err != nil {
		t.Fatal(err)
	}
	l, err := st.Ledger(t.Context(), a.ID, 1)
	if err != nil || len(l.Entries) < 2 {
		t.Fatalf("%d entries, %v", len(l.Entries), err)
	}
	e := l.Entries[0]
	err = st.Commit(t.Context(), store.Batch{Account: a.ID, Folder: 1, Forget: []store.Key{e.Key},
		Quarantine: []store.Quarantined{{Key: e.Key, Reason: reason.Of(reason.Refused),
			Cause: "NO \x1b[31mtoo blue", Attempts: 2, Since: isolatedAt, Last: isolatedAt}},
		Repaired: []store.Repaired{{Key: l.Entries[1].Key, What: reason.Of(reason.BareLFMade), When: isolatedAt}},
	})
	if err := errors.Join(err, st.Close()); err != nil {
		t.Fatal(err)
	}
	return e
}

// TestQuarantineCommands lists, shows, exports and retries a message, without
// a daemon and with one.
func TestQuarantineCommands(t *testing.T) {
	t.Parallel()
	for _, daemon := range []bool{false, true} {
		name := map[bool]string{false: "alone", true: "daemon"}[daemon]
		t.Run(name, func(t *testing.T) {
			_, config, list := memoryServers(t, 0)
			mustRun(t, "import", "-c", config, list)
			mustRun(t, "sync", "-c", config)
			e := isolate(t, config)
			if daemon {
				text, err := os.ReadFile(config)
				if err != nil {
					t.Fatal(err)
				}
				d := &testDaemon{t: t, Config: config}
				t.Cleanup(d.Kill9)
				writeFile(t, config, "# for the daemon\n"+string(text))
				d.start()
			}
			id := listed(t, config)
			shown := mustRun(t, "quarantine", "show", "-c", config, id)
			if !strings.Contains(shown, "\nSubject: ") || !strings.Contains(shown, "too blue") || strings.Contains(shown, "\x1b") {
				t.Errorf("show:\n%s", shown)
			}
			exported(t, config, id, int64(e.Size))
			if code, _, stderr := postferry(t, "", "quarantine", "show", "-c", config, id[:len(id)-2]+"77"); code != exitUsage {
				t.Errorf("another ID: status %d, %s", code, stderr)
			}
			retried(t, config, daemon)
		})
	}
}

// listed returns the ID of the one message in quarantine.
func listed(t *testing.T, config string) string {
	t.Helper()
	var all struct{ Messages []report.QuarantineRecord }
	if err := json.Unmarshal([]byte(mustRun(t, "quarantine", "list", "-c", config, "--json")), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Messages) != 1 {
		t.Fatalf("listed: %+v", all.Messages)
	}
	rec := all.Messages[0]
	if rec.Login != servers.Login || rec.Folder != "INBOX" || rec.Attempts != 2 || !strings.Contains(rec.Key, "uid 1") || !rec.Since.Equal(isolatedAt) {
		t.Errorf("%+v", rec)
	}
	text := mustRun(t, "quarantine", "list", "-c", config, servers.Login, rec.ID)
	for _, want := range []string{rec.ID, "tried 2 times", "NO ?[31mtoo blue", "\n1 message in quarantine\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the list has no %q:\n%s", want, text)
		}
	}
	if text := mustRun(t, "quarantine", "list", "-c", config, "--repaired"); !strings.Contains(text, "bare LF made CRLF") || !strings.Contains(text, "1 message repaired") {
		t.Errorf("those repaired:\n%s", text)
	}
	return rec.ID
}

// exported wants the message in a file that only its owner can read.
func exported(t *testing.T, config, id string, size int64) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 { // the second replaces the first
		if out := mustRun(t, "quarantine", "export", "-c", config, "-o", dir, id); !strings.Contains(out, "1 message exported") {
			t.Errorf("export: %s", out)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
	}
	info, err := files[0].Info()
	if err != nil || info.Mode() != 0o600 || info.Size() != size {
		t.Errorf("%s: mode %s, %d octets, want %d: %v", files[0].Name(), info.Mode(), info.Size(), size, err)
	}
	if want := servers.Login + "_INBOX_" + id + ".eml"; files[0].Name() != want {
		t.Errorf("%s, want %s", files[0].Name(), want)
	}
}

// retried wants the message copied by the next pass.
func retried(t *testing.T, config string, daemon bool) {
	t.Helper()
	out := mustRun(t, "quarantine", "retry", "-c", config, servers.Login)
	if !strings.Contains(out, "1 message released") {
		t.Errorf("retry: %s", out)
	}
	if !daemon {
		if out := mustRun(t, "sync", "-c", config); !strings.Contains(out, "1 message copied") {
			t.Errorf("sync after retry:\n%s", out)
		}
	}
	eventually(t, "the message copied again", func() bool {
		totals, _ := statusOf(t, config)
		return totals.Copied == 47 && totals.Quarantined == 0
	})
}

func TestSafeName(t *testing.T) {
	for in, want := range map[string]string{
		"anna@example.com": "anna@example.com", "../../etc/passwd": "etc-passwd", ".hidden": "hidden",
		"Gelöschte Elemente/a b": "Gel-schte-Elemente-a-b", "a\x00b\nc": "a-b-c", strings.Repeat("x", 100): strings.Repeat("x", 60), "": "",
	} {
		if got := safeName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestExportBreaksOff wants no file of a message that did not come whole.
func TestExportBreaksOff(t *testing.T) {
	dir := t.TempDir()
	readErr, err := writeMail(filepath.Join(dir, "a.eml"), io.MultiReader(strings.NewReader("Subject: a\r\n"), failing{}))
	if readErr == nil || err != nil {
		t.Errorf("%v, %v", readErr, err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 0 {
		t.Errorf("files %v", files)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("cut off") }
