package admin

import "postferry/store"

// memory is what is kept of domains, in memory only, for those who look after them.
type memory struct {
	lists         *lists
	checks        *jobShelf[checkResults]
	verifications *jobShelf[verifyResults]
	preparations  *jobShelf[prepareResult]
	codes         *consentCodes
}

func newMemory() *memory {
	return &memory{lists: newLists(), checks: newJobShelf[checkResults](), verifications: newJobShelf[verifyResults](), preparations: newJobShelf[prepareResult](), codes: newConsentCodes()}
}

// drop forgets what is kept of a domain: the next one of that name may be another's.
func (m *memory) drop(domain string) {
	m.lists.dropDomain(domain)
	m.checks.drop(domain)
	m.verifications.drop(domain)
	m.preparations.drop(domain)
	m.codes.drop(domain, store.OldSide)
	m.codes.drop(domain, store.NewSide)
}
