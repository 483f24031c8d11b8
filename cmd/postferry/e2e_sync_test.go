package main

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"postferry/internal/control"
	"postferry/internal/lab"
)

// TestSyncTwentyAccounts moves twenty accounts without the daemon, twice, and
// then with a password that has become wrong.
func TestSyncTwentyAccounts(t *testing.T) {
	t.Parallel()
	var logins []string
	for i := range 20 {
		logins = append(logins, fmt.Sprintf("user%02d@example.com", i))
	}
	p := startPair(t, logins...)
	total := 0
	var checks []func()
	for i, login := range logins {
		p.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), 10+i, 2000))
		p.old.FillMaildir(login, "INBOX.Gesendet", lab.Generate(uint64(100+i), 5, 2000))
		p.old.FillMaildir(login, "INBOX.Größe.Ähnlich", lab.Generate(uint64(200+i), 1, 20_000))
		total += 10 + i + 5 + 1
		checks = append(checks, p.untouched(login))
	}
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, logins...)

	start := time.Now()
	out := syncAll(t, config)
	t.Logf("20 accounts took %s", time.Since(start))
	if want := fmt.Sprintf("20 accounts: 20 complete, 0 incomplete; %d messages copied", total); !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s", want, out)
	}
	for i, login := range logins {
		p.sameMail(login)
		checks[i]()
	}
	p.figuresAgree(config, logins, total)

	start = time.Now()
	if out := syncAll(t, config); !strings.Contains(out, "20 complete, 0 incomplete; 0 messages copied (0 B)") {
		t.Errorf("the second pass:\n%s", out)
	}
	t.Logf("the second pass took %s", time.Since(start))

	p.old.AddUser(lab.User{Login: logins[7], Password: "changed"})
	p.old.Append(logins[8], "INBOX", lab.Msg{Body: letter("late")})
	code, out, _ := postferry(t, "", "sync", "-c", config)
	if code != exitFailed || !strings.Contains(out, "19 complete, 1 incomplete; 1 message copied") {
		t.Errorf("with a wrong password: status %d\n%s", code, out)
	}
	about := out[max(strings.LastIndex(out, logins[7]+" "), 0):]
	if lines := strings.SplitN(about, "\n", 3); len(lines) < 3 || !strings.Contains(lines[1], "needs attention") {
		t.Errorf("the summary says about the account: %s", about)
	}
	p.old.AddUser(lab.User{Login: logins[7], Password: odd})
	if out := syncAll(t, config, logins[7]); !strings.Contains(out, "1 account: 1 complete") {
		t.Errorf("after the password is right again:\n%s", out)
	}
}

// figuresAgree wants status to say what the servers have.
func (p *pair) figuresAgree(config string, logins []string, total int) {
	t := p.t
	t.Helper()
	totals, accounts := statusOf(t, config)
	want := control.StatusTotals{Accounts: len(logins), Complete: len(logins), Messages: uint64(total), Copied: uint64(total)}
	if totals.Next = nil; !reflect.DeepEqual(totals, want) {
		t.Errorf("totals %+v, want %+v", totals, want)
	}
	for _, login := range logins {
		snap := p.new.Snapshot(login)
		for _, f := range accounts[login].Folders {
			there := snap.Folders[f.Name]
			if there == nil || f.Messages != uint64(len(there.Messages)) || f.Copied != f.Messages || f.Checked == nil || f.State != "present" {
				t.Errorf("%s: %+v, on the new server: %+v", login, f, there)
			}
		}
		if n := len(accounts[login].Folders); n != 3 {
			t.Errorf("%s: %d folders", login, n)
		}
	}
}

// lineWith is the last line that has a word, with what goes on below it.
func lineWith(text, word string) string {
	found, goesOn := "", false
	for line := range strings.Lines(text) {
		switch below := strings.HasPrefix(line, "    "); {
		case strings.Contains(line, word):
			found, goesOn = line, true
		case below && goesOn:
			found += line
		default:
			goesOn = false
		}
	}
	return inOneLine(found)
}

// inOneLine is text as it was before it was cut into lines.
func inOneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// TestSyncRightAfterImport wants a sync that is asked for while the daemon has
// just begun with the account to be a whole pass.
func TestSyncRightAfterImport(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	p.old.FillMaildir(anna, "INBOX", lab.Generate(1, 500, 2000))
	p.old.FillMaildir(anna, "INBOX.Anderer", lab.Generate(2, 100, 2000))
	d := p.serve()
	takeOverAll(t, d.Config, anna)
	syncAll(t, d.Config)
	p.sameMail(anna)
}

// TestRefusedMessage has a message that the new server refuses, and wants the
// rest to arrive and nobody to call that complete.
func TestRefusedMessage(t *testing.T) {
	t.Parallel()
	p := startPair(t, anna)
	mail := lab.Generate(1, 150, 1000)
	mail[70].Body = nil // Dovecot does not save an empty message
	p.old.FillMaildir(anna, "INBOX", mail)
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, p.config())
	takeOverAll(t, config, anna)
	for range 2 {
		code, out, _ := postferry(t, "", "sync", "-c", config)
		if code != exitFailed || !strings.Contains(out, "refused") {
			t.Errorf("status %d\n%s", code, out)
		}
		totals, _ := statusOf(t, config)
		if totals.Messages != 150 || totals.Copied != 149 || totals.Quarantined != 1 {
			t.Errorf("totals %+v", totals)
		}
		if n := messages(t, p.new.Client(anna), "INBOX"); n != 149 {
			t.Errorf("%d messages on the new server", n)
		}
	}
}
