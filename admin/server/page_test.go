package server

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
)

// form sends a form as a browser does, and follows where it leads.
func (c *caller) form(path string, pairs ...string) (status int, at, text string) {
	c.t.Helper()
	values := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	return c.send(path, "application/x-www-form-urlencoded", strings.NewReader(values.Encode()))
}

// upload sends a list as a file.
func (c *caller) upload(path, name, list string) (status int, at, text string) {
	c.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	_ = w.WriteField("encoding", "")
	file, err := w.CreateFormFile("file", name)
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = io.WriteString(file, list)
	_ = w.WriteField("text", "")
	_ = w.Close()
	return c.send(path, w.FormDataContentType(), &body)
}

func (c *caller) send(path, kind string, body io.Reader) (status int, at, text string) {
	c.t.Helper()
	r, err := c.client.Post(c.url+path, kind, body)
	for hops := 0; err == nil && r.StatusCode == http.StatusSeeOther && hops < 5; hops++ {
		r.Body.Close()
		path = r.Header.Get("Location")
		r, err = c.client.Get(c.url + path)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Body.Close()
	page, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	_, _ = c.seen.Write(page)
	return r.StatusCode, path, string(page)
}

// shows fails unless a page was answered that has all texts.
func shows(t *testing.T, what string, status, want int, page string, texts ...string) {
	t.Helper()
	if status != want {
		t.Errorf("%s: status %d, want %d\n%s", what, status, want, page)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("%s does not show %q:\n%s", what, text, page)
		}
	}
}

// The whole way with forms alone, as a browser without JavaScript goes it.
func TestTheWayThroughThePages(t *testing.T) {
	p := startPage(t)
	c := p.browser()
	link, err := p.NewLink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	code := link[strings.Index(link, "code=")+len("code="):]
	status, _, page := c.form("/welcome", "code", code, "name", "anna", "password", "short", "again", "short")
	shows(t, "a short password", status, 422, page, "at least 10 characters")
	status, at, page := c.form("/welcome", "code", code, "name", "anna", "password", testPassword, "again", testPassword)
	shows(t, "the start", status, 200, page, "a.example", "b.example", "Sign out")
	if at != "/" {
		t.Errorf("welcome leads to %s", at)
	}

	status, _, page = c.form("/domains", "domain", "c.example", "old", "other", "host", "old.c.example", "security", "starttls", "protocol", "imap", "new", "nonsense")
	shows(t, "a wrong new server", status, 422, page, "New server: this is not a server", "old.c.example")
	status, at, page = c.form("/domains", "domain", "c.example", "old", "other", "host", "old.c.example", "security", "starttls", "protocol", "pop3", "new", "imaps://new.example")
	shows(t, "a new domain", status, 200, page, "The domain is set up", "POP3 brings the inbox only")
	if !strings.HasPrefix(at, "/d/c.example/accounts/new") {
		t.Errorf("a new domain leads to %s", at)
	}

	const secret = `pa"ss <w>ord`
	status, _, page = c.form("/d/c.example/accounts", "login-1", "x@c.example", "password-1", secret, "login-3", "y@elsewhere.example", "password-3", secret)
	shows(t, "a login of another domain", status, 422, page, "Line 2: has a login of another domain", `value="x@c.example"`, "Passwords have to be typed again")
	status, _, page = c.form("/d/c.example/accounts", "login-1", "x@c.example", "password-1", secret)
	shows(t, "an added account", status, 200, page, "1 account was added", "x@c.example", "1 account has not begun", "Begin transfer")

	status, at, page = c.upload("/d/c.example/accounts/list", "list.txt", "u@c.example one\nv@c.example\nw@c.example three four five six\nx@c.example \"nouveau mot\"\n")
	shows(t, "a list with mistakes", status, 200, page, "2 mistakes", "Line 2: ", "Line 3: ", "2 accounts are right", "1 of them is there already", "Take 2 accounts")
	list, _, _ := strings.Cut(at, "?")
	status, _, page = c.form(list, "do", "take")
	shows(t, "the good lines", status, 200, page, "2 accounts were added", "u@c.example")
	if strings.Contains(page, "v@c.example") {
		t.Error("a line with a mistake was taken")
	}
	status, _, page = c.upload("/d/c.example/accounts/list", "list.csv", "Login;Password\nz@c.example;secret\n")
	shows(t, "a CSV file", status, 200, page, "1 account was added", "z@c.example")
	status, _, page = c.upload("/d/c.example/accounts/list", "empty.txt", "")
	shows(t, "an empty file", status, 422, page, "The file is empty")
	status, _, page = c.upload("/d/c.example/accounts/list", "", "")
	shows(t, "no list", status, 422, page, "Choose a file or paste a list first")

	status, _, page = c.form("/d/c.example/do", "do", "begin")
	shows(t, "nothing ticked", status, 422, page, "Select the accounts first")
	status, _, page = c.form("/d/c.example/do", "do", "begin", "all", "1")
	shows(t, "begin", status, 200, page, "The transfer of 3 accounts has begun", "Waiting for its turn", "Stop all")
	rows, err := p.store.Overview(t.Context(), "c.example")
	if err != nil || len(rows) != 3 {
		t.Fatal(rows, err)
	}
	id := rows[0].ID
	p.ferry.SetLive(report.Live{Account: id, Running: true, Folder: "Archive/2019", Done: 5, Total: 10})
	p.ferry.EndPass(t, rows[1].ID, store.Pass{}, &store.Problem{Kind: store.LoginRefused, Server: store.OldSide, Host: "old.c.example", Advice: store.NeedsFix, Since: time.Now()})
	p.ferry.Quarantined[id] = []report.QuarantineRecord{{ID: "m1", Folder: "INBOX", Key: "17", Reason: reason.Said("too odd"), Attempts: 2}}
	p.changed("c.example") // it is not read anew for every look
	got := c.do("GET", "/d/c.example?state=failed", nil)
	shows(t, "those that need somebody", got.StatusCode, 200, got.text, "The old server (old.c.example) refuses login or password.", "Correct the password", "1 account needs attention")
	account := fmt.Sprintf("/d/c.example/a/%d", rows[1].ID)
	status, _, page = c.form(account, "old_password", "right", "both", "1")
	shows(t, "a corrected password", status, 200, page, "Saved.")
	if x, err := p.store.AccountByID(t.Context(), rows[1].ID); err != nil || x.Old.Password != "right" || x.New.Password != "right" {
		t.Errorf("the corrected account: %+v, %v", x, err)
	}
	got = c.do("GET", fmt.Sprintf("/d/c.example/a/%d", id), nil)
	shows(t, "an account", got.StatusCode, 200, got.text, "Copying Archive/2019", "1 refused message", "too odd", "POP3 knows one folder")
	status, _, page = c.form(fmt.Sprintf("/d/c.example/a/%d/quarantine", id))
	shows(t, "another try", status, 200, page, "will be tried again")

	p.ferry.FoldersOf[id] = []report.Folder{{Folder: store.Folder{ID: 7, Title: "Taxes", State: store.FolderMissing, Checkpoint: store.Checkpoint{Checked: time.Now()}, Missing: store.Missing{Since: time.Now()}, LeftOut: 5}}}
	got = c.do("GET", fmt.Sprintf("/d/c.example/a/%d", id), nil)
	shows(t, "a missing folder", got.StatusCode, 200, got.text, "1 folder is missing at the new server", "5 messages stay behind", "Missing at the new server", "Make it again and copy everything")
	status, _, page = c.form(fmt.Sprintf("/d/c.example/a/%d/folder/7", id), "verdict", "recreate")
	shows(t, "a missing folder decided about", status, 200, page, "Noted. A run begins.")
	status, _, page = c.form(fmt.Sprintf("/d/c.example/a/%d/folder/98", id), "verdict", "deleted")
	shows(t, "a folder that is not missing", status, 422, page, "there is nothing to decide")

	status, _, page = c.form("/d/c.example/do", "do", "stop", "id", fmt.Sprint(id))
	shows(t, "stop", status, 200, page, "1 account was stopped", "Resume all")
	status, _, page = c.form("/d/c.example/do", "do", "again", "all", "1")
	shows(t, "again", status, 200, page, "3 accounts are run again")
	status, _, page = c.form("/d/c.example/schedule", "hours", "0")
	shows(t, "a wrong schedule", status, 422, page, "Interval: expected an interval")
	status, _, page = c.form("/d/c.example/schedule", "hours", "12", "until", time.Now().AddDate(0, 0, 5).Format(time.DateOnly))
	shows(t, "a schedule", status, 200, page, `value="12"`, "No schedule")
	for path, again := range map[string]string{"/d/c.example/check": "Check all accounts", "/d/c.example/verify": "Verify all accounts"} {
		status, _, page = c.form(path, "do", "start")
		shows(t, path, status, 200, page, "<h1>"+strings.Fields(again)[0]+"</h1>") // it may be under way
		eventually(t, "it is done", func() bool { return strings.Contains(c.do("GET", path, nil).text, again) })
	}
	for path, want := range map[string]string{
		"/d/c.example/runs": "First transfer", "/d/c.example/runs/1": "Under way", "/audit": "began the transfer", "/access": "Make a token",
		"/d/c.example/runs/1/report.csv": "x@c.example,", "/d/c.example/servers": "old.c.example", "/domains/new": "Find the old server",
	} {
		got := c.do("GET", path, nil)
		shows(t, path, got.StatusCode, 200, got.text, want)
	}
	status, _, page = c.form("/access/tokens", "name", "panel")
	shows(t, "a token", status, 200, page, "pf_", "shown this once")
	status, at, _ = c.form("/logout")
	if status != 200 || at != "/login" {
		t.Errorf("signing out leads to %s, %d", at, status)
	}
	if got := c.do("GET", "/d/c.example", nil); got.StatusCode != 303 || got.Header.Get("Location") != "/login?next=%2Fd%2Fc.example" {
		t.Errorf("without a session: %s, %s", got.Status, got.Header.Get("Location"))
	}
	for _, secret := range []string{secret, "nouveau mot", "secret\n", "three", url.QueryEscape(secret)} {
		if strings.Contains(p.answers.String(), secret) || strings.Contains(p.log.String(), secret) {
			t.Errorf("the password %q was shown", secret)
		}
	}
}

func TestDomainsOfOthersAreNotThere(t *testing.T) {
	p := startPage(t)
	p.put("b.example", "x@b.example")
	c := p.admin("anna", "a.example")
	for _, path := range []string{"/d/b.example", "/d/b.example/a/1", "/d/b.example/live", "/d/b.example/check", "/d/b.example/runs", "/d/b.example/verify", "/d/b.example/servers", "/d/b.example/accounts/new"} {
		if got := c.do("GET", path, nil); got.StatusCode != 404 || strings.Contains(got.text, "x@b.example") {
			t.Errorf("%s: %s", path, got.Status)
		}
	}
	for _, path := range []string{"/d/b.example/do", "/d/b.example/schedule", "/d/b.example/check", "/d/b.example/verify", "/d/b.example/accounts", "/d/b.example/delete", "/d/b.example/a/1", "/d/b.example/a/1/quarantine"} {
		if status, _, page := c.form(path, "do", "stop", "all", "1", "hours", "5", "login-1", "q@b.example", "password-1", "q"); status != 404 {
			t.Errorf("%s: %d\n%s", path, status, page)
		}
	}
	if calls := p.ferry.SawCalls(); len(calls) > 1 {
		t.Errorf("the engine was asked to %v", calls)
	}
}

// The live page sends what changes, rendered, and each state once.
func TestLivePage(t *testing.T) {
	p := startPage(t)
	id := p.put("a.example", "x@a.example")[0]
	c := p.admin("anna", "")
	r, err := c.client.Get(c.url + fmt.Sprintf("/d/a.example/live?ids=%d", id))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	events := make([]byte, 0, 64<<10)
	buf := make([]byte, 4096)
	deadline := time.AfterFunc(20*time.Second, func() { r.Body.Close() })
	defer deadline.Stop()
	for !bytes.Contains(events, []byte("Copying Sent")) {
		n, err := r.Body.Read(buf)
		events = append(events, buf[:n]...)
		if err != nil {
			t.Fatalf("the stream ended: %v\n%s", err, events)
		}
		if bytes.Contains(events, []byte(`"a`+fmt.Sprint(id)+`"`)) {
			if _, err := p.ferry.Begin(t.Context(), []store.AccountID{id}); err != nil {
				t.Fatal(err)
			}
			p.ferry.SetLive(report.Live{Account: id, Running: true, Folder: "Sent", Done: 1, Total: 4})
		}
	}
	if n := strings.Count(string(events), "event: change"); n < 5 || n > 11 {
		t.Errorf("%d events:\n%s", n, events)
	}
}

// TestUploadsThatAreOdd: what somebody sends with the form of a list is taken, or told; nothing of it goes without a word.
func TestUploadsThatAreOdd(t *testing.T) {
	p := startPage(t)
	c := p.admin("anna", "a.example")
	const path = "/d/a.example/accounts/list"
	status, _, text := c.upload(path, "empty.csv", "")
	shows(t, "an empty file", status, 422, text, "The file is empty.")
	status, _, text = c.upload(path, "list.xlsx", "PK\x03\x04\x14\x00\xff\xfe\n\xff\n")
	shows(t, "a workbook", status, 200, text, "1 mistake", "This is no text, but the file of a spreadsheet program", "save it as CSV")
	send := func(file, pasted string) (int, string) {
		var body bytes.Buffer
		w := multipart.NewWriter(&body)
		_ = w.WriteField("encoding", "")
		part, err := w.CreateFormFile("file", "list.txt")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(part, file)
		_ = w.WriteField("text", pasted)
		_ = w.Close()
		status, _, text := c.send(path, w.FormDataContentType(), &body)
		return status, text
	}
	status, text = send("bert@a.example pw\n", "clara@a.example pw\n")
	shows(t, "a file and a pasted list", status, 422, text, "not both")
	none := func() {
		t.Helper()
		if all, err := p.store.Accounts(t.Context()); err != nil || len(all) != 0 || p.app.Lists.Waiting() != 0 {
			t.Errorf("%d accounts, %d lists, %v", len(all), p.app.Lists.Waiting(), err)
		}
	}
	_, _, _ = c.form("/d/a.example/accounts", "login-1", "bert@a.example", "password-1", "pw", "new_login-2", "clara@a.example")
	status, _, text = c.upload(path, "list.csv", "login,password,neue mail,Neues PW\nbert@a.example,pw,berta@a.example,geheim\n")
	shows(t, "columns that mean nothing", status, 200, text, "Before the list is taken", "not read", "neue mail, Neues PW", "Take 1 account")
	if strings.Contains(text, "mistake") || strings.Contains(text, "geheim") {
		t.Error(text)
	}
	id := regexp.MustCompile(`/d/a.example/lists/[A-Z0-9]+`).FindString(text)
	status, _, _ = c.form(id, "do", "drop")
	if none(); status != 200 {
		t.Errorf("dropped: %d", status)
	}
	if status, text = send("bert@a.example pw\n", " \r\n "); status != 200 {
		t.Errorf("a pasted blank: %d %s", status, text)
	}
	if all, err := p.store.Accounts(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%d accounts, %v", len(all), err)
	}
}
