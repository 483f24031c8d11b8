package demo

import (
	"context"
	"crypto/rand"

	"postferry/internal/demo/servers"
	"postferry/store"
)

// page is how the demo's import page is entered.
type page struct {
	url, name string
	password  store.Secret
}

// The people whose accounts move on the page, and those who wait there.
var (
	moving  = []string{"bert", "clara", "dora", "emil"}
	waiting = []string{"frida", "gustav"}
)

// openPage gives the import page somebody who may enter it, and something to show.
func (s *stage) openPage(ctx context.Context) (page, error) {
	page := page{url: s.daemon.PageURL(), name: "demo", password: store.Secret(rand.Text())}
	if err := s.daemon.AddAdministrator(ctx, page.name, page.password); err != nil {
		return page, err
	}
	if err := s.addColleagues(ctx, waiting, false); err != nil {
		return page, err
	}
	return page, s.addColleagues(ctx, moving, true)
}

// addColleagues adds people with mail on the old server, and accounts that wait or begin.
func (s *stage) addColleagues(ctx context.Context, names []string, begin bool) error {
	var accounts []store.Account
	for i, name := range names {
		login := name + "@example.org"
		if err := s.mail.AddColleague(login, i); err != nil {
			return err
		}
		c := store.Credentials{Login: login, Password: servers.Password}
		accounts = append(accounts, store.Account{
			Domain: "example.org", Login: login, Old: c, New: c, OldOpens: true, Origin: store.Imported, State: store.Waiting,
		})
	}
	return s.daemon.AddAccounts(ctx, accounts, begin)
}
