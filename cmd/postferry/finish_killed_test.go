package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postferry/internal/control"
	"postferry/internal/demo/servers"
	"postferry/internal/lab"
	"postferry/internal/lab/nameserver"
	"postferry/lifecycle"
	"postferry/store"
)

// TestFinishKilledAtEveryStep finishes and forgets a domain, and takes the state as a kill would leave it before and after
// each step. A daemon that is started on it has either all passwords and no report, and finishes again what was
// begun, or none, one report and no word with the old server.
func TestFinishKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	k := &killedFinish{servers: memoryPair(t), zone: nameserver.StartZone(t)}
	k.record(t)
	names := make([]string, len(k.moments))
	for i, m := range k.moments {
		names[i] = m.name
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			k.startAgain(t, m)
		})
	}
	want := "before the pass, before the verify, prepared, before Approve, after Approve, before Finish, after Finish, told, finished, " +
		"before AddAudit, after AddAudit, before Forget, after Forget, told, forgotten"
	if got := strings.Join(names, ", "); got != want {
		t.Errorf("the steps were %s\nwant %s", got, want)
	}
}

// killedFinish is an end of a move, moment by moment.
type killedFinish struct {
	servers *servers.Pair
	zone    *nameserver.Zone
	daemon  *daemon
	moments []killedMoment
}

// killedMoment is the state at one moment, as an archive.
type killedMoment struct {
	name  string
	state []byte
}

func memoryPair(t *testing.T) *servers.Pair {
	t.Helper()
	s, err := servers.Start(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// newDaemon is a daemon with a state, whose way to the old server counts who goes it.
func (k *killedFinish) newDaemon(t *testing.T) (p *pageDaemon, old *lab.Faulty) {
	t.Helper()
	old = lab.FaultLine(t, k.servers.Old.Addr().String(), nil)
	p = newPageDaemon(t, nameserver.StartResolver(t, k.zone).Addr, fmt.Sprintf("state = %q\n[admin]\nlisten = \"\"\n[proxy]\nimaps = \"127.0.0.1:0\"\nimap = \"\"\n"+
		"[[domain]]\nname = \"example.org\"\nold = \"imap+insecure://%s\"\nnew = %q\n", t.TempDir(), old.Addr, k.servers.New.URL()))
	p.dns = append(p.dns, nameserver.StartResolver(t, k.zone).Addr)
	return p, old
}

// mark takes the state as it is now.
func (k *killedFinish) mark(t *testing.T, name string) {
	t.Helper()
	var archive bytes.Buffer
	if _, err := k.daemon.store.Backup(context.WithoutCancel(t.Context()), &archive, true); err != nil {
		t.Error(err)
	}
	k.moments = append(k.moments, killedMoment{name, archive.Bytes()})
}

// markedStore is a state of which each step is taken down.
type markedStore struct {
	lifecycle.Store
	mark func(string)
}

func marked(m *markedStore, name string, call func() error) error {
	m.mark("before " + name)
	err := call()
	m.mark("after " + name)
	return err
}

func (m *markedStore) Approve(ctx context.Context, ids []store.AccountID, a store.Approval) error {
	return marked(m, "Approve", func() error { return m.Store.Approve(ctx, ids, a) })
}

func (m *markedStore) Finish(ctx context.Context, ids []store.AccountID, r store.Report) (kept store.Report, finished []store.AccountID, err error) {
	err = marked(m, "Finish", func() error { kept, finished, err = m.Store.Finish(ctx, ids, r); return err })
	return kept, finished, err
}

func (m *markedStore) AddAudit(ctx context.Context, e store.AuditEntry) error {
	return marked(m, "AddAudit", func() error { return m.Store.AddAudit(ctx, e) })
}

func (m *markedStore) Forget(ctx context.Context, domain string) error {
	return marked(m, "Forget", func() error { return m.Store.Forget(ctx, domain) })
}

// wholeDomain is all that there is, although one of its accounts has a wrong password.
func wholeDomain() control.FinishQuery {
	return control.FinishQuery{Domain: "example.org", Accept: true}
}

// record leads the domain to its end and takes down each step.
func (k *killedFinish) record(t *testing.T) {
	t.Helper()
	p, _ := k.newDaemon(t)
	list := filepath.Join(t.TempDir(), "accounts")
	writeFile(t, list, fmt.Sprintf("%s %q\nnobody@example.org wrong\n", servers.Login, servers.Password))
	mustRun(t, "import", "-c", p.config, list)
	p.opened = func(d *daemon) {
		k.daemon = d
		d.backend.Guide.Store = &markedStore{d.backend.Guide.Store, func(name string) { k.mark(t, name) }}
		d.backend.Guide.Told = func(context.Context, string, []store.AccountID) error { k.mark(t, "told"); return nil }
		if err := d.store.NoteNames(t.Context(), "example.org", store.NamesSeen{When: time.Now(), MX: time.Now().Add(-time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	p.start()
	if _, err := p.d.backend.Prepare(t.Context(), wholeDomain(), func(s lifecycle.Step, _ int) { k.mark(t, "before the "+string(s)) }); err != nil {
		t.Fatal(err)
	}
	k.mark(t, "prepared")
	if r, err := p.d.backend.Finish(t.Context(), wholeDomain()); err != nil || len(r.Accounts) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	k.mark(t, "finished")
	if err := p.d.backend.Forget(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	k.mark(t, "forgotten")
	p.stop()
}

// startAgain starts a daemon with the state of a moment.
func (k *killedFinish) startAgain(t *testing.T, m killedMoment) {
	t.Helper()
	p, old := k.newDaemon(t)
	cfg, _, err := loadConfig(p.config)
	if err != nil {
		t.Fatal(err)
	}
	lab.Unpack(t, bytes.NewReader(m.state), cfg.State)
	p.start()
	if k.ended(t, p.d) {
		k.wantEnd(t, p)
		if n := old.Connections(); n > 0 {
			t.Errorf("the old server was contacted %d times after the end", n)
		}
		return
	}
	eventually(t, "who is not finished is looked after at the old server", func() bool { return old.Connections() > 0 })
	if _, err := p.d.backend.Prepare(t.Context(), wholeDomain(), func(lifecycle.Step, int) {}); err != nil {
		t.Fatal(err)
	}
	if r, err := p.d.backend.Finish(t.Context(), wholeDomain()); err != nil || len(r.Accounts) != 2 || r.Number != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	p.stop()
	contacts := old.Connections()
	p.start()
	if !k.ended(t, p.d) {
		t.Error("after the end it has not ended")
	}
	k.wantEnd(t, p)
	if n := old.Connections() - contacts; n > 0 {
		t.Errorf("the old server was contacted %d times after the end", n)
	}
}

// ended tells whether all accounts are finished, or gone, and wants none to be so by half.
func (k *killedFinish) ended(t *testing.T, d *daemon) bool {
	t.Helper()
	accounts, err := d.store.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	finished := 0
	for _, a := range accounts {
		got, err := d.store.AccountByID(t.Context(), a.ID)
		if err != nil {
			t.Fatal(err)
		}
		known := got.Old.Password != "" && got.New.Password != ""
		if (got.State == store.Finished) == known || known != (got.Old.Password != "" || got.New.Password != "") {
			t.Errorf("%s is %s, and its passwords are known: %v and %v", got.Login, got.State, got.Old.Password != "", got.New.Password != "")
		}
		if got.State == store.Finished {
			finished++
		}
	}
	reports, err := d.store.Reports(t.Context(), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	audit, err := d.store.Audit(t.Context(), store.AuditQuery{Domain: "example.org", Limit: 20})
	if err != nil {
		t.Fatal(err)
	}
	audit = slices.DeleteFunc(audit, func(e store.AuditEntry) bool { return e.Action != store.FinishAccounts })
	ended := finished == len(accounts)
	if finished != 0 && !ended || ended != (len(reports) == 1) || len(audit) != len(reports) {
		t.Errorf("%d of %d accounts are finished, %d reports, %d entries in the audit log", finished, len(accounts), len(reports), len(audit))
	}
	return ended
}

// wantEnd asks for what would need the old server, and forgets the domain.
func (k *killedFinish) wantEnd(t *testing.T, p *pageDaemon) {
	t.Helper()
	if _, err := p.d.backend.Prepare(t.Context(), wholeDomain(), func(lifecycle.Step, int) {}); !errors.Is(err, lifecycle.ErrNothing) {
		t.Errorf("there is something to prepare: %v", err)
	}
	if _, err := p.d.backend.Finish(t.Context(), wholeDomain()); !errors.Is(err, lifecycle.ErrNothing) {
		t.Errorf("there is something to finish: %v", err)
	}
	if err := p.d.backend.Forget(t.Context(), "example.org"); err != nil {
		t.Errorf("it can't be forgotten: %v", err)
	}
	if accounts, err := p.d.store.Accounts(t.Context()); err != nil || len(accounts) > 0 {
		t.Errorf("%d accounts are left, %v", len(accounts), err)
	}
	p.stop()
}
