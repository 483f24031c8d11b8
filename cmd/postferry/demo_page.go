package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"postferry/admin"
	"postferry/store"
)

// demoPage is how the demo's import page is entered.
type demoPage struct {
	url, name string
	password  store.Secret
}

// The people whose accounts move on the page, and those who wait there.
var (
	demoMoving  = []string{"bert", "clara", "dora", "emil"}
	demoWaiting = []string{"frida", "gustav"}
)

// demoColleagueMail is how many messages each of them has: enough to watch for a while.
const demoColleagueMail = 500

// openPage gives the import page somebody who may enter it, and something to show.
func (s *stage) openPage(ctx context.Context) (demoPage, error) {
	page := demoPage{url: s.daemon.page.URL(), name: "demo", password: store.Secret(rand.Text())}
	if _, err := admin.NewOperator(s.daemon.store, s.daemon.log).SetPassword(ctx, page.name, new(string), page.password); err != nil {
		return page, err
	}
	waiting, err := s.addColleagues(ctx, demoWaiting)
	if err != nil {
		return page, err
	}
	moving, err := s.addColleagues(ctx, demoMoving)
	if err != nil {
		return page, err
	}
	if _, err := s.daemon.engine.Begin(ctx, moving); err != nil {
		return page, err
	}
	return page, s.daemon.engine.Updated(ctx, waiting)
}

// addColleagues adds people with mail on the old server and accounts that wait.
func (s *stage) addColleagues(ctx context.Context, names []string) ([]store.AccountID, error) {
	var accounts []store.Account
	for i, name := range names {
		login := name + "@example.org"
		if err := s.addColleague(login, i); err != nil {
			return nil, err
		}
		c := store.Credentials{Login: login, Password: demoPassword}
		accounts = append(accounts, store.Account{
			Domain: "example.org", Login: login, Old: c, New: c, OldOpens: true, Origin: store.Imported, State: store.Waiting,
		})
	}
	stored, _, err := s.daemon.store.PutAccounts(ctx, accounts)
	ids := make([]store.AccountID, len(stored))
	for i, a := range stored {
		ids[i] = a.ID
	}
	return ids, err
}

// addColleague makes a person known to both servers, and gives the old one mail.
func (s *stage) addColleague(login string, part int) error {
	var users [2]*imapmemserver.User
	for i, server := range []*demoServer{s.old, s.new} {
		var err error
		if users[i], err = newDemoUser(server.memory, login, demoPassword, []string{"INBOX", "Sent"}); err != nil {
			return err
		}
	}
	start := time.Date(2025, time.June, 1, 8, 0, 0, 0, time.UTC)
	var errs []error
	for n := range demoColleagueMail {
		m := newDemoMessage(fmt.Sprintf("Wochenbericht %d", n+1), fmt.Sprintf("%s.%d.%d", login, part, n), start.Add(time.Duration(n)*time.Hour))
		m.flags = demoFlags(n)
		errs = append(errs, putDemoMessage(users[0], []string{"INBOX", "Sent"}[n%3/2], m))
	}
	return errors.Join(errs...)
}
