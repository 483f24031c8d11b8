package syncer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer"
)

const anna = "anna@example.com"

// mailServer is what the tests need of a real server.
type mailServer interface {
	AddUser(users ...lab.User)
	Client(login string) *imapclient.Client
	Snapshot(login string) *lab.Snapshot
	Insecure() config.Server
}

// kind is a kind of server and how it names folders.
type kind struct {
	name, prefix, delim string
	// sent is the folder for sent mail that it has from the start, if it has one.
	sent   string
	strict bool // stores what it is given, octet by octet
	start  func(t *testing.T) mailServer
}

func dovecot(format, separator, prefix string) kind {
	return kind{"dovecot-" + format, prefix, separator, "Sent", false, func(t *testing.T) mailServer {
		return lab.StartDovecot(t, lab.DovecotOptions{Format: format, Separator: separator, Prefix: prefix, AutoCreate: true})
	}}
}

// cyrus names folders with or without the prefix INBOX (altnamespace), and with
// slashes or dots (unixhierarchysep).
func cyrus(name, prefix, delim string, limit int64) kind {
	return kind{name, prefix, delim, "", true, func(t *testing.T) mailServer {
		return lab.StartCyrus(t, lab.CyrusOptions{AltNamespace: prefix == "", UnixSeparator: delim == "/", MaxMessage: limit})
	}}
}

var (
	maildir     = dovecot("maildir", ".", "INBOX.")
	sdbox       = dovecot("sdbox", "/", "")
	mdbox       = dovecot("mdbox", "/", "")
	cyrusPlain  = cyrus("cyrus", "INBOX.", ".", 0)
	cyrusSmall  = cyrus("cyrus-small", "INBOX.", ".", 4<<20)
	cyrusUnix   = cyrus("cyrus-unix", "", "/", 0)
	cyrusAlt    = cyrus("cyrus-alt", "", ".", 0)
	cyrusSlash  = cyrus("cyrus-slash", "INBOX/", "/", 0)
	courierIMAP = kind{"courier", "INBOX.", ".", "", false, func(t *testing.T) mailServer { return lab.StartCourier(t) }}
)

// TestServers copies an account with all that is awkward about mail and
// folders between real servers: everything arrives once or is in quarantine,
// the old server is not changed, and a second pass finds nothing to do.
func TestServers(t *testing.T) {
	for _, pair := range [][2]kind{
		{maildir, cyrusUnix}, {cyrusUnix, mdbox}, {mdbox, courierIMAP}, {courierIMAP, cyrusSmall},
		{cyrusPlain, sdbox}, {sdbox, courierIMAP}, {courierIMAP, maildir}, {cyrusSlash, cyrusAlt}, {cyrusAlt, cyrusSlash},
	} {
		t.Run(pair[0].name+" to "+pair[1].name, func(t *testing.T) {
			t.Parallel()
			m := startRelocation(t, pair[0], pair[1])
			m.fill()
			m.checkFirstPass()
			m.checkSecondPass()
			m.checkChangesAreCarried()
		})
	}
}

// relocation is an account on its way between two servers.
type relocation struct {
	*testing.T
	from, to kind
	old, new mailServer
	given    map[time.Time]lab.Msg // to the old server, by date
	store    store.Store
	account  store.AccountID
	engine   *syncer.Engine
	cfg      *config.Config
	before   *lab.Snapshot // the old server's
	after    *lab.Snapshot // the new server's, after the first pass
}

func startRelocation(t *testing.T, from, to kind) *relocation {
	t.Helper()
	return startRelocationWith(t, from, to, func(*config.Config) {})
}

func startRelocationWith(t *testing.T, from, to kind, adjust func(*config.Config)) *relocation {
	m := &relocation{T: t, from: from, to: to, old: from.start(t), new: to.start(t), given: map[time.Time]lab.Msg{}}
	for _, s := range []mailServer{m.old, m.new} {
		s.AddUser(lab.User{Login: anna, Password: benchPassword})
	}
	cfg := config.Default()
	cfg.Domains = []config.Domain{{Name: "example.com", Old: m.old.Insecure(), New: m.new.Insecure()}}
	adjust(&cfg)
	st, err := bolt.Open(t.TempDir(), bolt.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	c := store.Credentials{Login: anna, Password: benchPassword}
	rows, _, err := st.PutAccounts(t.Context(), []store.Account{{
		Domain: "example.com", Login: anna, Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		t.Fatal(err)
	}
	m.store, m.account, m.cfg = st, rows[0].ID, &cfg
	if m.engine, err = syncer.New(&cfg, st, zerolog.New(zerolog.NewTestWriter(t))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- m.engine.Run(ctx, false) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return m
}

// oldFolder is a folder the old server is given.
type oldFolder struct {
	parts []string
	use   imap.MailboxAttr
	msgs  []lab.Msg
}

// folders are those of every old server, and those that only some can have.
func (m *relocation) folders() []oldFolder {
	all := []oldFolder{
		{parts: []string{"INBOX"}, msgs: awkward(m)},
		{parts: []string{"Gesendet"}, use: imap.MailboxAttrSent, msgs: lab.Generate(2, 8, 1000)},
		{parts: []string{"Büro & Co"}, msgs: lab.Generate(3, 10, 1000)},
		{parts: []string{"Büro & Co", "Größe"}, msgs: lab.Generate(4, 30, 3000)},
		{parts: []string{"Büro & Co", "日本語"}, msgs: lab.Generate(5, 3, 1000)},
		{parts: []string{"Leer"}},
		{parts: []string{"Oben", "Unten"}, msgs: lab.Generate(6, 3, 1000)}, // Oben is \Noselect where servers know that
	}
	if m.from.delim == "/" {
		all = append(all, oldFolder{parts: []string{"v1.2"}, msgs: lab.Generate(7, 3, 1000)})
	}
	return all
}

// awkward are all the lab's messages and an empty one, each with a date of its
// own and some flags; the last three are the same message.
func awkward(t testing.TB) []lab.Msg {
	samples := lab.Messages(t)
	samples = append(samples, lab.Sample{Name: "empty"})
	like := lab.Generate(1, len(samples)+3, 600)
	for i, s := range samples {
		like[i].Body = s.Body
	}
	for i := range like {
		like[i].Date = time.Date(2019, 3, 1, 12, 0, i, 0, time.UTC)
	}
	for i := len(samples); i < len(like); i++ {
		like[i].Body = like[len(samples)].Body
	}
	like[0].Flags = []imap.Flag{imap.FlagDeleted, imap.FlagSeen}
	return like
}

// fill puts the mail on the old server, as far as that takes it.
func (m *relocation) fill() {
	m.Helper()
	c := m.old.Client(anna)
	for _, f := range m.folders() {
		name := m.from.join(f.parts)
		m.create(c, name, f.use)
		for _, msg := range f.msgs {
			m.given[msg.Date.UTC()] = msg
			var refused *imap.Error
			if err := lab.Append(c, name, msg); err != nil && !errors.As(err, &refused) {
				m.Fatalf("append to %s: %v", name, err)
			}
		}
		// Nothing is \Recent any more, and Courier keeps a UIDVALIDITY only once a folder was selected.
		if _, err := c.Select(name, nil).Wait(); err != nil {
			m.Fatal(err)
		}
		if name != "INBOX" && f.parts[0] != "Leer" {
			lab.Subscribe(m, c, name)
		}
	}
	if err := c.Logout().Wait(); err != nil {
		m.Fatal(err)
	}
	m.before = m.old.Snapshot(anna)
}

// create makes a folder, with its use where the server can.
func (m *relocation) create(c *imapclient.Client, name string, use imap.MailboxAttr) {
	m.Helper()
	if use == "" || !c.Caps().Has(imap.CapCreateSpecialUse) {
		if name != "INBOX" {
			lab.Create(m, c, name)
		}
		return
	}
	if err := c.Create(name, &imap.CreateOptions{SpecialUse: []imap.MailboxAttr{use}}).Wait(); err != nil {
		m.Fatal(err)
	}
}

// join is a folder's name on a server of this kind.
func (k kind) join(parts []string) string {
	if parts[0] == "INBOX" {
		return "INBOX"
	}
	return k.prefix + strings.Join(parts, k.delim)
}

// moved is what a folder of the old server should be called on the new one.
func (m *relocation) moved(name string) string {
	parts := strings.Split(strings.TrimPrefix(name, m.from.prefix), m.from.delim)
	if len(parts) == 1 && m.to.sent != "" && (parts[0] == "Gesendet" || parts[0] == "Sent") {
		parts[0] = m.to.sent
	}
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], m.to.delim, "_")
	}
	return m.to.join(parts)
}

func (m *relocation) pass() store.Pass {
	m.Helper()
	results, err := m.engine.Sync(m.Context(), nil, nil)
	if err != nil || len(results) != 1 || results[0].Problem != nil {
		m.Fatalf("pass: %v, %+v", err, results)
	}
	return results[0].Pass
}

func (m *relocation) checkFirstPass() {
	m.Helper()
	p := m.pass()
	m.after = m.new.Snapshot(anna)
	m.checkOld()
	total, arrived := 0, 0
	for name, folder := range m.before.Folders {
		there := m.after.Folders[m.moved(name)]
		if there == nil {
			m.Errorf("no folder %q on the new server for %q", m.moved(name), name)
			continue
		}
		total += len(folder.Messages)
		arrived += m.checkFolder(name, folder, there)
	}
	for _, name := range m.before.Subscribed {
		if !slices.Contains(m.after.Subscribed, m.moved(name)) {
			m.Errorf("%q is not subscribed on the new server: %q", m.moved(name), m.after.Subscribed)
		}
	}
	if int(p.Copied) != arrived || int(p.Copied+p.Quarantined) != total || p.Adopted != 0 {
		m.Errorf("%d messages on the old server, %d arrived, but the pass says %+v", total, arrived, p)
	}
	if there := count(m.after); there != arrived {
		m.Errorf("%d messages on the new server, %d of them from the old one", there, arrived)
	}
}

func count(s *lab.Snapshot) (n int) {
	for _, f := range s.Folders {
		n += len(f.Messages)
	}
	return n
}

// checkFolder compares a folder with what came of it and returns how many of
// its messages arrived. Messages are known by their dates.
func (m *relocation) checkFolder(name string, old, moved *lab.FolderSnapshot) (arrived int) {
	m.Helper()
	by := map[time.Time][]lab.MessageSnapshot{}
	for _, msg := range moved.Messages {
		by[msg.Date] = append(by[msg.Date], msg)
	}
	ledger := m.ledger(name)
	for _, msg := range old.Messages {
		there := by[msg.Date]
		delete(by, msg.Date)
		k := key(old.UIDValidity, msg.UID)
		why, quarantined := ledger.quarantined[k]
		switch {
		case len(there) == 1 && !quarantined:
			arrived++
			m.checkCopy(name, msg, there[0], ledger.repaired[k].What.String())
		case len(there) == 0 && quarantined && why.Reason != "" && why.Cause != "":
		default:
			m.Errorf("%s UID %d: %d times on the new server, quarantine %+v", name, msg.UID, len(there), why)
		}
	}
	for date, msgs := range by {
		m.Errorf("%s: %d messages of %v are not from the old server", name, len(msgs), date)
	}
	m.Logf("%s: %d messages, %d arrived, %d repaired, %d in quarantine",
		name, len(old.Messages), arrived, len(ledger.repaired), len(ledger.quarantined))
	return arrived
}

// checkCopy compares a message with its copy. Dovecot and Courier may have put
// stray line ends and NULs in order, and Cyrus writes X for octets above 127 in
// a header (munge8bit); nobody else may alter anything without saying so.
func (m *relocation) checkCopy(folder string, old, moved lab.MessageSnapshot, repair string) {
	m.Helper()
	if !sameFlags(old.Flags, moved.Flags) {
		m.Errorf("%s UID %d: flags %v became %v", folder, old.UID, old.Flags, moved.Flags)
	}
	body, ok := m.given[old.Date]
	if !ok {
		m.Errorf("%s UID %d has the date %v, which no message was given", folder, old.UID, old.Date)
	}
	altered := old.Sum != moved.Sum
	switch {
	case clean(body.Body) && (altered || repair != ""):
		m.Errorf("%s UID %d: a sound message was altered (%q)", folder, old.UID, repair)
	case m.to.strict && altered != (repair != "") && ascii(body.Body):
		m.Errorf("%s UID %d: altered %t, repair %q", folder, old.UID, altered, repair)
	}
}

// clean tells whether a message has only whole lines that end in CRLF, no NUL
// and a header that every server takes as it is.
func clean(body []byte) bool {
	if !ascii(body) {
		return false
	}
	lines := bytes.ReplaceAll(body, []byte("\r\n"), nil)
	header, _, _ := bytes.Cut(body, []byte("\r\n\r\n"))
	for line := range bytes.Lines(header) {
		name, _, ok := bytes.Cut(line, []byte(":"))
		if folded := line[0] == ' ' || line[0] == '\t'; !folded && (!ok || bytes.ContainsAny(name, " \t")) {
			return false
		}
	}
	return bytes.HasSuffix(body, []byte("\r\n")) && !bytes.ContainsAny(lines, "\r\n\x00")
}

func sameFlags(a, b []imap.Flag) bool {
	fold := func(flags []imap.Flag) []string {
		var out []string
		for _, f := range flags {
			out = append(out, strings.ToLower(string(f)))
		}
		slices.Sort(out)
		return out
	}
	return slices.Equal(fold(a), fold(b))
}

// ascii tells whether the header has neither NUL nor octets above 127.
func ascii(body []byte) bool {
	header, _, _ := bytes.Cut(body, []byte("\r\n\r\n"))
	return !bytes.ContainsFunc(header, func(r rune) bool { return r == 0 || r > 127 })
}

// exceptions are the messages of a folder that didn't arrive as they were.
type exceptions struct {
	quarantined map[store.Key]store.Quarantined
	repaired    map[store.Key]store.Repaired
}

func (m *relocation) ledger(name string) exceptions {
	m.Helper()
	folders, err := m.store.Folders(m.Context(), m.account)
	if err != nil {
		m.Fatal(err)
	}
	all := exceptions{map[store.Key]store.Quarantined{}, map[store.Key]store.Repaired{}}
	title := strings.ReplaceAll(strings.TrimPrefix(name, m.from.prefix), m.from.delim, "/")
	for _, f := range folders {
		if f.Title != title {
			continue
		}
		ledger, err := m.store.Ledger(m.Context(), m.account, f.ID)
		if err != nil {
			m.Fatal(err)
		}
		for _, q := range ledger.Quarantine {
			all.quarantined[q.Key] = q
		}
		for _, r := range ledger.Repaired {
			all.repaired[r.Key] = r
		}
	}
	return all
}

// key is how the ledger knows a message.
func key(uidValidity uint32, uid imap.UID) store.Key {
	k := binary.BigEndian.AppendUint32(nil, uidValidity)
	return store.Key(binary.BigEndian.AppendUint32(k, uint32(uid)))
}

func (m *relocation) checkOld() {
	m.Helper()
	if diff := m.before.Diff(m.old.Snapshot(anna)); diff != "" {
		m.Errorf("the old server was changed:\n%s", diff)
	}
}

func (m *relocation) checkSecondPass() {
	m.Helper()
	p := m.pass()
	if sum := p.Copied + p.Adopted + p.FlagChanges + p.Quarantined; sum != 0 {
		m.Errorf("the second pass did something: %+v", p)
	}
	if diff := m.after.Diff(m.new.Snapshot(anna)); diff != "" {
		m.Errorf("the second pass changed the new server:\n%s", diff)
	}
	m.checkOld()
}

// checkChangesAreCarried: what arrives on the old server after its folder was
// copied comes along, and so does a changed flag, whatever the servers can do
// about changes.
func (m *relocation) checkChangesAreCarried() {
	m.Helper()
	folder := m.from.join([]string{"Büro & Co", "Größe"})
	c := m.old.Client(anna)
	if _, err := c.Select(folder, nil).Wait(); err != nil {
		m.Fatal(err)
	}
	late := lab.Generate(8, 1, 700)[0]
	late.Date = time.Date(2021, 5, 6, 7, 8, 9, 0, time.UTC)
	m.given[late.Date] = late
	if err := lab.Append(c, folder, late); err != nil {
		m.Fatal(err)
	}
	changed := m.before.Folders[folder].Messages[0]
	store := &imap.StoreFlags{Op: imap.StoreFlagsSet, Silent: true, Flags: []imap.Flag{imap.FlagAnswered, "$Changed"}}
	if err := c.Store(imap.UIDSetNum(changed.UID), store, nil).Close(); err != nil {
		m.Fatal(err)
	}
	if err := c.Logout().Wait(); err != nil {
		m.Fatal(err)
	}
	m.before = m.old.Snapshot(anna)
	if p := m.pass(); p.Copied != 1 || p.FlagChanges != 1 || p.Quarantined != 0 || p.Adopted != 0 {
		m.Errorf("one message came and one was changed, but the pass says %+v", p)
	}
	m.checkOld()
	after := m.new.Snapshot(anna).Folders[m.moved(folder)]
	if n := m.checkFolder(folder, m.before.Folders[folder], after); n != len(after.Messages) {
		m.Errorf("%d of %d messages are from the old server", n, len(after.Messages))
	}
}
