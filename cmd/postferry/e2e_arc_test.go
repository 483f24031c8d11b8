package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/internal/lab/browser"
	"postferry/internal/lab/nameserver"
	"postferry/lifecycle"
	"postferry/stage"
	"postferry/store"
)

const (
	// arcVariable says how many accounts TestArcInTheBrowser moves. With it each state is looked at in
	// light and dark, on a desk and on a phone.
	arcVariable = "POSTFERRY_TEST_ARC"
	arcDomain   = "example.com"
	arcBack     = "back.example"
	// arcInbox and arcFolder are how many messages each account has in its inbox and in one more folder.
	arcInbox, arcFolder = 30, 70
	// arcTTL is for how long resolvers remember what they were told, in seconds, arcQuiet how long nothing
	// may come to the old server. Neither passes while a state is looked at that it ends: the resolvers' clock is stopped
	// then, or the store tells that the old MX is remembered yet.
	arcTTL   = 2
	arcQuiet = 2 * time.Second
	// arcShown is how much of each account goes to the new server before it is looked at how it is copied: more than
	// its inbox.
	arcShown = 150_000
	// The old and the new server seem to be other machines than that of Postferry.
	arcOld, arcNew = "127.0.0.3", "127.0.0.2"
	// arcAuthority is the address of the domains' own name server, to which nobody connects.
	arcAuthority = "93.184.216.53"
)

// TestArcInTheBrowser leads a move from an empty page to its end in Chromium, between real servers and with
// real DNS: each state says what to do next, and only the last ones that the old server may be switched off.
// Another domain has a way back.
func TestArcInTheBrowser(t *testing.T) {
	t.Parallel()
	a := startBrowserArc(t)
	a.setUp(arcDomain)
	a.copy()
	a.clients()
	a.switchMX()
	a.late()
	a.settle()
	a.verify()
	a.finish()
	a.wayBack()
	a.daemon.endClean(a.b)
}

// browserArc is a person who leads a move to its end in a browser.
type browserArc struct {
	t         *testing.T
	whole     bool // each state is looked at in all ways
	logins    []string
	pair      *pair
	old, new  *lab.Faulty // the ways to the servers
	zone      *nameserver.Zone
	resolvers [3]*nameserver.Resolver
	goOn      func()      // lets the last resolver's time go on
	remembers atomic.Bool // the store tells that the old MX is remembered yet
	daemon    *pageDaemon
	b         *browser.Browser
}

// rememberingStore tells, while remembers says so, that the old MX is remembered for an hour yet.
type rememberingStore struct {
	lifecycle.Store
	remembers *atomic.Bool
}

func (s rememberingStore) Move(ctx context.Context, domain string) (store.Move, error) {
	m, err := s.Store.Move(ctx, domain)
	if s.remembers.Load() {
		m.Names.Until = time.Now().Add(time.Hour)
	}
	return m, err
}

// NoteNames keeps what that leads to out of the state.
func (s rememberingStore) NoteNames(ctx context.Context, domain string, n store.NamesSeen) error {
	if s.remembers.Load() {
		return nil
	}
	return s.Store.NoteNames(ctx, domain, n)
}

// startBrowserArc starts all there is, and opens the page for the first time.
func startBrowserArc(t *testing.T) *browserArc {
	t.Helper()
	a := &browserArc{t: t}
	accounts, err := strconv.Atoi(os.Getenv(arcVariable))
	if a.whole = err == nil && accounts > 0; !a.whole {
		accounts = 5
	}
	for i := range accounts {
		a.logins = append(a.logins, fmt.Sprintf("person%02d@%s", i+1, arcDomain))
	}
	a.pair = startPair(t, append([]string{"anna@" + arcBack, "bert@" + arcBack}, a.logins...)...)
	for i, login := range a.logins {
		a.pair.old.FillMaildir(login, "INBOX", lab.Generate(uint64(i), arcInbox, 3000))
		a.pair.old.FillMaildir(login, "INBOX.Projekte", lab.Generate(uint64(100+i), arcFolder, 3000))
	}
	a.old, a.new = lab.FaultLineAt(t, arcOld, a.pair.old.IMAPS, nil), lab.FaultLineAt(t, arcNew, a.pair.new.IMAP, nil)
	a.zone = nameserver.StartZone(t, a.records(false, false)...)
	for i := range a.resolvers {
		a.resolvers[i] = nameserver.StartResolver(t, a.zone)
	}
	a.openPage()
	return a
}

// openPage starts Postferry and enters its page.
func (a *browserArc) openPage() {
	a.t.Helper()
	a.daemon = newPageDaemon(a.t, a.resolvers[0].Addr, fmt.Sprintf(`state = "state"
[admin]
listen = "127.0.0.1:0"
new = %q
[proxy]
imaps = "127.0.0.1:0"
imap = ""
[sync]
interval = "1h"
[watch]
every = "10s"
here = ["127.0.0.1"]
`, "imap+insecure://"+a.new.Addr))
	a.daemon.dns = append(a.daemon.dns, a.resolvers[1].Addr, a.resolvers[2].Addr)
	a.daemon.change = func(cfg *config.Config) { cfg.Watch.Quiet = arcQuiet }
	a.daemon.opened = func(d *daemon) {
		g := d.backend.Guide
		g.Finder.Dial, g.Store = a.dialDNS, rememberingStore{g.Store, &a.remembers}
	}
	a.daemon.start()
	a.b = a.daemon.enter()
	a.state("empty")
}

// open opens a page of a domain.
func (a *browserArc) open(domain, path string) {
	a.t.Helper()
	a.b.Open(a.daemon.d.page.URL() + "/d/" + domain + path)
}

// state looks at the page as it is: on a desk, and where every state is looked at, dark and on a phone, too.
func (a *browserArc) state(name string) {
	a.t.Helper()
	a.b.Accessible(name)
	a.b.Shot("arc-" + name)
	if !a.whole {
		return
	}
	for _, look := range []struct {
		name  string
		width int64
		dark  bool
	}{{"dark", 1280, true}, {"phone", 390, false}, {"phone-dark", 390, true}} {
		a.b.Screen(look.width, 844, look.dark)
		if look.dark {
			a.b.Accessible(name + ", " + look.name)
		}
		a.b.Shot("arc-" + name + "-" + look.name)
		if wide := a.b.Overflow(); wide > 0 {
			a.t.Errorf("%s is %d pixels wider than the screen (%s)", name, wide, look.name)
		}
	}
	a.b.Screen(1280, 900, false)
}

// advised wants page, command line and API to say the same: how far the domain is, and what to do next.
func (a *browserArc) advised(domain string, want stage.Stage, next string, said ...string) {
	a.t.Helper()
	for _, text := range said {
		a.b.Await(text)
	}
	status, out, stderr := postferry(a.t, "", "advise", "-c", a.daemon.config, "--json", domain)
	var got stage.Assessment
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		a.t.Fatalf("%v: %s%s", err, out, stderr)
	}
	safe := want == stage.Safe || want == stage.Finished
	if got.Stage != want || got.Next.Code != next || got.Safe != safe || (status == exitOK) != safe {
		a.t.Errorf("%s, next %s, status %d; want %s, next %s\n%s", got.Stage, got.Next.Code, status, want, next, got.Verdict.Text)
	}
}

// look asks DNS with the page's button.
func (a *browserArc) look(domain string) {
	a.t.Helper()
	a.open(domain, "")
	a.b.Press(`form[action$="/advice"] button`)
}

// setUp enters a domain whose old server nobody finds, and accepts the certificate that it shows.
func (a *browserArc) setUp(domain string) {
	a.t.Helper()
	a.b.Open(a.daemon.d.page.URL() + "/domains/new")
	a.b.Fill("#domain", domain)
	a.b.Press("main form button")
	a.b.Await("Old server")
	host, port, err := net.SplitHostPort(a.old.Addr)
	if err != nil {
		a.t.Fatal(err)
	}
	a.b.Fill("#host", host)
	a.b.Fill("#port", port)
	a.b.Press(`button[value="test"]`)
	a.b.Await("Accept exactly this certificate")
	a.state("servers-" + domain)
	a.b.Run(chromedp.Click(`input[name="pin_old"]`, chromedp.ByQuery))
	a.b.Press(`button[value="save"]`)
	a.b.Await("The domain is set up")
}

// list adds accounts.
func (a *browserArc) list(logins ...string) {
	a.t.Helper()
	var list strings.Builder
	for _, login := range logins {
		fmt.Fprintf(&list, "%s %s\n", login, quoted(odd))
	}
	a.b.Run(chromedp.SetValue("#text", list.String(), chromedp.ByQuery))
	a.b.Press(`form[enctype] button`)
	a.b.Await("were added")
}

// copy adds the accounts, checks them and has them copied, each time with the button for what is next.
func (a *browserArc) copy() {
	a.t.Helper()
	a.advised(arcDomain, stage.Preparing, "next_add", "A list of accounts")
	a.state("no-accounts")
	a.list(a.logins...)
	a.advised(arcDomain, stage.Preparing, "next_check", "Check the accounts.")
	a.state("preparing")
	a.b.Press("#advice button")
	a.b.Await(fmt.Sprintf("%d of %[1]d", len(a.logins)))
	a.state("check")
	a.look(arcDomain)
	a.advised(arcDomain, stage.Checked, "next_begin", "Begin to copy the accounts that wait")
	a.state("checked")
	_, resume := a.new.StopAfter(int64(len(a.logins)) * arcShown)
	defer resume()
	a.b.Press("#advice button")
	eventually(a.t, "the first messages are copied", func() bool { return a.copied(arcDomain) > 0 })
	a.open(arcDomain, "")
	a.advised(arcDomain, stage.Copying, "next_wait_copy", "Wait until the rest has been copied")
	a.state("copying")
	resume()
	a.b.Await("Everything is on the new server")
}

// copied is how much of a domain is copied.
func (a *browserArc) copied(domain string) (n uint64) {
	a.t.Helper()
	all, err := a.daemon.d.store.Overview(a.t.Context(), domain)
	if err != nil {
		a.t.Fatal(err)
	}
	for _, o := range all {
		n += o.Summary.Copied
	}
	return n
}

// clients lets the name that mail programs go by lead to Postferry.
func (a *browserArc) clients() {
	a.t.Helper()
	a.look(arcDomain)
	a.advised(arcDomain, stage.Copied, "next_clients", "Let these names lead to Postferry: imap.example.com.")
	a.state("copied")
	a.tell(true, false, a.resolvers[:]...)
	a.look(arcDomain)
	a.advised(arcDomain, stage.ClientsSwitched, "next_mx_name", "The MX still leads to mx.old.example.")
	a.state("clients-switched")
}

// switchMX changes the MX, of which two of three resolvers hear at once.
func (a *browserArc) switchMX() {
	a.t.Helper()
	a.resolvers[2].Forget() // so that it remembers all of the time to live
	a.goOn = a.resolvers[2].Hold()
	a.look(arcDomain)
	a.tell(true, true, a.resolvers[:2]...)
	a.look(arcDomain)
	a.advised(arcDomain, stage.MXSwitched, "next_wait_dns", "not yet, because: The new MX is known at 3 of 4 DNS servers")
	a.b.Run(chromedp.Click("#advice summary", chromedp.ByQuery))
	a.state("mx-spreading")
}

// late delivers messages to the old server, which come over within moments and are counted.
func (a *browserArc) late() {
	a.t.Helper()
	for i, login := range a.logins[:3] {
		a.straggler(login, i)
	}
	a.open(arcDomain, "")
	a.b.Await("Late mail since the MX moved: 3")
	a.b.Await("brought by mx.slow.example")
	for _, login := range a.logins[:3] {
		a.pair.sameMail(login)
	}
	a.state("late-mail")
}

// straggler delivers a message to the old server as somebody does who remembers the old MX.
func (a *browserArc) straggler(login string, number int) {
	a.t.Helper()
	now := time.Now()
	body := fmt.Sprintf("Received: from mx.slow.example (mx.slow.example [192.0.2.7]) by mx.old.example with ESMTP; %s\r\nFrom: Late <late@slow.example>\r\nTo: %s\r\n"+
		"Subject: Late %d\r\nDate: %[1]s\r\nMessage-ID: <late-%[3]d-%[2]s>\r\n\r\nIt took a while.\r\n", now.Format(time.RFC1123Z), login, number)
	a.pair.old.Append(login, "INBOX", lab.Msg{Body: []byte(body), Date: now})
}

// settle waits until nobody remembers the old MX and nothing has come for long enough. Then all accounts have to be looked
// at once more.
func (a *browserArc) settle() {
	a.t.Helper()
	a.goOn()
	eventually(a.t, "the old MX is forgotten", func() bool {
		a.look(arcDomain)
		return strings.Contains(a.b.Text(), "known at all DNS servers that answer (4 of 4)")
	})
	a.remembers.Store(true)
	a.straggler(a.logins[0], 3) // each one makes the wait begin anew
	a.b.Await("Late mail since the MX moved: 4")
	a.advised(arcDomain, stage.Settling, "next_wait_quiet", "Wait for late mail until")
	a.state("settling")
	a.remembers.Store(false)
	eventually(a.t, "it is waited for the accounts to be looked at", func() bool {
		a.open(arcDomain, "")
		return strings.Contains(a.b.Text(), "Wait until all accounts have been looked at once more")
	})
	a.state("look-again")
	a.b.Press("#advice button")
	a.b.Await("Run 2 · Run again · Done")
}

// verify compares both servers.
func (a *browserArc) verify() {
	a.t.Helper()
	a.look(arcDomain)
	a.advised(arcDomain, stage.Settling, "next_verify", "Verify the accounts")
	a.state("verify-next")
	a.b.Press("#advice a.button")
	a.b.Press(`button[value="start"]`)
	a.b.Await("Nothing differs")
	a.state("verified")
	a.look(arcDomain)
	a.advised(arcDomain, stage.Safe, "next_finish", "Safe to switch off the old server: yes.")
	a.state("safe")
}

// finish finishes the domain: a draft, the report, and nothing is left to do.
func (a *browserArc) finish() {
	a.t.Helper()
	a.b.Press("#advice a.button")
	a.state("finish")
	a.b.Press(`form[action$="/finish/prepare"] button`)
	a.b.Await("forget the passwords")
	a.state("prepared")
	a.b.Run(chromedp.Click(`input[name="sure"]`, chromedp.ByQuery))
	a.b.Press(`form[action$="/finish"] button`)
	a.b.Await(fmt.Sprintf("%d accounts were finished", len(a.logins)))
	a.state("report")
	contacts := a.old.Connections()
	a.open(arcDomain, "")
	a.advised(arcDomain, stage.Finished, "next_forget", "Nothing more.")
	a.state("finished")
	page := filepath.Join(a.t.TempDir(), "report.html")
	mustRun(a.t, "report", "-c", a.daemon.config, "--html", page, arcDomain)
	a.b.Open("file://" + page)
	a.b.Await(fmt.Sprintf("%d perfect", len(a.logins)))
	a.b.Accessible("the report")
	a.b.Shot("arc-report-page")
	for _, login := range a.logins {
		a.pair.sameMail(login)
	}
	if now := a.old.Connections(); now != contacts {
		a.t.Errorf("the old server was contacted %d times after the end", now-contacts)
	}
}
