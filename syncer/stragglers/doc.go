// Package stragglers watches the old servers of domains whose MX has moved, so that mail that still reaches
// them is at the new server within seconds: as many accounts as the budget of sessions allows wait there for
// what comes, the others get passes in turn.
//
// It must not know how mail is copied: it gives accounts turns (Turns).
package stragglers
