package syncer_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/report"
	"postferry/report/reason"
	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer"
	"postferry/syncer/verify"
)

const (
	moverLogin    = "anna@example.com"
	moverPassword = "hush-0f-the-mover" // no word: it is looked for in all that the tests print
)

// move is an account between two real servers.
type move struct {
	t        *testing.T
	old, new *lab.Dovecot
	cfg      config.Config
	dir      string
	store    store.Store
	id       store.AccountID
}

// startMove fills an old server and prepares an empty new one. Both keep
// maildirs, so that a test can alter a message behind the server's back.
func startMove(t *testing.T) *move {
	t.Helper()
	users := []lab.User{{Login: moverLogin, Password: moverPassword}}
	m := &move{t: t, cfg: config.Default(), dir: t.TempDir()}
	m.old = lab.StartDovecot(t, lab.DovecotOptions{
		Separator: ".", Prefix: "INBOX.", Users: users, SpecialUse: map[string]string{"Gesendet": `\Sent`, "Alles": `\All`},
	})
	m.new = lab.StartDovecot(t, lab.DovecotOptions{Separator: "/", Users: users, AutoCreate: true})
	m.cfg.Domains = []config.Domain{{Name: "example.com", Old: m.old.Insecure(), New: m.new.Insecure()}}
	st, err := bolt.Open(m.dir, bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.store.Close() })
	m.store = st
	credentials := store.Credentials{Login: moverLogin, Password: moverPassword}
	rows, _, err := st.PutAccounts(t.Context(), []store.Account{{
		Domain: "example.com", Login: moverLogin, Origin: store.Imported, State: store.Active, Old: credentials, New: credentials,
	}})
	if err != nil {
		t.Fatal(err)
	}
	m.id = rows[0].ID
	var inbox []lab.Msg
	for _, sample := range lab.OwnMessages(t) { // also those that change their line ends on the way
		inbox = append(inbox, sample.Msg())
	}
	m.old.FillMaildir(moverLogin, "INBOX", append(inbox, lab.Generate(1, 20, 800)...))
	m.old.FillMaildir(moverLogin, "INBOX.Gesendet", lab.Generate(2, 12, 800))
	m.old.FillMaildir(moverLogin, "INBOX.Projekte.Übersicht", lab.Generate(3, 5, 800))
	m.old.Subscribe(moverLogin, "INBOX.Projekte.Übersicht")
	return m
}

// sync makes a pass and wants it to be complete.
func (m *move) sync() {
	m.t.Helper()
	engine, err := syncer.New(&m.cfg, m.store, zerolog.Nop())
	if err != nil {
		m.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(m.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = engine.Run(ctx, false)
	}()
	results, err := engine.Sync(ctx, nil, nil)
	cancel()
	<-ended
	if err != nil || len(results) != 1 || !results[0].Pass.Complete || results[0].Problem != nil {
		m.t.Fatalf("sync: %v %+v", err, results)
	}
}

// verify returns what was found but for what is harmless, a line each, and
// the account's sums.
func (m *move) verify(bodies bool) (found []string, sums report.VerifiedAccount) {
	m.t.Helper()
	v := verify.Verification{Config: &m.cfg, Store: m.store, Log: zerolog.Nop(), Bodies: bodies}
	v.Tell = func(e report.VerifyEvent) error {
		if e.Account != nil {
			sums = *e.Account
		}
		if f := e.Finding; f != nil && f.Severity != report.Harmless {
			line := fmt.Sprintf("%s %s", f.Kind, f.Folder)
			for _, more := range []reason.Reason{f.Old, f.New, f.Reason} {
				if more != "" {
					line += "|" + more.String()
				}
			}
			found = append(found, line)
		}
		return nil
	}
	if err := v.Run(m.t.Context(), nil); err != nil {
		m.t.Fatal(err)
	}
	if sums.Problem != "" {
		m.t.Fatalf("%s (%s)", sums.Problem, sums.Cause)
	}
	slices.Sort(found)
	return found, sums
}

func (m *move) wants(bodies bool, want ...string) {
	m.t.Helper()
	found, _ := m.verify(bodies)
	slices.Sort(want)
	if !slices.Equal(found, want) {
		m.t.Errorf("bodies %t: found\n%s\nwant\n%s", bodies, strings.Join(found, "\n"), strings.Join(want, "\n"))
	}
}

// snapshots are everything both servers show and keep, to see that nothing changes.
func (m *move) snapshots() (check func()) {
	m.t.Helper()
	type state struct {
		snap  *lab.Snapshot
		files []string
	}
	look := func(d *lab.Dovecot) state { return state{d.Snapshot(moverLogin), d.Files(moverLogin)} }
	old, new := look(m.old), look(m.new)
	return func() {
		m.t.Helper()
		for name, pair := range map[string][2]state{"old": {old, look(m.old)}, "new": {new, look(m.new)}} {
			if diff := pair[0].snap.Diff(pair[1].snap); diff != "" {
				m.t.Errorf("the %s server has changed:\n%s", name, diff)
			}
			if !slices.Equal(pair[0].files, pair[1].files) {
				m.t.Errorf("the %s server's files have changed", name)
			}
		}
	}
}

// on opens a folder of the new server for changes with go-imap's client.
func (m *move) on(folder string, change func(c *imapclient.Client) error) {
	m.t.Helper()
	c := m.new.Client(moverLogin)
	defer c.Close()
	if folder != "" {
		if _, err := c.Select(folder, nil).Wait(); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := change(c); err != nil {
		m.t.Fatal(err)
	}
}

func expunge(c *imapclient.Client, uid imap.UID) error {
	store := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Flags: []imap.Flag{imap.FlagDeleted}, Silent: true}
	if err := c.Store(imap.UIDSetNum(uid), store, nil).Close(); err != nil {
		return err
	}
	return c.UIDExpunge(imap.UIDSetNum(uid)).Close()
}

// body is what a message of the new server looks like.
func (m *move) body(folder string, uid imap.UID) (body []byte) {
	m.t.Helper()
	m.on(folder, func(c *imapclient.Client) error {
		section := &imap.FetchItemBodySection{Peek: true}
		messages, err := c.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{section}}).Collect()
		if err == nil {
			body = messages[0].FindBodySection(section)
		}
		return err
	})
	return body
}

// alter replaces text in a message's file on the new server, whose index does
// not know then what has become of it.
func (m *move) alter(folder string, uid imap.UID, from, to string) {
	m.t.Helper()
	body := m.body(folder, uid)
	root := filepath.Join(m.new.UserDir(moverLogin), "mail")
	found := false
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if entry.Name() == "dovecot.index.cache" {
			return os.Remove(path)
		}
		data, err := os.ReadFile(path)
		if err != nil || found || !bytes.Equal(crlf(data), body) {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		found = true
		if changed := bytes.Replace(data, []byte(from), []byte(to), 1); bytes.Equal(changed, data) {
			return fmt.Errorf("no %q in it", from)
		} else if err := os.WriteFile(path, changed, 0o600); err != nil {
			return err
		}
		return os.Chtimes(path, info.ModTime(), info.ModTime())
	})
	if err != nil || !found {
		m.t.Fatalf("altering: %v, found %t", err, found)
	}
}

func crlf(data []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
}

// TestVerifyClean: a clean move verifies clean, and verifying changes nothing.
func TestVerifyClean(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	var real []lab.Msg
	for _, sample := range lab.Messages(t) {
		real = append(real, sample.Msg())
	}
	m.old.FillMaildir(moverLogin, "INBOX.Real", real)
	m.sync()
	unchanged := m.snapshots()
	for _, bodies := range []bool{false, true} {
		found, sums := m.verify(bodies)
		quarantined := int(sums.Found[report.Quarantined])
		for _, line := range found {
			if !strings.HasPrefix(line, "quarantined INBOX|") {
				t.Errorf("bodies %t: %s", bodies, line)
			}
		}
		if want := sums.OldMessages - uint64(quarantined); sums.Same != want || sums.NewMessages != want || sums.Folders != 4 {
			t.Errorf("bodies %t: %+v", bodies, sums)
		}
	}
	unchanged()
	m.new.Append(moverLogin, "INBOX", lab.Generate(77, 2, 700)...)
	if found, sums := m.verify(false); sums.Found[report.Extra] != 2 {
		t.Errorf("mail that was delivered there: %+v %q", sums, found)
	}
}

// TestVerifyBefore: nothing has been copied yet.
func TestVerifyBefore(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	_, sums := m.verify(false)
	if sums.Found[report.FolderMissing] != 1 || sums.Found[report.Missing] == 0 || sums.Same != 0 {
		t.Errorf("%+v", sums)
	}
}

// TestVerifyDamage damages one message after the other and wants just that to
// be found.
func TestVerifyDamage(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.sync()
	before, _ := m.verify(false)
	wants := func(bodies bool, more ...string) {
		t.Helper()
		m.wants(bodies, append(slices.Clone(before), more...)...)
	}
	const sent = "Sent"
	var damage []string

	m.on(sent, func(c *imapclient.Client) error { return expunge(c, 1) })
	damage = append(damage, "removed Gesendet|was copied, is gone from the new server")
	wants(false, damage...)

	m.on(sent, func(c *imapclient.Client) error {
		_, err := c.Copy(imap.UIDSetNum(2), sent).Wait()
		return err
	})
	damage = append(damage, "doubled Gesendet")
	wants(false, damage...)

	m.on(sent, func(c *imapclient.Client) error {
		return c.Store(imap.UIDSetNum(3), &imap.StoreFlags{Op: imap.StoreFlagsSet, Flags: []imap.Flag{"$Damaged"}}, nil).Close()
	})
	damage = append(damage, "flags Gesendet|"+m.flagsOf(3)+"|$Damaged")
	wants(false, damage...)

	damage = append(damage, m.redate(sent, 4))
	wants(false, damage...)

	m.alter(sent, 5, "Subject: M", "Subject: N")
	damage = append(damage, "altered Gesendet")
	wants(false, damage...)

	body := string(m.body(sent, 6))
	last := body[len(body)-12 : len(body)-2]
	m.alter(sent, 6, last, strings.Repeat("#", len(last)))
	wants(false, damage...) // same size, same header: that takes --bodies
	damage = append(damage, "altered Gesendet")
	wants(true, damage...)

	m.on("", func(c *imapclient.Client) error { return c.Unsubscribe("Projekte/Übersicht").Wait() })
	damage = append(damage, "subscription Projekte/Übersicht")
	wants(true, damage...)

	m.on("", func(c *imapclient.Client) error { return c.Delete("Projekte/Übersicht").Wait() })
	damage[len(damage)-1] = "folder-missing Projekte/Übersicht"
	wants(true, damage...)
}

// TestVerifyRepaired: what was altered on purpose is on record and no damage.
func TestVerifyRepaired(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.sync()
	before, _ := m.verify(false)
	m.alter("Sent", 5, "Subject: M", "Subject: N")
	m.wants(false, append(slices.Clone(before), "altered Gesendet")...)
	folders, err := m.store.Folders(t.Context(), m.id)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(folders, func(f store.Folder) bool { return f.Title == "Gesendet" })
	ledger, err := m.store.Ledger(t.Context(), m.id, folders[at].ID)
	if err != nil {
		t.Fatal(err)
	}
	note := store.Repaired{Key: ledger.Entries[4].Key, What: reason.Said("another subject"), When: time.Now()}
	if err := m.store.Commit(t.Context(), store.Batch{Account: m.id, Folder: folders[at].ID, Repaired: []store.Repaired{note}}); err != nil {
		t.Fatal(err)
	}
	if found, sums := m.verify(false); sums.Found[report.Mended] != 1 || len(found) != len(before) {
		t.Errorf("found %q, %+v", found, sums.Found)
	}
}

// flagsOf are a message's flags on the old server, as findings spell them.
func (m *move) flagsOf(uid imap.UID) string {
	var flags []string
	for _, msg := range m.old.Snapshot(moverLogin).Folders["INBOX.Gesendet"].Messages {
		if msg.UID == uid {
			for _, f := range msg.Flags {
				flags = append(flags, string(f))
			}
		}
	}
	slices.SortFunc(flags, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return strings.Join(flags, " ")
}

// redate replaces a message by a copy with another date and returns the line
// that finds it.
func (m *move) redate(folder string, uid imap.UID) string {
	m.t.Helper()
	var msg lab.MessageSnapshot
	for _, s := range m.new.Snapshot(moverLogin).Folders[folder].Messages {
		if s.UID == uid {
			msg = s
		}
	}
	wrong := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	m.new.Append(moverLogin, folder, lab.Msg{Body: m.body(folder, uid), Flags: msg.Flags, Date: wrong})
	m.on(folder, func(c *imapclient.Client) error { return expunge(c, uid) })
	return fmt.Sprintf("date Gesendet|%s|%s", msg.Date.UTC().Format(time.RFC3339), wrong.Format(time.RFC3339))
}

// TestVerifyMissing: without a ledger, and where mail came after the pass,
// what is not there is missing.
func TestVerifyMissing(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.sync()
	before, _ := m.verify(false)
	m.old.Append(moverLogin, "INBOX", lab.Generate(9, 1, 600)...)
	m.wants(false, append(before, "missing INBOX|not copied yet")...)
}

// TestVerifyBrokenLine: a connection that breaks once is made again; one that
// always breaks makes the account unverified, never good.
func TestVerifyBrokenLine(t *testing.T) {
	t.Parallel()
	m := startMove(t)
	m.sync()
	_, whole := m.verify(true)
	for name, tt := range map[string]struct {
		breaks func(conn int) bool
		ok     bool
	}{
		"once":   {func(conn int) bool { return conn == 0 }, true},
		"always": {func(int) bool { return true }, false},
	} {
		for _, at := range []int64{700, 1500, 9000, 20000} {
			line := lab.FaultLine(t, m.new.IMAP, func(conn int) lab.Plan {
				if !tt.breaks(conn) {
					return lab.Plan{}
				}
				return lab.Plan{ToClient: lab.Fault{Kind: lab.Cut, At: at}}
			})
			cfg := m.cfg
			cfg.Domains = []config.Domain{{Name: "example.com", Old: m.old.Insecure(), New: lab.At(m.new.Insecure(), line.Addr)}}
			var sums report.VerifiedAccount
			v := verify.Verification{Config: &cfg, Store: m.store, Log: zerolog.Nop(), Bodies: true, Tell: func(e report.VerifyEvent) error {
				if e.Account != nil {
					sums = *e.Account
				}
				return nil
			}}
			if err := v.Run(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if ok := sums.Problem == ""; ok != tt.ok && (tt.ok || sums.Same == whole.Same) {
				t.Errorf("%s at %d: problem %q (%s)", name, at, sums.Problem, sums.Cause)
			}
			if tt.ok && sums.Same != whole.Same {
				t.Errorf("%s at %d: %+v, want %+v", name, at, sums, whole)
			}
		}
	}
}
