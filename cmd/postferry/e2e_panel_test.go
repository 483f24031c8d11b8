package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"postferry/internal/lab"
)

// accountsVariable says with how many accounts TestManyAccounts works.
const accountsVariable = "POSTFERRY_TEST_ACCOUNTS"

// panel drives the import page's API, as a hosting panel does.
type panel struct {
	t      *testing.T
	url    string
	token  string
	client *http.Client
}

// servePage starts the daemon with the import page on a free port.
func (p *pair) servePage() *testDaemon {
	p.t.Helper()
	config := strings.Replace(p.config(), "[admin]\nlisten = \"\"", "[admin]\nlisten = \"127.0.0.1:0\"", 1)
	d := startDaemon(p.t, config)
	p.t.Cleanup(func() {
		d.Kill9()
		checkLog(p.t, d.Log())
	})
	return d
}

// panel makes a token and finds the page of a daemon.
func (d *testDaemon) panel() *panel {
	d.t.Helper()
	return d.panelOf("")
}

// panelOf is panel with a token that is good for one domain only; "" for all.
func (d *testDaemon) panelOf(domain string) *panel {
	d.t.Helper()
	code, token, stderr := postferry(d.t, "", "admin", "token", "create", "-c", d.Config, "panel", "--domain", domain)
	if code != exitOK {
		d.t.Fatalf("admin token: %d, %s", code, stderr)
	}
	var url string
	eventually(d.t, "the page is ready", func() bool {
		m := regexp.MustCompile(`"url":"(http://[^"]+)"`).FindStringSubmatch(d.Log())
		if m != nil {
			url = m[1]
		}
		return m != nil
	})
	transport := &http.Transport{}
	d.t.Cleanup(transport.CloseIdleConnections)
	return &panel{t: d.t, url: url, token: strings.TrimSpace(token), client: &http.Client{Transport: transport}}
}

// try sends a request to the API. A body that is no []byte is sent as JSON.
func (p *panel) try(method, path string, body, out any) (status int, text string, err error) {
	kind, data := "text/plain", []byte(nil)
	switch b := body.(type) {
	case nil:
	case []byte:
		data = b
	default:
		kind = "application/json"
		if data, err = json.Marshal(b); err != nil {
			return 0, "", err
		}
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+"/api/v1"+path, bytes.NewReader(data))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", kind)
	resp, err := p.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && out != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(answer, out)
	}
	return resp.StatusCode, string(answer), err
}

// want is try for what must succeed.
func (p *panel) want(method, path string, body, out any) {
	p.t.Helper()
	if status, text, err := p.try(method, path, body, out); err != nil || status >= 300 {
		p.t.Fatalf("%s %s: %d, %v\n%s", method, path, status, err, text)
	}
}

// addList uploads a list to example.com and takes it over.
func (p *panel) addList(list, query string) {
	p.t.Helper()
	var uploaded struct {
		ID       string
		Mistakes []struct{ Text string }
	}
	p.want("POST", "/domains/example.com/lists"+query, []byte(list), &uploaded)
	if len(uploaded.Mistakes) > 0 {
		p.t.Fatalf("mistakes in the list: %v", uploaded.Mistakes)
	}
	p.want("POST", "/domains/example.com/accounts", map[string]string{"list": uploaded.ID}, nil)
}

// pageSums are the totals of example.com.
type pageSums struct {
	Accounts, Complete, Failed, Retrying, Running, Queued, Waiting int
	Messages, Copied                                               uint64
}

func (p *panel) pageSums() (s pageSums) {
	p.t.Helper()
	p.want("GET", "/domains/example.com/progress", nil, &s)
	return s
}

// oddPasswords are what software trips over that quotes by hand, or thinks
// that passwords are text, by login.
func oddPasswords() map[string]string {
	return map[string]string{
		"quotes@example.com":        `"quoted" and a " more`,
		"onequote@example.com":      `"`,
		"spaces@example.com":        `  spaces  around  `,
		"tab@example.com":           "a\ttab",
		"umlaut@example.com":        "Übergrößenträger ☃ пароль",
		"percent@example.com":       `100%% %s %20 %n`,
		"backslash@example.com":     `\ \\ C:\new\table\"`,
		"dollar@example.com":        "$HOME `id` $(id) ; & | > <",
		"hash@example.com":          "# no comment",
		"literal@example.com":       "{5}",
		"star@example.com":          "*",
		"nil@example.com":           "NIL",
		"formula@example.com":       "=1+1",
		"comma@example.com":         "a,b;c",
		"apostrophe@example.com":    "it's 'so'",
		"control@example.com":       "\x01\x1b\x7f",
		"long@example.com":          strings.Repeat("long ", 100) + "end",
		"example.com+plus":          "plus and domain first",
		"bare":                      "no domain at all",
		`O'Brien "x" \@example.com`: "an odd login",
	}
}

// eightBit are passwords that are no UTF-8.
func eightBit() map[string]string {
	return map[string]string{"latin@example.com": "h\xfcsh-0f-latin", "octets@example.com": "\x80\xff\xfe\x01"}
}

// witness is a mail server that lets everybody in, and remembers with what.
type witness struct {
	url string

	mu   sync.Mutex
	came map[string][]string // login -> passwords
}

// startWitness serves until the test ends.
func startWitness(t *testing.T) *witness {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{url: "imap+insecure://" + listener.Addr().String(), came: map[string][]string{}}
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return &witnessed{w: w}, nil, nil
		},
		Caps:         imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapLiteralPlus: {}},
		InsecureAuth: true,
		Logger:       log.New(io.Discard, "", 0),
	})
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	return w
}

// witnessed is a session of a witness.
type witnessed struct {
	imapserver.Session
	w *witness
}

func (s *witnessed) Login(login, password string) error {
	s.w.mu.Lock()
	s.w.came[login] = append(s.w.came[login], password)
	s.w.mu.Unlock()
	user := imapmemserver.NewUser(login, password)
	if err := user.Create("INBOX", nil); err != nil {
		return err
	}
	memory := imapmemserver.New()
	memory.AddUser(user)
	s.Session = memory.NewSession()
	return s.Session.Login(login, password)
}

func (s *witnessed) Close() error {
	if s.Session == nil {
		return nil
	}
	return s.Session.Close()
}

// saw wants nothing but these passwords to have come.
func (w *witness) saw(t *testing.T, side string, want map[string]string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for login, password := range want {
		if len(w.came[login]) == 0 {
			t.Errorf("%q never came to the %s server", login, side)
		}
		for _, got := range w.came[login] {
			if got != password {
				t.Errorf("the %s server got %q for %q, the list has %q", side, got, login, password)
			}
		}
	}
	if len(w.came) != len(want) {
		t.Errorf("%d logins came to the %s server, want %d", len(w.came), side, len(want))
	}
}

// TestOddPasswords: the password that arrives at both servers is the one in
// the list, octet for octet, in either form of list.
func TestOddPasswords(t *testing.T) {
	t.Parallel()
	from, to := startWitness(t), startWitness(t)
	p := &pair{t: t, ca: lab.NewCA(t), oldURL: from.url, newURL: to.url, domain: "default = true"}
	panel := p.servePage().panel()

	passwords, want := oddPasswords(), map[string]string{}
	var plain, table, octets strings.Builder
	table.WriteString("login;password\n")
	inTable := false
	for _, login := range slices.Sorted(maps.Keys(passwords)) {
		if inTable = !inTable; inTable {
			fmt.Fprintf(&table, "%s;%s\r\n", quoted(login), quoted(passwords[login]))
		} else {
			fmt.Fprintf(&plain, "%s %s\n", quoted(login), quoted(passwords[login]))
		}
		// And once more the other way round, each under a name of its own.
		twin := "twin." + login
		want[login], want[twin] = passwords[login], passwords[login]
		if inTable {
			fmt.Fprintf(&plain, "%s\t%s\n", quoted(twin), quoted(passwords[login]))
		} else {
			fmt.Fprintf(&table, "%s;%s\n", quoted(twin), quoted(passwords[login]))
		}
	}
	for login, password := range eightBit() {
		want[login] = password
		fmt.Fprintf(&octets, "%s %s\n", login, quoted(password))
	}
	panel.addList(plain.String(), "")
	panel.addList(table.String(), "")
	status, text, err := panel.try("POST", "/domains/example.com/lists", []byte(octets.String()), nil)
	if err != nil || status != http.StatusCreated || !strings.Contains(text, "not_utf8") {
		t.Errorf("a list that is no UTF-8: %d, %v, %s", status, err, text)
	}
	panel.addList(octets.String(), "?encoding=bytes")
	panel.want("POST", "/domains/example.com/begin", map[string]bool{"all": true}, nil)
	eventually(t, "everybody was let in", func() bool { return panel.pageSums().Complete == len(want) })
	from.saw(t, "old", want)
	to.saw(t, "new", want)
}

// TestManyAccounts moves accounts of 20 small messages each through a list at
// the API, and tells how the daemon was doing meanwhile. "make thousand" does
// it with 1,000 accounts.
func TestManyAccounts(t *testing.T) {
	n := 30
	if text := os.Getenv(accountsVariable); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			t.Fatalf("%s=%q is no number of accounts", accountsVariable, text)
		}
	} else {
		t.Parallel()
	}
	var logins []string
	var list strings.Builder
	for i := range n {
		logins = append(logins, fmt.Sprintf("user%04d@example.com", i))
		fmt.Fprintf(&list, "%s %s\n", logins[i], quoted(odd))
	}
	p := startPair(t, logins...)
	for i, login := range logins {
		p.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), 15, 2000))
		p.old.FillMaildir(login, "INBOX.Gesendet", lab.Generate(uint64(i+n), 5, 2000))
	}
	d := p.servePage()
	panel := d.panel()
	panel.addList(list.String(), "")
	start := time.Now()
	panel.want("POST", "/domains/example.com/begin", map[string]bool{"all": true}, nil)
	meter := panel.measure()
	complete := func() bool { s := panel.pageSums(); return s.Complete == n }
	for end := time.Now().Add(patience + time.Duration(n)*time.Second); !complete(); {
		if time.Now().After(end) {
			t.Fatalf("not all there in the end: %+v", panel.pageSums())
		}
		wait(t, 200*time.Millisecond)
	}
	took := time.Since(start)
	requests, p95, worst := meter()
	resident := residentPeak(t, d.cmd.Process.Pid)
	t.Logf("%d accounts, %d messages in %s (%.0f messages/s); %d API requests meanwhile: p95 %s, worst %s; memory at most %d MiB",
		n, 20*n, took.Round(time.Millisecond), float64(20*n)/took.Seconds(), requests, p95, worst, resident>>20)
	if s := panel.pageSums(); s.Copied != uint64(20*n) || s.Messages != uint64(20*n) {
		t.Errorf("the page says %+v", s)
	}
	if os.Getenv(accountsVariable) != "" && resident > 256<<20 {
		t.Errorf("the daemon took %d MiB of memory", resident>>20)
	}
	for i, login := range logins {
		if got := p.arrived(login); got != 20 {
			t.Errorf("%s has %d messages on the new server", login, got)
		}
		if i%(n/10+1) == 0 {
			p.sameMail(login)
		}
	}
}

// arrived counts an account's messages on the new server.
func (p *pair) arrived(login string) (n uint32) {
	c := p.new.Client(login)
	defer c.Close()
	for _, folder := range []string{"INBOX", "Sent"} {
		status, err := c.Status(folder, &imap.StatusOptions{NumMessages: true}).Wait()
		if err != nil {
			p.t.Fatal(err)
		}
		n += *status.NumMessages
	}
	return n
}

// measure asks the API for what a page shows, 20 times a second, until it is
// called: then it tells how long the answers took.
func (p *panel) measure() (stop func() (requests int, p95, worst time.Duration)) {
	paths := []string{"/domains/example.com/progress", "/domains/example.com/accounts?per_page=50", "/domains/example.com/accounts?search=07&sort=state",
		"/domains/example.com/accounts/7", "/domains", "/domains/example.com/runs"}
	var took []time.Duration
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			start := time.Now()
			if status, text, err := p.try("GET", paths[i%len(paths)], nil, nil); err != nil || status != 200 {
				p.t.Errorf("%s: %d, %v, %s", paths[i%len(paths)], status, err, text)
			}
			took = append(took, time.Since(start))
			select {
			case <-tick.C:
			case <-quit:
				return
			}
		}
	})
	return func() (int, time.Duration, time.Duration) {
		close(quit)
		done.Wait()
		slices.Sort(took)
		return len(took), took[len(took)*95/100].Round(100 * time.Microsecond), took[len(took)-1].Round(100 * time.Microsecond)
	}
}

// residentPeak is the most memory a process has held (proc(5), VmHWM). Octets.
func residentPeak(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		t.Fatal("no VmHWM")
	}
	kilo, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return kilo << 10
}
