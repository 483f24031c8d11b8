package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"postferry/internal/control"
	"postferry/internal/demo/servers"
)

// TestClientsOfADaemon: an operator sees a mail program that is connected, with its folder, and
// sends it away; Prometheus sees it as well. Without a daemon there is nobody.
func TestClientsOfADaemon(t *testing.T) {
	t.Parallel()
	_, config, list := memoryServers(t, 0)
	mustRun(t, "import", "-c", config, list) // so that there is a state
	if status, _, stderr := postferry(t, "", "clients", "-c", config); status != exitFailed || !strings.Contains(stderr, "no daemon runs") {
		t.Errorf("status %d, %s", status, stderr)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, strings.Replace(string(text), `listen = ""`, `listen = "127.0.0.1:0"`, 1))
	mustRun(t, "import", "-c", d.Config, list)
	if out := mustRun(t, "clients", "-c", d.Config); out != "no mail program is connected\n" {
		t.Errorf("nobody: %q", out)
	}
	k := talkTo(t, d.IMAPS(), &tls.Config{InsecureSkipVerify: true})
	k.ask("ID (\"name\" \"Mail\\ter\" \"version\" \"3\")")
	k.ask("LOGIN %s %s", servers.Login, imapString(servers.Password))
	k.ask("SELECT INBOX")
	out := mustRun(t, "clients", "-c", d.Config)
	for _, want := range []string{"LOGIN", servers.Login, "Mailter 3", "127.0.0.1:", "INBOX"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	var shown struct{ Clients []control.ConnectedClient }
	if err := json.Unmarshal([]byte(mustRun(t, "clients", "--json", "-c", d.Config)), &shown); err != nil || len(shown.Clients) != 1 {
		t.Fatalf("%+v, %v", shown, err)
	}
	if c := shown.Clients[0]; !c.TLS || !c.Known || c.Domain != "example.org" || c.Folder != "INBOX" || c.Since.IsZero() {
		t.Errorf("%+v", c)
	}
	wantMetrics(t, d, `postferry_clients 1`, `postferry_client_logins_total{result="accepted"} 1`, `postferry_client_visit_wait_seconds_count 1`,
		`postferry_server_connections{server="`, `postferry_late_messages_total{domain="example.org"} 0`, `postferry_accounts_never_complete{domain="example.org"}`)
	if out := mustRun(t, "kick", "-c", d.Config, servers.Login); out != servers.Login+": 1 sent away\n" {
		t.Errorf("kick: %q", out)
	}
	if said := k.response(); !strings.HasPrefix(said, "* BYE [UNAVAILABLE] The administrator") {
		t.Errorf("the program heard %q", said)
	}
	if status, _, stderr := postferry(t, "", "kick", "-c", d.Config, servers.Login); status != exitFailed || !strings.Contains(stderr, "nobody is logged in") {
		t.Errorf("kicked again: %d %s", status, stderr)
	}
}

// wantMetrics fails unless /metrics has lines that begin like these.
func wantMetrics(t *testing.T, d *testDaemon, want ...string) {
	t.Helper()
	_, page, _ := strings.Cut(d.Log(), `"page":"`)
	page, _, _ = strings.Cut(page, `"`)
	token := strings.TrimSpace(mustRun(t, "admin", "token", "create", "prometheus", "-c", d.Config))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(page, "/")+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %v\n%s", resp.Status, err, text)
	}
	for _, w := range want {
		if !bytes.Contains(text, []byte("\n"+w)) {
			t.Errorf("no line begins with %q", w)
		}
	}
}
