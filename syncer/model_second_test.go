package syncer

import (
	"context"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"postferry/store"
)

// secondActions are those of a second login that leads to the same mailbox on both servers. Nothing may ever be copied for it beside
// what the first one copies.
func (m *model) secondActions() map[string]func(*rapid.T) {
	if !anyAccidents() {
		return nil
	}
	return map[string]func(*rapid.T){
		"second login":             m.secondLogin,
		"pass of the second login": func(t *rapid.T) { m.passOfSecond(drawTrouble(t)) },
	}
}

// secondLogin adds it, and lets it be recognised, once something has been copied: before, either may lead to the other. What has just
// befallen the servers is seen by the first one before, as by numbers that have gone back it would be another mailbox.
func (m *model) secondLogin(t *rapid.T) {
	if m.second != 0 || m.amnesia || m.pair.new.fleeting || m.pair.old.fleeting {
		return
	}
	if res := m.pass(); res.Problem != nil || !res.Pass.Complete || m.entries() == 0 {
		return
	}
	m.note("a second login of the mailbox")
	c := store.Credentials{Login: "anna", Password: annasPassword}
	rows, _, err := m.db.PutAccounts(context.Background(), []store.Account{{
		Domain: "example.com", Login: "anna", Old: c, New: c, Origin: store.Imported, State: store.Active}})
	if err != nil {
		m.t.Fatal(err)
	}
	m.second = rows[0].ID
	f := drawTrouble(t)
	f.faults = slices.DeleteFunc(f.faults, func(f fault) bool { // a mailbox of which numbers are refused or left out looks like another one
		return f.kind == kindOmits || strings.HasPrefix(f.kind, "NO ")
	})
	for m.passOfSecond(f); !m.recognised(); {
		m.passOfSecond(&trouble{})
	}
}

// entries is how many lines the ledger has.
func (m *model) entries() (n int) {
	m.eachFolder(func(_ store.Folder, l store.Ledger) { n += len(l.Entries) })
	return n
}

// recognised tells whether the second login is known to lead to the first one's mailbox.
func (m *model) recognised() bool {
	row, err := m.db.AccountByID(context.Background(), m.second)
	return err == nil && row.Alias == m.id
}

// passOfSecond makes a pass over it, in which something may go wrong. If it is asked whether its mailbox is the first one's, a
// person says yes.
func (m *model) passOfSecond(f *trouble) {
	if _, err := m.db.AccountByID(context.Background(), m.second); m.second == 0 || err != nil { // the ledger is from before it came
		m.second = 0
		return
	}
	m.set(f.strike)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Hour)
	defer cancel()
	results, err := m.engine.Sync(ctx, []store.AccountID{m.second}, nil)
	if err != nil {
		m.fail("Sync: %v", err)
	}
	alone, p := !m.recognised(), results[0].Problem
	m.note("pass of the second login: %s; %+v", f.outcome(), results[0].Pass)
	m.recover(f, len(f.faults) == 0)
	switch {
	case alone && results[0].Pass.Complete:
		m.fail("the second login was not recognised")
	case p != nil && p.Kind == store.SameMailbox:
		m.note("it is the same mailbox")
		if err := m.db.SetAlias(context.Background(), m.second, m.id); err != nil {
			m.t.Fatal(err)
		}
	}
	_ = m.engine.Updated(context.Background(), []store.AccountID{m.second})
}
