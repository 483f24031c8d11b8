package admin

import "postferry/store"

// memory is what is kept of domains, in memory only, for those who look after them.
type memory struct {
	lists *lists
	codes *consentCodes
	jobs  []dropper // of each kind
}

// dropper keeps something of domains.
type dropper interface {
	// Drop forgets what is kept of one.
	Drop(domain string)
}

func newMemory() *memory { return &memory{lists: newLists(), codes: newConsentCodes()} }

// drop forgets what is kept of a domain: the next one of that name may be another's.
func (m *memory) drop(domain string) {
	m.lists.dropDomain(domain)
	for _, kind := range m.jobs {
		kind.Drop(domain)
	}
	m.codes.drop(domain, store.OldSide)
	m.codes.drop(domain, store.NewSide)
}
