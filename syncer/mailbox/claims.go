package mailbox

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/emersion/go-imap/v2"
	"golang.org/x/sync/semaphore"

	"postferry/config"
	"postferry/store"
	"postferry/syncer/foldertree"
	"postferry/syncer/session"
	"postferry/upstream"
)

// sides are what accounts that lead to the same mailboxes have in common. Accounts that have the
// same may yet be two people's, whose folders were made within one second.
type sides struct {
	servers
	oldValidity uint32 // of INBOX; 0 where UIDs are not stable
}

// servers are an account's.
type servers struct{ oldServer, newServer string }

// claim says that an account copies into a mailbox.
type claim struct {
	sides
	oldLogin, newLogin string
	// newValidity is the new INBOX's UIDVALIDITY; 0 if it is not known for sure. While two
	// sessions are the first to see a mailbox they may be told different ones.
	newValidity uint32
	// old and new are how far its INBOXes had got at some time.
	old, new reached
}

// reached says how far a folder had got: under this UIDVALIDITY its UIDNEXT was that. It is never
// less again (RFC 9051 section 2.3.1.1). Zero if nothing is known.
type reached struct {
	validity uint32
	next     imap.UID
}

// beyond tells whether a folder that has a status now can't be the one that had got there.
func (r reached) beyond(st upstream.Status) bool {
	return r.validity != 0 && r.validity == st.UIDValidity && st.UIDNext != 0 && st.UIDNext < r.next
}

func reachedBy(st upstream.Status) reached { return reached{st.UIDValidity, st.UIDNext} }

// same tells whether a claim is made by the same logins for the same mailbox.
func (c claim) same(other claim) bool {
	return c.sides == other.sides && c.oldLogin == other.oldLogin && c.newLogin == other.newLogin
}

// Mailboxes are those of the new servers that accounts copy into. An account claims its
// own before anything is copied, and only one at a time may claim those that look alike:
// so of two logins that lead to one mailbox the second finds the first.
type Mailboxes struct {
	mu      sync.Mutex
	loading *semaphore.Weighted
	loaded  bool
	claims  map[store.AccountID]claim
	between map[servers]map[store.AccountID]bool // all that are known
	alike   map[sides]map[store.AccountID]bool
	gates   map[sides]*semaphore.Weighted
	named   map[string]map[store.AccountID]bool   // by what comes before the @ of their logins, in lower case
	aliases map[store.AccountID][]store.AccountID // that lead to an account, or once did
}

func NewMailboxes() *Mailboxes {
	return &Mailboxes{loading: semaphore.NewWeighted(1), claims: map[store.AccountID]claim{}, between: map[servers]map[store.AccountID]bool{},
		alike: map[sides]map[store.AccountID]bool{}, gates: map[sides]*semaphore.Weighted{}, named: map[string]map[store.AccountID]bool{},
		aliases: map[store.AccountID][]store.AccountID{}}
}

// claimed tells whether an account has claimed that.
func (m *Mailboxes) claimed(id store.AccountID, c claim) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.claims[id]
	return ok && known.same(c)
}

// company tells whether an account isn't the only one between two servers.
func (m *Mailboxes) company(id store.AccountID, of servers) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.note(id, of)
	return len(m.between[of]) > 1
}

// note notes between which servers an account is, with mu held.
func (m *Mailboxes) note(id store.AccountID, of servers) {
	if m.between[of] == nil {
		m.between[of] = map[store.AccountID]bool{}
	}
	m.between[of][id] = true
}

// enter waits until nobody else is claiming a mailbox that looks alike.
func (m *Mailboxes) enter(ctx context.Context, of sides) (leave func(), err error) {
	m.mu.Lock()
	gate := m.gates[of]
	if gate == nil {
		gate = semaphore.NewWeighted(1)
		m.gates[of] = gate
	}
	m.mu.Unlock()
	if err := gate.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	return func() { gate.Release(1) }, nil
}

// others are the accounts beside one whose mailboxes look alike.
func (m *Mailboxes) others(id store.AccountID, of sides) (others map[store.AccountID]claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	others = map[store.AccountID]claim{}
	for other := range m.alike[of] {
		if other != id {
			others[other] = m.claims[other]
		}
	}
	return others
}

func (m *Mailboxes) claim(id store.AccountID, c claim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave(id)
	m.claims[id] = c
	if m.alike[c.sides] == nil {
		m.alike[c.sides] = map[store.AccountID]bool{}
	}
	m.alike[c.sides][id] = true
	for _, name := range c.names() {
		if m.named[name] == nil {
			m.named[name] = map[store.AccountID]bool{}
		}
		m.named[name][id] = true
	}
}

// names are what comes before the @ of the logins.
func (c claim) names() []string { return []string{localPart(c.oldLogin), localPart(c.newLogin)} }

func localPart(login string) string {
	local, _, _ := strings.Cut(strings.ToLower(login), "@")
	return local
}

// namesakes are the accounts beside one between the same servers whose logins name the same person as a claim's do: whatever the numbers of
// their mailboxes were when they were last seen.
func (m *Mailboxes) namesakes(id store.AccountID, c claim) (ids []store.AccountID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range c.names() {
		for other := range m.named[name] {
			o := m.claims[other]
			if other != id && o.servers == c.servers && (sameName(o.oldLogin, c.oldLogin) || sameName(o.newLogin, c.newLogin)) {
				ids = append(ids, other)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Pulled notes how far the INBOXes of an account have got since: also back, where a server was put back to an earlier state.
func (m *Mailboxes) Pulled(id store.AccountID, cp store.Checkpoint) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.claims[id]; ok {
		c.old, c.new = reached{cp.UIDValidity, cp.UIDNext}, reached{cp.NewUIDValidity, cp.NewUIDNext}
		if cp.NewUIDValidity != 0 && c.newValidity != 0 {
			c.newValidity = cp.NewUIDValidity
		}
		m.claims[id] = c
	}
}

// release takes an account's claim back.
func (m *Mailboxes) release(id store.AccountID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave(id)
}

// leave is release with mu held.
func (m *Mailboxes) leave(id store.AccountID) {
	if c, ok := m.claims[id]; ok {
		for _, name := range c.names() {
			delete(m.named[name], id)
		}
		delete(m.alike[c.sides], id)
		delete(m.claims, id)
	}
}

// Lead notes that an account is an alias of another, and so are those that led to it.
func (m *Mailboxes) Lead(id, of store.AccountID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.leave(id)
	m.aliases[of] = append(append(m.aliases[of], id), m.aliases[id]...)
	delete(m.aliases, id)
}

// AliasesOf are the accounts that lead to one.
func (m *Mailboxes) AliasesOf(ctx context.Context, st Store, of store.AccountID) (ids []store.AccountID) {
	m.mu.Lock()
	all := slices.Compact(slices.Sorted(slices.Values(m.aliases[of])))
	m.mu.Unlock()
	for _, id := range all {
		if a, err := st.AccountByID(ctx, id); err == nil && a.Alias == of { // its login may have changed since
			ids = append(ids, id)
		}
	}
	return ids
}

// Load claims for the accounts of which something has been copied, once.
func (m *Mailboxes) Load(ctx context.Context, st Store, cfg *config.Config) error {
	if err := m.loading.Acquire(ctx, 1); err != nil {
		return err
	}
	defer m.loading.Release(1)
	if m.loaded {
		return nil
	}
	accounts, err := st.Accounts(ctx)
	if err != nil {
		return err
	}
	for i := range accounts {
		a := &accounts[i]
		if a.Alias != 0 {
			m.Lead(a.ID, a.Alias)
		}
		d, ok := cfg.DomainNamed(a.Domain)
		if !ok || a.Alias != 0 {
			continue
		}
		c := claim{sides: sides{servers: servers{d.Old.Address(), d.New.Address()}}, oldLogin: a.Old.Login, newLogin: a.New.Login}
		m.company(a.ID, c.servers)
		c.oldValidity, c.newValidity, err = ledgerNumbers(ctx, st, a.ID)
		if err != nil {
			return err
		}
		if c.newValidity != 0 {
			m.claim(a.ID, c)
		}
	}
	m.loaded = true
	return nil
}

// ledgerNumbers are the UIDVALIDITYs of an account's INBOXes as far as its ledger tells.
func ledgerNumbers(ctx context.Context, st Store, id store.AccountID) (old, new uint32, err error) {
	rows, err := st.Folders(ctx, id)
	if err != nil {
		return 0, 0, err
	}
	for i := range rows {
		f := &rows[i]
		if !foldertree.IsInbox(f) {
			continue
		}
		old, new = f.Checkpoint.UIDValidity, max(f.NewUIDValidity, f.Checkpoint.NewUIDValidity)
		if f.Checkpoint.NewUIDValidity != 0 {
			new = f.Checkpoint.NewUIDValidity
		}
		if new == 0 && f.Copied > 0 { // of an earlier version
			tail, err := st.LedgerFrom(ctx, id, f.ID, lastKey)
			if err != nil {
				return 0, 0, err
			}
			new = tail.First.UIDValidity
		}
	}
	return old, new, nil
}

// lastKey is behind all that messages have.
const lastKey = store.Key("\xff\xff\xff\xff\xff\xff\xff\xff")

// sidesOf are an account's, from a look at the old server.
func sidesOf(l *session.Pair, old map[string]upstream.Status) sides {
	return sides{servers{l.Old.End.Server.Address(), l.New.End.Server.Address()}, inboxOf(old).UIDValidity}
}
