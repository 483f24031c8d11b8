package syncer_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/rs/zerolog"

	"postferry/config"
	"postferry/internal/lab"
	"postferry/store"
	"postferry/store/bolt"
	"postferry/syncer"
)

// TestServersRecogniseAll: a ledger that was lost altogether has each copy recognised, whatever
// the servers make of awkward messages: what isn't recognised, is doubled, and after an
// interrupted pull as well. Courier ends the last line of a message, so that it has another size,
// which is all that tells messages without a Message-ID from one another, and does not
// find a field with a blank before its colon; Cyrus writes X for octets above 127.
func TestServersRecogniseAll(t *testing.T) {
	for _, pair := range [][2]kind{
		{sdbox, courierIMAP}, {courierIMAP, maildir}, {maildir, cyrusUnix}, {cyrusUnix, mdbox}, {cyrusAlt, cyrusSlash}, {courierIMAP, cyrusUnix},
	} {
		t.Run(pair[0].name+" to "+pair[1].name, func(t *testing.T) {
			t.Parallel()
			m := startRelocation(t, pair[0], pair[1])
			m.fill()
			first := m.pass()
			m.loseLedger()
			if p := m.pass(); p.Copied != 0 || p.Adopted != first.Copied || p.Quarantined != first.Quarantined {
				t.Errorf("%d messages were copied and %d refused, then the ledger was lost: %+v", first.Copied, first.Quarantined, p)
				m.tellDoubles()
			}
		})
	}
}

// loseLedger goes on with a state that knows nothing.
func (m *relocation) loseLedger() {
	m.Helper()
	st, err := bolt.Open(m.TempDir(), bolt.Options{Command: "test"})
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { st.Close() })
	c := store.Credentials{Login: anna, Password: benchPassword}
	if _, _, err := st.PutAccounts(m.Context(), []store.Account{{
		Domain: "example.com", Login: anna, Old: c, New: c, Origin: store.Imported, State: store.Active}}); err != nil {
		m.Fatal(err)
	}
	engine, err := syncer.New(m.cfg, st, zerolog.New(zerolog.NewTestWriter(m)))
	if err != nil {
		m.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- engine.Run(ctx, false) }()
	m.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			m.Errorf("Run: %v", err)
		}
	})
	m.engine, m.store = engine, st
}

// tellDoubles says which messages are on the new server more than once.
func (m *relocation) tellDoubles() {
	m.Helper()
	for name, f := range m.new.Snapshot(anna).Folders {
		seen := map[string]int{}
		for _, msg := range f.Messages {
			if seen[msg.Date.String()]++; seen[msg.Date.String()] == 2 {
				m.Errorf("%s: doubled: UID %d %d %v %.300q", name, msg.UID, msg.Size, msg.Date, m.given[msg.Date].Body)
			}
		}
	}
}

// TestServersInterrupted: the answers of a new server that says nothing before it is given the next
// message are lost in the middle of awkward ones. What it had stored is found again, all of it:
// nothing is doubled, and nothing counts as removed by its user.
func TestServersInterrupted(t *testing.T) {
	for _, to := range []kind{courierIMAP, cyrusUnix} {
		t.Run(to.name, func(t *testing.T) {
			t.Parallel()
			m := startRelocationWith(t, sdbox, to, func(cfg *config.Config) {
				nu := &cfg.Domains[0].New
				*nu = lab.At(*nu, cutInAppend(t, net.JoinHostPort(nu.Host, strconv.Itoa(nu.Port))).Addr)
			})
			c := m.old.Client(anna)
			for _, msg := range awkward(t) {
				m.given[msg.Date.UTC()] = msg
				var refused *imap.Error
				if err := lab.Append(c, "INBOX", msg); err != nil && !errors.As(err, &refused) {
					t.Fatal(err)
				}
			}
			for tries := 0; !m.pass().Complete; tries++ {
				if tries == 5 {
					t.Fatal("not complete")
				}
			}
			m.tellDoubles()
			m.noneRemoved()
		})
	}
}

// cutInAppend is a line that ends the first connection on which a server has answered much.
func cutInAppend(t *testing.T, target string) *lab.Faulty {
	t.Helper()
	var struck atomic.Bool
	return lab.FaultLine(t, target, func(n int) lab.Plan {
		if n != 0 || struck.Swap(true) {
			return lab.Plan{}
		}
		return lab.Plan{ToClient: lab.Fault{Kind: lab.Cut, At: 5000}}
	})
}

// noneRemoved wants the ledger to know where each copy is.
func (m *relocation) noneRemoved() {
	m.Helper()
	ledger, err := m.store.Ledger(m.Context(), m.account, 1)
	if err != nil {
		m.Fatal(err)
	}
	for _, e := range ledger.Entries {
		if e.UID == 0 {
			m.Errorf("%x counts as removed by its user", e.Key)
		}
	}
	if len(ledger.Entries) == 0 {
		m.Error("nothing in the ledger")
	}
}
