package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postferry/internal/backend"
	"postferry/internal/control"
	"postferry/internal/demo/servers"
	"postferry/report"
)

// controlRequests are what each of the control socket's paths is asked with, and what
// the operations of accessPath are.
func controlRequests() (requests map[string]any, operations map[string]control.AccessRequest) {
	domain := "example.org"
	logins := map[string]any{"logins": []string{servers.Login}}
	account := map[string]string{"domain": domain, "login": servers.Login, "old_login": servers.Login, "old_password": servers.Password,
		"new_login": servers.Login, "new_password": servers.Password}
	return map[string]any{
			"/v1/domains":             struct{}{},
			"/v1/accounts":            map[string]any{"accounts": []any{account}},
			"/v1/sync":                logins,
			"/v1/status":              control.StatusQuery{Folders: true},
			"/v1/quarantine":          control.QuarantineQuery{},
			"/v1/quarantine/retry":    control.QuarantineQuery{},
			"/v1/quarantine/messages": control.QuarantineQuery{},
			"/v1/verify":              control.VerifyQuery{Logins: []string{servers.Login}, Bodies: true},
			"/v1/plan":                logins,
			"/v1/backup":              map[string]any{"with_key": true},
			folderPath:                control.FolderDecision{Login: servers.Login, Folder: "INBOX", Verdict: report.FolderDeleted},
			"/v1/clients":             struct{}{},
			"/v1/kick":                map[string]any{"login": servers.Login},
			"/v1/alias":               control.AliasDecision{Login: servers.Login},
			"/v1/advise":              control.AdviseQuery{Domain: domain},
			"/v1/prepare":             control.FinishQuery{Domain: domain},
			"/v1/finish":              control.FinishQuery{Domain: domain},
			"/v1/forget":              control.AdviseQuery{Domain: domain},
			"/v1/reports":             control.ReportsQuery{Domain: domain},
			"/v1/sign/ins":            control.SignInQuery{},
			"/v1/sign/test":           control.SignInQuery{Domain: domain},
			"/v1/sign/consent":        control.SignInQuery{Domain: domain, Mailbox: servers.Login},
			"/v1/sign/forget":         control.SignInQuery{Domain: domain, Mailbox: servers.Login},
			"/v1/mailboxes":           control.SignInQuery{Domain: domain},
			mailboxPath:               control.MailboxDecision{Login: servers.Login, Verdict: report.MailboxAccept},
		}, map[string]control.AccessRequest{
			control.AccessPassword:    {Name: "anna", Domain: &domain, Password: "s3cret s3cret"},
			control.AccessLink:        {},
			control.AccessTokenCreate: {Name: "panel", Domain: &domain},
			control.AccessTokenList:   {},
			control.AccessTokenRevoke: {ID: 1},
		}
}

// The paths that aren't asked like the others.
const (
	accessPath  = "/v1/access"
	folderPath  = "/v1/folder"
	mailboxPath = "/v1/mailbox"
)

// controlPaths are all that can be asked for, as the socket's own code names them.
func controlPaths(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../internal/control/*.go")
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range regexp.MustCompile(`"(/v\d+/[a-z/]+)"`).FindAllStringSubmatch(string(text), -1) {
			paths = append(paths, m[1])
		}
	}
	if len(paths) < 13 {
		t.Fatalf("only %q found", paths)
	}
	return paths
}

// TestControlRights: the user whose daemon it is may connect and ask for everything,
// whatever the umask is. Nobody else can connect, and by no other door is any of it there.
func TestControlRights(t *testing.T) {
	t.Parallel()
	_, config, _ := memoryServers(t, 0)
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, strings.Replace(string(text), `listen = ""`, `listen = "127.0.0.1:0"`, 1), noUmaskEnv+"=1")
	state := filepath.Join(filepath.Dir(d.Config), "state")
	testModes(t, state)
	testStrangers(t, state)

	requests, operations := controlRequests()
	ask := controlClient(t, state)
	for _, path := range controlPaths(t) {
		if path == accessPath {
			continue
		}
		if requests[path] == nil {
			t.Errorf("controlRequests does not say what %s is asked with", path)
			continue
		}
		testOtherDoors(t, d, ask, path, requests[path])
	}
	for _, path := range []string{"/v1/domains", "/v1/accounts", "/v1/sync", "/v1/status", "/v1/quarantine", "/v1/quarantine/retry",
		"/v1/quarantine/messages", "/v1/verify", "/v1/plan", "/v1/backup", "/v1/alias", "/v1/clients", "/v1/kick", "/v1/sign/ins",
		"/v1/prepare", "/v1/reports"} {
		wantDone(t, ask, path, requests[path])
		delete(requests, path)
	}
	// What can't be done as things are is refused for just that, by what does it.
	const noOther = "example.org signs in at its old server with the accounts' own passwords"
	for path, why := range map[string]string{
		folderPath: "is not missing", mailboxPath: "nothing is known against the mailboxes", "/v1/forget": "still being copied",
		"/v1/sign/test": noOther, "/v1/sign/consent": noOther, "/v1/sign/forget": noOther, "/v1/mailboxes": noOther,
	} {
		if status, answer := ask("POST", path, requests[path]); status != http.StatusOK || !strings.Contains(string(answer), why) {
			t.Errorf("%s: status %d, %s, want %q", path, status, answer, why)
		}
		delete(requests, path)
	}
	for _, path := range []string{"/v1/advise", "/v1/finish"} { // the last
		wantDone(t, ask, path, requests[path])
		delete(requests, path)
	}
	for path := range requests {
		t.Errorf("%s was never asked", path)
	}
	for op := range backend.AccessOps() {
		if _, ok := operations[op]; !ok {
			t.Errorf("controlRequests does not say what the operation %s is asked with", op)
		}
	}
	secrets := []string{"s3cret", servers.Password}
	for _, op := range []string{control.AccessPassword, control.AccessLink, control.AccessTokenCreate, control.AccessTokenList, control.AccessTokenRevoke} {
		req := operations[op]
		req.Op = op
		var reply control.AccessReply
		if err := json.Unmarshal(wantDone(t, ask, accessPath, req), &reply); err != nil {
			t.Error(err)
		}
		for _, secret := range []string{reply.Token, reply.Link} {
			if secret != "" {
				secrets = append(secrets, secret)
			}
		}
	}
	if len(secrets) != 4 {
		t.Errorf("no token, or no link: %d secrets", len(secrets))
	}
	d.Stop()
	for _, secret := range secrets {
		if strings.Contains(d.Log(), secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
	for _, action := range []string{"put_admin", "link", "create_token", "revoke_token", "add_accounts", "backup", "update_account"} {
		if !strings.Contains(d.Log(), `"who":"command line","from":"","action":"`+action+`"`) {
			t.Errorf("the log does not say that there was %s", action)
		}
	}
}

// testModes wants everything in the state to be its user's alone.
func testModes(t *testing.T, state string) {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(state, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if seen[entry.Name()] = true; info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil || !seen[control.SocketName] || !seen["state.db"] || !seen["key"] {
		t.Errorf("seen %v, %v", seen, err)
	}
}

// testStrangers tries to connect as another user, once as things are and once as if the
// folder were open to all. Only root can be somebody else; for others the modes must do.
func testStrangers(t *testing.T, state string) {
	t.Helper()
	for _, mode := range []fs.FileMode{0o700, 0o755} {
		if err := os.Chmod(state, mode); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join(state, control.SocketName))
		if err != nil || info.Mode() != fs.ModeSocket|0o600 {
			t.Errorf("the socket: %v, %v", info.Mode(), err)
		}
		if conn, err := control.Dial(t.Context(), state); err != nil {
			t.Errorf("its own user can't connect: %v", err)
		} else {
			conn.Close()
		}
		if os.Geteuid() != 0 {
			continue
		}
		if err := dialAs(65534, filepath.Join(state, control.SocketName)); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("another user, the folder has mode %s: %v", mode, err)
		}
	}
	if err := os.Chmod(state, 0o700); err != nil {
		t.Fatal(err)
	}
}

// dialAs connects as another user. Only the thread that does it is that user, and it
// ends with its goroutine.
func dialAs(user int, path string) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		if err := errors.Join(unix.Setfsgid(user), unix.Setfsuid(user)); err != nil {
			result <- err
			return
		}
		conn, err := net.Dial("unix", path)
		if err == nil {
			conn.Close()
		}
		result <- err
	}()
	return <-result
}

// asker asks something of the control socket.
type asker func(method, path string, body any) (status int, answer []byte)

func controlClient(t *testing.T, state string) asker {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return control.Dial(ctx, state) }}}
	t.Cleanup(client.CloseIdleConnections)
	return func(method, path string, body any) (int, []byte) {
		t.Helper()
		return askHTTP(t, client, method, "http://postferry"+path, body)
	}
}

func askHTTP(t *testing.T, client *http.Client, method, url string, body any) (int, []byte) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// wantDone asks, and wants an answer without an error.
func wantDone(t *testing.T, ask asker, path string, body any) (answer []byte) {
	t.Helper()
	status, answer := ask("POST", path, body)
	lines := 0
	for dec := json.NewDecoder(bytes.NewReader(answer)); ; lines++ {
		var line struct{ Error *struct{ Message string } }
		if err := dec.Decode(&line); errors.Is(err, io.EOF) {
			break
		} else if err != nil || line.Error != nil {
			t.Fatalf("%s: %v, %+v in %s", path, err, line.Error, answer)
		}
	}
	if status != http.StatusOK || lines == 0 {
		t.Errorf("%s: status %d, %d lines", path, status, lines)
	}
	return answer
}

// testOtherDoors asks in ways in which nothing is to be had, by the socket itself and by
// the import page's address.
func testOtherDoors(t *testing.T, d *testDaemon, ask asker, path string, body any) {
	t.Helper()
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		if status, _ := ask(method, path, body); status != http.StatusMethodNotAllowed {
			t.Errorf("%s %s: status %d", method, path, status)
		}
	}
	if status, answer := ask("POST", path, []string{"s3cret"}); status != http.StatusBadRequest || bytes.Contains(answer, []byte("s3cret")) {
		t.Errorf("%s with another body: status %d, %s", path, status, answer)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, at := range []string{path, "/api" + path} {
		if status, answer := askHTTP(t, client, "POST", d.page+at, body); status/100 != 4 {
			t.Errorf("the import page at %s: status %d, %s", at, status, answer)
		}
	}
}
